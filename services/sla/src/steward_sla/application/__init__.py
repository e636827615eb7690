"""What sla does with what it hears, and what it needs for that."""
