"""The files that other systems export."""

import csv
import gzip
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from steward_stack.errors import StewardError


class NotThisFormat(StewardError):
    """The file is not of the form that was named; the text says why in a sentence."""


def rows_of(
    path: Path, columns: Sequence[str], form: str
) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Give the rows of a CSV file, plain or gzipped, each with the number of its last line.

    Raises `NotThisFormat` for a file without these columns, and for one that cannot be read.
    """
    try:
        with _opened(path) as text:
            reader = csv.DictReader(text)
            missing = [name for name in columns if name not in (reader.fieldnames or ())]
            if missing:
                raise NotThisFormat(f"{path.name} is no {form}: it has no column “{missing[0]}”.")
            for row in reader:
                yield reader.line_num, row
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise NotThisFormat(f"{path.name} cannot be read: {error}.") from error


def slug(text: str) -> str:
    """Give the part of an ID that reads like a text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "unknown"


def _opened(path: Path) -> io.TextIOBase:
    with path.open("rb") as start:
        is_gzip = start.read(2) == b"\x1f\x8b"
    if is_gzip:
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8-sig", newline="")
