"""What became of one attempt to send: the answer of every gateway, whatever its channel.

A code and a reason go into facts and logs, so nothing in them is in a provider's words: those may
quote whom the message is for.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took the message; `provider_id` is its own number for it."""

    provider_id: str


@dataclass(frozen=True, slots=True)
class RefusedForGood:
    """Nothing was sent, and the same message would be refused again."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class TryLater:
    """Nothing was sent; the cause lies outside the message and may pass or be mended."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have been sent. Never sent again by itself: only a receipt or a person can tell."""

    reason: str


_CODE = re.compile(r"(?!(?:\D*\d){7})[A-Za-z0-9_.:-]{1,80}")
"""Looks like a code, and not like a telephone number."""


def as_code(said: str) -> str:
    """Give a provider's code; what does not look like one may quote somebody."""
    return said if _CODE.fullmatch(said) else "unreadable"


Outcome = Sent | RefusedForGood | TryLater | Unknown
