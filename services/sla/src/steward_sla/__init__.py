"""Runs the clocks of every case: targets, warnings, breaches, escalations."""
