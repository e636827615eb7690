"""The local stack with everything real, and the steward command."""
