"""What the stack tells a person when it cannot go on."""


class StewardError(Exception):
    """A failure that is explained in one full sentence, without a traceback."""
