"""What the stack tells a person when it cannot go on."""

from collections.abc import Mapping
from typing import Any


class StewardError(Exception):
    """A failure that is explained in one full sentence, without a traceback.

    `problem` is the answer of the service that refused, where one did.
    """

    def __init__(self, sentence: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.problem = problem


def problem_of(title: str, title_zh: str, detail: str) -> dict[str, str]:
    """Word a failure of the command itself as services word theirs (RFC 9457)."""
    return {"type": "about:blank", "title": title, "title_zh": title_zh, "detail": detail}
