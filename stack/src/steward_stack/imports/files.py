"""The files that other systems export."""

import gzip
import io
from pathlib import Path


def opened_text(path: Path) -> io.TextIOBase:
    """Open a text file, plain or gzipped."""
    with path.open("rb") as start:
        is_gzip = start.read(2) == b"\x1f\x8b"
    if is_gzip:
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8-sig", newline="")
