"""The shape of all domain logic: decide, evolve, wake_at."""
