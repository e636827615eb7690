"""What visits decides; pure."""
