"""Photos and letters as they may be kept: what they are by their content, without what cameras add."""

import io
from dataclasses import dataclass

from PIL import Image, ImageOps

from steward_decider import Refused
from steward_intake.application.desk import invalid

MOST_BYTES = 10_000_000
MOST_PIXELS = 50_000_000
# A phone writes several pictures into one JPEG, which is then an MPO.
_FORMATS = {"JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
_QUALITY = 90


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A file that may be kept."""

    content: bytes
    media_type: str


def cleaned(content: bytes) -> Cleaned:
    """Give the file without place, time and camera; refuses what is no photo and no PDF."""
    if len(content) > MOST_BYTES:
        raise invalid(f"The file is larger than {MOST_BYTES // 1_000_000} MB.")
    if content.startswith(b"%PDF-"):
        return Cleaned(content, "application/pdf")
    try:
        with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as photo:
            return _anew(photo)
    except Refused:
        raise
    except Exception:  # decoders raise many kinds
        raise invalid("The file is no JPEG, PNG, WebP or PDF, or it is damaged.") from None


def _anew(photo: Image.Image) -> Cleaned:
    form = str(photo.format)
    width, height = photo.size
    if width * height > MOST_PIXELS:
        raise invalid(f"The picture has more than {MOST_PIXELS // 1_000_000} million pixels.")
    upright = ImageOps.exif_transpose(photo)  # what the camera said of it is gone afterwards
    upright.info = {name: value for name, value in upright.info.items() if name == "transparency"}
    written = io.BytesIO()
    upright.save(written, "JPEG" if form == "MPO" else form, quality=_QUALITY)
    return Cleaned(written.getvalue(), _FORMATS[form])
