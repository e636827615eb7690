"""What audit keeps, and whom it asks."""
