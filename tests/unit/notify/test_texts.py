"""What people are told, in both languages."""

from datetime import datetime
from typing import get_args
from zoneinfo import ZoneInfo

import pytest

from steward_notify.adapters.sms_text import measure
from steward_notify.texts import (
    Language,
    ValueMissing,
    body,
    deadline,
    in_short,
    render,
    templates,
    values_for,
)
from steward_policy import packs

SHANGHAI = ZoneInfo("Asia/Shanghai")
ESCALATION = {
    "case_number": "XHY-2026-000123",
    "project": "星河湾",
    "severity": "minor",
    "target": "处理完成",
    "due": "2026-10-01 24:00",
    "decide_by": "2026-09-30 15:30",
    "rule": "RM-4.5.2c",
    "role": "cs_supervisor",
    "mode": "on_site",
    "duty": "suggestion-box-opened",
    "phone": "13800138000",
    "appointment": "2026-10-03T14:00:00+08:00",
    "new_date": "2026-10-11T00:00:00+08:00",
    "asked_for": "2026-10-03T14:00:00+08:00",
    "due_date": "2026-10-04T00:00:00+08:00",
    "summary": "厨房水管漏水",
    "text": "零件已订购，周五到货",
    "reason": "原设计没有的设施",
    "count": "3",
    "numbers": "XHY-2026-000123、000124",
    "into": "XHY-2026-000122",
    "ended": "case_moved_out",
    "incident": "1号楼水管爆裂",
}


def test_an_escalation_says_what_is_late_and_why_it_comes_to_this_person() -> None:
    text = render("escalation", "zh", ESCALATION)
    assert text.subject == "【升级】XHY-2026-000123 星河湾"
    assert text.body == (
        "星河湾：轻微投诉XHY-2026-000123的“处理完成”应于2026-10-01 24:00前完成，现已逾期，"
        "升级到您（客服部主管）处理。依据RM-4.5.2c。"
    )


def test_the_english_text_says_the_same() -> None:
    text = render("escalation", "en", ESCALATION)
    assert "minor complaint XHY-2026-000123 was due by 2026-10-01 24:00" in text.body
    assert "customer-service supervisor" in text.body


def test_who_has_to_decide_on_more_time_is_told_until_when() -> None:
    assert render("requested", "zh", ESCALATION).body == (
        "星河湾：轻微投诉XHY-2026-000123的“处理完成”申请延期，请您（客服部主管）于"
        "2026-09-30 15:30前决定；原期限2026-10-01 24:00。依据RM-4.5.2c。"
    )
    assert "Please decide (customer-service supervisor) by 2026-09-30 15:30." in (
        render("requested", "en", ESCALATION).body
    )


@pytest.mark.parametrize("template", templates())
@pytest.mark.parametrize("language", get_args(Language))
def test_every_template_is_written_in_both_languages_and_fits_four_segments(
    template: str, language: Language
) -> None:
    text = render(template, language, ESCALATION | {"result": "已修好"})
    assert "$" not in text.subject + text.body
    assert measure(text.body, "cn").segments <= 4


def test_the_provider_gets_the_values_of_the_body_and_no_more() -> None:
    values = values_for("escalation", "zh", ESCALATION)
    assert values["severity"] == "轻微投诉"
    assert "phone" not in values
    assert all("${" + name + "}" in body("escalation", "zh") for name in values)


@pytest.mark.parametrize("language", get_args(Language))
def test_every_target_of_the_pack_has_a_word_in_both_languages(language: Language) -> None:
    for target in packs.built_in().targets:
        said = values_for("escalation", language, ESCALATION | {"target": target.id})["target"]
        assert said != target.id


@pytest.mark.parametrize("hole", [{}, {"due": ""}])
def test_a_missing_value_is_an_error_that_names_the_template(hole: dict[str, str]) -> None:
    values = {name: value for name, value in ESCALATION.items() if name != "due"} | hole
    with pytest.raises(ValueMissing, match=r"The template escalation \(zh\) needs due\."):
        render("escalation", "zh", values)


def test_an_unknown_template_or_language_is_an_error() -> None:
    with pytest.raises(ValueMissing, match="There is no template words; there are escalation"):
        render("words", "zh", {})
    with pytest.raises(ValueMissing, match="not written in fr"):
        render("escalation", "fr", {})  # type: ignore[arg-type]


def test_a_value_is_never_taken_for_a_template() -> None:
    text = render("escalation", "zh", ESCALATION | {"project": "${phone} $$"})
    assert text.body.startswith("${phone} $$：")


def test_midnight_is_told_as_the_end_of_the_day() -> None:
    assert deadline(datetime(2026, 10, 2, 0, 0, tzinfo=SHANGHAI)) == "2026-10-01 24:00"
    assert deadline(datetime(2026, 10, 2, 8, 30, tzinfo=SHANGHAI)) == "2026-10-02 08:30"


@pytest.mark.parametrize(
    ("numbers", "language", "said"),
    [
        (["A-2026-00001"], "zh", "A-2026-00001"),
        (["A-2026-00001", "A-2026-00002"], "zh", "A-2026-00001、00002"),
        (["A-2026-00001", "A-2026-00002"], "en", "A-2026-00001, 00002"),
        (["A-2026-00001", "B-2026-00001"], "zh", "A-2026-00001、B-2026-00001"),
        ([f"A-2026-{n:05d}" for n in range(4)], "zh", "A-2026-00000、00001、00002、00003"),
        ([f"A-2026-{n:05d}" for n in range(9)], "en", "A-2026-00000, 00001, 00002…"),
        ([f"A-2026-{n:05d}" for n in range(9)], "zh", "A-2026-00000、00001、00002等"),
    ],
)
def test_case_numbers_are_listed_in_short_and_never_cut_in_their_middle(
    numbers: list[str], language: Language, said: str
) -> None:
    assert in_short(numbers, language, 30) == said
