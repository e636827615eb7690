"""Search over sealed text: each two neighbouring letters become a keyed digest.

Texts are compared without case, width, spaces and punctuation. The key is each project's own, out of
the installation's key, so that digests of two projects say nothing of each other.
"""

import hmac
import unicodedata
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LONGEST = 4_000
"""So many letters of a text can be searched for."""

MOST_MARKS = 30
"""So many combining marks of one letter are looked at."""
_TERM_BYTES = 8
_COMBINED = "\u0f73\u0f75\u0f81\uff9e\uff9f"  # no marks themselves, but made of nothing else


class SearchTerms:
    """Gives the terms of texts under one installation's key."""

    def __init__(self, master_key: bytes) -> None:
        self._key_of = lru_cache(10_000)(lambda project: _derived(master_key, project))

    def of(self, project_id: str, text: str) -> list[str]:
        """Give the terms of a text, each once; a text of one letter has none."""
        letters = plain(text)[:LONGEST]
        pairs = {letters[place : place + 2] for place in range(len(letters) - 1)}
        key = self._key_of(project_id)
        return sorted(
            hmac.digest(key, pair.encode(), "sha256")[:_TERM_BYTES].hex() for pair in pairs
        )


def plain(text: str) -> str:
    """Give a text as it is compared: letters and digits alone, of one case and width."""
    normal = unicodedata.normalize("NFKC", _stream_safe(text)).casefold()
    return "".join(letter for letter in normal if letter.isalnum())


def _stream_safe(text: str) -> str:
    """Cut runs of combining marks, as UAX 15 does: to put one in order takes the square of it."""
    kept: list[str] = []
    run = 0
    for letter in text:
        run = run + 1 if unicodedata.combining(letter) or letter in _COMBINED else 0
        if run <= MOST_MARKS:
            kept.append(letter)
    return "".join(kept)


def _derived(master_key: bytes, project_id: str) -> bytes:
    info = f"steward/search|{project_id}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(master_key)
