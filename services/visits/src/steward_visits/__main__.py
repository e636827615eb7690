"""Runs visits: `python -m steward_visits`."""

from steward_visits.app import main

if __name__ == "__main__":
    main()
