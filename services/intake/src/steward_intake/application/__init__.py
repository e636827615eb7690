"""What is done when something is heard, and what others must provide for it."""
