"""Runs sla: `python -m steward_sla`."""

from steward_sla.app import main

if __name__ == "__main__":
    main()
