"""Encoding, units and segments of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steward_notify.adapters.sms_text import Region, SmsSize, measure


@pytest.mark.parametrize(
    ("text", "region", "size"),
    [
        ("", "cn", SmsSize("UCS-2", 1, 0)),
        ("", "intl", SmsSize("GSM-7", 1, 0)),
        ("a" * 70, "cn", SmsSize("UCS-2", 1, 70)),
        ("a" * 71, "cn", SmsSize("UCS-2", 2, 71)),
        ("字" * 70, "cn", SmsSize("UCS-2", 1, 70)),
        ("字" * 134, "cn", SmsSize("UCS-2", 2, 134)),
        ("字" * 135, "cn", SmsSize("UCS-2", 3, 135)),
        ("a" * 160, "intl", SmsSize("GSM-7", 1, 160)),
        ("a" * 161, "intl", SmsSize("GSM-7", 2, 161)),
        ("a" * 306, "intl", SmsSize("GSM-7", 2, 306)),
        ("a" * 307, "intl", SmsSize("GSM-7", 3, 307)),
        ("€" * 80, "intl", SmsSize("GSM-7", 1, 160)),
        ("€" * 81, "intl", SmsSize("GSM-7", 2, 162)),
        ("Ünïcode", "intl", SmsSize("UCS-2", 1, 7)),
        ("Çüé@£", "intl", SmsSize("GSM-7", 1, 5)),
        ("字" * 70, "intl", SmsSize("UCS-2", 1, 70)),
        ("字" * 71, "intl", SmsSize("UCS-2", 2, 71)),
        ("😀" * 35, "cn", SmsSize("UCS-2", 1, 70)),
        ("`", "intl", SmsSize("UCS-2", 1, 1)),
    ],
)
def test_a_text_is_measured_as_it_is_billed(text: str, region: Region, size: SmsSize) -> None:
    assert measure(text, region) == size


def test_a_pair_is_not_torn_between_two_segments() -> None:
    assert measure("a" * 152 + "€" + "a" * 152, "intl") == SmsSize("GSM-7", 3, 306)
    assert measure("字" * 66 + "😀" + "字" * 66, "cn") == SmsSize("UCS-2", 3, 134)


def test_an_unknown_region_is_refused() -> None:
    with pytest.raises(ValueError, match="it is cn or intl"):
        measure("a", "mars")  # type: ignore[arg-type]


@given(st.text(), st.sampled_from(["cn", "intl"]))
def test_a_longer_text_never_takes_fewer_segments(text: str, region: Region) -> None:
    assert measure(text, region).segments <= measure(text + "a", region).segments
