"""What intake calls: its read models."""
