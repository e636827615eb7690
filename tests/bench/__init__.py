"""The figures of DESIGN 12, measured: `make bench`."""
