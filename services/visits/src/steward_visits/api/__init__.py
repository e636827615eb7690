"""What calls visits."""
