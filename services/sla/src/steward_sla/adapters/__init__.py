"""What sla calls: its own tables."""
