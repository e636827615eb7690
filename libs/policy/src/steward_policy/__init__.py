"""Service rules as data: policy packs, working calendars, durations."""
