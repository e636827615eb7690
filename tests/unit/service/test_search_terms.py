"""Terms of sealed texts: parts are found, and nothing is read from them."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from steward_service.search_terms import SearchTerms, plain

TERMS = SearchTerms(b"m" * 32)


def finds(part: str, text: str, project: str = "p") -> bool:
    return set(TERMS.of(project, part)) <= set(TERMS.of(project, text))


@given(some.text(), some.text(), some.text())
def test_every_part_of_a_text_is_found(before: str, part: str, behind: str) -> None:
    whole = before + part + behind
    if plain(part) in plain(whole):  # what stands beside a letter may change how it is written
        assert finds(part, whole)


@pytest.mark.parametrize(
    ("part", "text"),
    [
        ("漏水", "阳台漏水三次"),
        ("ＬＩＦＴ", "the lift is stuck"),
        ("138 0013-8000", "+86 13800138000"),
        ("O'Brien", "Mr. OBRIEN"),
    ],
)
def test_case_width_spaces_and_punctuation_make_no_difference(part: str, text: str) -> None:
    assert finds(part, text)


def test_what_does_not_stand_there_is_not_found() -> None:
    assert not finds("水漏", "阳台漏水三次")


def test_terms_say_nothing_across_projects_and_installations() -> None:
    here = set(TERMS.of("p", "阳台漏水"))
    assert here.isdisjoint(TERMS.of("q", "阳台漏水"))
    assert here.isdisjoint(SearchTerms(b"n" * 32).of("p", "阳台漏水"))


@pytest.mark.parametrize("marks", ["\u0323\u0301", "\u0f73", "\uff9e\uff9f", "\U0001d165\u0301"])
def test_marks_without_end_are_cut_before_they_are_put_in_order(marks: str) -> None:
    assert plain("e" + marks * 500_000 + "g") == plain("e" + marks * 15 + "g")
    assert plain("ｶﾞ") == plain("ガ")


def test_one_letter_has_no_terms() -> None:
    assert TERMS.of("p", "水") == TERMS.of("p", "，。") == []
