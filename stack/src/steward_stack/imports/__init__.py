"""Other systems' files, as what Steward takes in: registers, events to play, records of history."""
