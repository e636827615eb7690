"""Photos and letters: kept is what they show, and not where or with what they were taken."""

import io
import struct
from zlib import crc32

import pytest
from PIL import Image

from steward_decider import Refused
from steward_intake.application.attachments import MOST_BYTES, cleaned

PLACE = {0x8825: {1: "N", 2: (30.0, 15.0, 7.0)}, 0x010F: "Cameraworks", 0x0112: 6}


def photo(form: str = "JPEG") -> bytes:
    """Make a photo that tells where it was taken, and by which camera held upright."""
    exif = Image.Exif()
    for tag, value in PLACE.items():
        exif[tag] = value
    kept = io.BytesIO()
    more = {"comment": b"flat 101"} if form == "JPEG" else {}
    Image.new("RGB", (4, 2), "red").save(kept, form, exif=exif, **more)
    return kept.getvalue()


def huge() -> bytes:
    kept = io.BytesIO()
    Image.new("1", (10_000, 5_001)).save(kept, "PNG")
    return kept.getvalue()


def boundless() -> bytes:
    """Make a picture of a few bytes that says it has 400 million pixels."""
    head = b"IHDR" + struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + struct.pack(">I", crc32(head))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_kept_upright_without_what_its_camera_added(form: str) -> None:
    file = cleaned(photo(form))
    assert file.media_type == f"image/{form.lower()}"
    for told in (b"Cameraworks", b"flat 101", b"Exif", b"eXIf", b"EXIF"):
        assert told not in file.content
    with Image.open(io.BytesIO(file.content)) as kept:
        assert dict(kept.getexif()) == {}
        assert kept.size == (2, 4)
    assert cleaned(photo(form)) == file


def test_a_letter_is_kept_as_it_is() -> None:
    letter = b"%PDF-1.7\n1 0 obj\n%%EOF\n"
    assert cleaned(letter).content == letter
    assert cleaned(letter).media_type == "application/pdf"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "no JPEG, PNG, WebP or PDF"),
        (b"<svg/>", "no JPEG, PNG, WebP or PDF"),
        (b"<html>%PDF-1.7", "no JPEG, PNG, WebP or PDF"),
        (photo()[:-40], "no JPEG, PNG, WebP or PDF"),
        (huge(), "more than 50 million pixels"),
        (boundless(), "no JPEG, PNG, WebP or PDF"),
        (bytes(MOST_BYTES + 1), "larger than 10 MB"),
    ],
    ids=["nothing", "drawing", "page", "half", "huge", "boundless", "heavy"],
)
def test_what_is_no_photo_and_no_letter_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        cleaned(content)
