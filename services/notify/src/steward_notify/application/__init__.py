"""What notify does with what it hears, and what it needs from outside."""
