"""Tables as people send them, CSV or XLSX, as sheets of numbered rows; nothing is understood here."""

import csv
import io
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zipfile import ZipFile

from openpyxl import load_workbook
from openpyxl.utils.datetime import WINDOWS_EPOCH

Cell = str | int | float | bool | datetime | date | time | timedelta | None
Row = tuple[int, Sequence[Cell]]
"""The number of a line in its file, and its cells."""

MOST_EXPANDED = 30_000_000
"""So many bytes may a workbook hold, which is a ZIP archive: some small ones hold gigabytes."""
MOST_LINES = 20_000
WIDEST = 60
"""So many columns are read; what stands right of them is not looked at."""
_LONGEST = 1_048_576  # lines, the empty ones too: as many as a spreadsheet has
_WINDOW, _OVERLAP = 1 << 16, 1_000
_SEPARATORS = ",;\t"
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
# Never looks at a byte a second time, however odd the file.
_UNCALCULATED = re.compile(rb"(?:</f>|<f[^<>]*+(?<=/)>)\s*+(?:<v\s*+/>|<v></v>)?+\s*+</c>")


class NoTable(Exception):
    """The file holds no table that can be read; the text says why in a sentence."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table; `epoch` is the day from which its numbers count days, where they are dates.

    `unclosed` are lines that cannot be read, since a quotation mark is opened there and never closed.
    """

    name: str
    rows: Sequence[Row]
    epoch: datetime = WINDOWS_EPOCH
    unclosed: Sequence[int] = ()


def sheets_of(content: bytes) -> list[Sheet]:
    """Give the tables of a file, without their empty lines; raises `NoTable`."""
    if content.startswith(_ZIP):
        return _workbook(content)
    if content.startswith(_OLE):
        raise NoTable("The file is an old .xls or has a password: save it as .xlsx without one.")
    unclosed: list[int] = []
    return [Sheet("", _filled(_lines(_text(content), unclosed)), unclosed=unclosed)]


def _filled(rows: Iterable[Row]) -> list[Row]:
    filled = (row for row in rows if not all(map(is_empty, row[1])))
    found = list(islice(filled, MOST_LINES + 1))
    if len(found) > MOST_LINES:
        raise _too_long(MOST_LINES)
    return found


def is_empty(cell: Cell) -> bool:
    """Tell whether a cell says nothing."""
    return cell is None or cell == ""


def _too_long(lines: int) -> NoTable:
    return NoTable(f"The file has more than {lines} lines: divide it.")


def _text(content: bytes) -> str:
    encodings = ["utf-8-sig", "gb18030"]
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in content[:200]:  # every second byte of what is Latin
        encodings = ["utf-16-be" if content[:1] == b"\0" else "utf-16-le"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if not re.search(r"[\x00-\x08\x0e-\x1f]", text):
            return text
    raise NoTable("The file is neither XLSX nor a text in UTF-8, UTF-16 or GB18030.")


def _lines(text: str, unclosed: list[int]) -> Iterator[Row]:
    lines = list(islice(io.StringIO(text, newline=""), _LONGEST + 1))
    if len(lines) > _LONGEST:
        raise _too_long(_LONGEST)
    at = 0
    try:
        separator = _separator(text)
        while at < len(lines):
            row, taken = _row(lines, at, separator)
            if row is None:
                unclosed.append(at + 1)
                if len(unclosed) > MOST_LINES:
                    raise _too_long(MOST_LINES)
            # Spreadsheets tell each other the separator so.
            elif not (at == 0 and row and row[0].lower().startswith("sep=")):
                yield at + 1, [cell.strip() for cell in row[:WIDEST]]
            at += taken
    except csv.Error as error:
        raise NoTable(f"The file is no CSV: {error}.") from None


def _row(lines: Sequence[str], at: int, separator: str) -> tuple[list[str] | None, int]:
    """Give the row that begins at a line, and how many lines it takes; none of an unclosed one."""
    # A cell may hold several lines, but then its quotation marks are all in order.
    some = (lines[place] for place in range(at, len(lines)))
    with suppress(csv.Error):
        strict = csv.reader(some, delimiter=separator, strict=True)
        return next(strict), strict.line_num
    # What ends within quotation marks takes the next line for its own, in which there is one cell.
    alone = csv.reader([lines[at], "\n"], delimiter=separator)
    row = next(alone)
    return (row, 1) if alone.line_num == 1 else (None, 1)


def _separator(text: str) -> str:
    """Find what separates the columns: it makes the most lines alike."""

    def alike(separator: str) -> tuple[float, int]:
        some = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        widths = Counter(len(row) for row in islice(some, 50) if row)
        width, times = max(widths.items(), key=lambda each: (each[1], each[0]), default=(1, 0))
        return (times / widths.total() if width > 1 else 0.0, width)

    return max(_SEPARATORS, key=alike)


def _workbook(content: bytes) -> list[Sheet]:
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            _check(archive)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is lost that we do not read
            book = load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            left = iter(range(_LONGEST))
            return [
                Sheet(each.title, _filled(_rows(each, left)), book.epoch)
                for each in book.worksheets
            ]
    except NoTable:
        raise
    except Exception:  # what reads archives, XML and workbooks raises many kinds
        raise NoTable("The file is no XLSX workbook, or it is damaged.") from None


def _check(archive: ZipFile) -> None:
    # What an archive says of its sizes binds: more than that is never taken out of it.
    if sum(each.file_size for each in archive.infolist()) > MOST_EXPANDED:
        raise NoTable(
            f"The workbook holds more than {MOST_EXPANDED // 1_000_000} MB when it is unpacked:"
            " divide it, or take its pictures out."
        )
    for name in archive.namelist():
        if name.startswith("xl/worksheets/") and any(
            _UNCALCULATED.search(some) for some in _windows(archive, name)
        ):
            raise NoTable(
                "The workbook has formulas that were never calculated: open it in a spreadsheet "
                "program and save it again."
            )


def _windows(archive: ZipFile, name: str) -> Iterator[bytes]:
    """Give a part piece by piece, each with the end of the one before."""
    before = b""
    with archive.open(name) as part:
        while some := part.read(_WINDOW):
            yield before + some
            before = some[-_OVERLAP:]


def _rows(sheet: Any, left: Iterator[int]) -> Iterator[Row]:
    """Give the rows of a sheet, no more than are left of those that a file may have."""
    sheet.reset_dimensions()  # what the file says of its size is often wrong
    # A row says itself which it is; those before it are made, as many as it likes.
    rows = sheet.iter_rows(max_row=_LONGEST, max_col=WIDEST, values_only=True)
    for line, cells in enumerate(rows, start=1):
        if next(left, None) is None:
            raise _too_long(_LONGEST)
        if cells.count(None) < len(cells):
            yield line, [cell.strip() if isinstance(cell, str) else cell for cell in cells]
