"""What calls notify."""
