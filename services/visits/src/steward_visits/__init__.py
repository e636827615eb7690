"""Owes, records and counts follow-ups and visits."""
