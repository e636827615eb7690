"""The clocks of a case: what runs, what is late, who is told. Pure."""
