"""What a run has to say at its end."""

from dataclasses import dataclass, field


@dataclass
class LastWords:
    """Lines for the end of the run; how many violations were found is the last, if it was judged."""

    lines: list[str] = field(default_factory=list)
    judged: str = ""
    """On what it was judged."""
    violations: int = 0
