"""How long a text is for the network: its encoding, its units, and the segments that are paid for."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Region = Literal["cn", "intl"]

_GSM7_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM7_EXTENSION = frozenset("\f^{}\\[~]|€")
"""3GPP TS 23.038: each costs two units, an escape and itself."""


@dataclass(frozen=True, slots=True)
class SmsSize:
    """`units` are septets (GSM-7) or UTF-16 code units (UCS-2), extension characters counted twice."""

    encoding: Literal["GSM-7", "UCS-2"]
    segments: int
    units: int


def measure(text: str, region: Region) -> SmsSize:
    """Measure a text as it is billed.

    `cn`: mainland China counts every character alike, 70 in one segment, 67 in each of several.
    `intl`: 160/153 where GSM-7 suffices, else 70/67. An empty text still takes one segment.
    """
    if region not in ("cn", "intl"):
        raise ValueError(f"The region {region!r} is unknown; it is cn or intl.")
    if region == "intl" and all(c in _GSM7_BASIC or c in _GSM7_EXTENSION for c in text):
        costs = [2 if c in _GSM7_EXTENSION else 1 for c in text]
        return SmsSize("GSM-7", _segments(costs, alone=160, joined=153), sum(costs))
    costs = [2 if ord(c) > 0xFFFF else 1 for c in text]
    return SmsSize("UCS-2", _segments(costs, alone=70, joined=67), sum(costs))


def _segments(costs: Iterable[int], *, alone: int, joined: int) -> int:
    costs = list(costs)
    if sum(costs) <= alone:
        return 1
    segments, room = 1, joined
    for cost in costs:
        if cost > room:  # a pair is never torn between two segments
            segments, room = segments + 1, joined
        room -= cost
    return segments
