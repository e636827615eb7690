"""What visits keeps for its readers."""
