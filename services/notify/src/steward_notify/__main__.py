"""Runs notify: `python -m steward_notify`."""

from steward_notify.app import main

if __name__ == "__main__":
    main()
