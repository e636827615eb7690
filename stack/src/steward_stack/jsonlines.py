"""The bulk form of commands: JSON lines in, one JSON line out for each, with the same `id`."""

import json
import math
import sys
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

Answer = Callable[[dict[str, Any]], dict[str, Any]]


def answer_lines(
    answer: Answer, source: Iterable[bytes] | None = None, sink: BinaryIO | None = None
) -> None:
    """Answer each line of standard input; a refused line gets `error`, one clear sentence.

    `answer` gives the members that stand beside `id`, and raises ValueError to refuse.
    """
    out = sys.stdout.buffer if sink is None else sink
    for line in sys.stdin.buffer if source is None else source:
        if line.strip():
            # A lone surrogate has no UTF-8 form; its escape is what JSON writes for it.
            text = json.dumps(_answered(answer, line), ensure_ascii=False)
            out.write(text.encode("utf-8", "backslashreplace") + b"\n")
            out.flush()


def _answered(answer: Answer, line: bytes) -> dict[str, Any]:
    endless: list[str] = []

    def number(text: str) -> float | None:
        value = float(text)
        if math.isfinite(value):
            return value
        endless.append(text)
        return None

    try:
        asked = json.loads(line, parse_float=number, parse_constant=number)
    except (ValueError, RecursionError):
        return {"id": None, "error": "The line cannot be read: it is not JSON in UTF-8."}
    if not isinstance(asked, dict):
        return {"id": None, "error": "The line is JSON, but not an object with an id."}
    name = asked.get("id")
    if endless:
        return {"id": name, "error": f"{endless[0]} is not a number that can be counted with."}
    try:
        return {"id": name, **answer(asked)}
    except OverflowError:
        return {"id": name, "error": "A date or an amount is out of reach."}
    except RecursionError:
        return {"id": name, "error": "The line is nested too deeply."}
    except ValueError as error:
        return {"id": name, "error": " ".join(str(error).split())}
    except Exception as error:
        # A defect of ours takes one line, not all the lines after it.
        return {"id": name, "error": f"Steward itself failed on this line: {error!r}."}
