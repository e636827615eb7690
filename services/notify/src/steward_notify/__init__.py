"""Tells people: SMS, email, and what became of each message."""
