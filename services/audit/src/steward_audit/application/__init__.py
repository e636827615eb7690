"""What audit makes of what it heard."""
