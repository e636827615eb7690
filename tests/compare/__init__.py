"""Steward's deadlines beside other answers to the same question."""
