"""The shell that every service runs in."""
