"""What a guard is: what it promises, where it stands, and the test that fails without it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Guard:
    """One guard. `text` stands in `file` once; `guarantee` is a sentence for people."""

    section: str
    guarantee: str
    name: str
    file: str
    text: str
    instead: str
    test: str

    def without(self, source: str) -> str:
        """Give the file's text without the guard."""
        if source.count(self.text) != 1:
            raise ValueError(f"“{self.name}”: its text does not stand in {self.file} once.")
        return source.replace(self.text, self.instead)
