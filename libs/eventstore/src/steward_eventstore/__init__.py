"""Streams, execute, inbox, parking, timers and sweeps in PostgreSQL; the same port in memory."""
