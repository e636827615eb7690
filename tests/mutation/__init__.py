"""Proves the guards: each one taken out in turn makes a named test fail."""
