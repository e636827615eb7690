"""Runs audit: `python -m steward_audit`."""

from steward_audit.app import main

if __name__ == "__main__":
    main()
