"""What calls audit."""
