"""The figures to reach, measured: `make bench`."""
