"""What a service centre meets seldom: each is told once in the live days, for the rule that it shows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

PROJECT = "lakeside"
BOX = f"{PROJECT}-box"
COMMITTEE = f"{PROJECT}-committee"
CLASSIFIED_AFTER = timedelta(minutes=16)


@dataclass(frozen=True, slots=True)
class Seldom:
    """One complaint: when it comes, what is said with it, what it is found to be."""

    after: timedelta
    """Since the live days began."""
    topic: str
    summary: str
    said: Mapping[str, Any]
    found: Mapping[str, Any]
    meanwhile: tuple[tuple[int, str, Mapping[str, Any]], ...] = ()
    """What happens before it is classified: so many minutes after its reception."""


def _at(hour: int, minute: int, day: int = 0) -> timedelta:
    return timedelta(days=day, hours=hour, minutes=minute)


def seldom(visit: str, author: str, supervisor: str) -> Iterator[Seldom]:
    """Give them; `visit` names the visit that raised one, `author` who wrote the document of another."""
    # RM-3.5, RM-4.5.1b: at night, on the hotline, somebody wants a superior.
    yield Seldom(
        _at(2, 10),
        "保安",
        "夜里给岗亭打了三次电话没人接,我要找你们经理。",
        {"channel": "hotline", "grievance": "staff_attitude"},
        {"validity": "valid", "ground": "f", "severity": "important"},
        (
            (4, "manager_called", {}),
            (11, "case_accepted", {"role": "cs_supervisor", "person_id": supervisor}),
        ),
    )
    # RM-4.4.1b: somebody was hurt, and it is the company's fault.
    yield Seldom(
        _at(9, 5),
        "电梯",
        "电梯门夹伤了老人的手,你们要负责。",
        {
            "channel": "counter",
            "grievance": "contract_duty",
            "injury": True,
            "company_at_fault": True,
        },
        {"validity": "valid", "ground": "a", "severity": "major"},
    )
    # RM-4.4.3: slight, and easily put right.
    yield Seldom(
        _at(9, 40),
        "保洁",
        "楼道垃圾桶满了,请早点来收。",
        {
            "channel": "app",
            "grievance": "contract_duty",
            "company_at_fault": False,
            "easily_remedied": True,
        },
        {"validity": "valid", "ground": "a", "severity": "minor"},
    )
    # RM-4.4.1a: asked for again and again while nobody did anything.
    yield Seldom(
        _at(10, 20),
        "停车",
        "消防通道又停满了车,说了多少次了。",
        {"channel": "phone", "grievance": "unheeded_reminders"},
        {"validity": "valid", "ground": "e", "severity": "major"},
        (
            (6, "case_chased", {"channel": "phone", "demand": "现在就来人。"}),
            (13, "case_chased", {"channel": "phone", "demand": "还是没有人来。"}),
        ),
    )
    # FU-5.3, RM-4.7: a letter, about what a document of ours says.
    yield Seldom(
        _at(11, 0),
        "收费",
        "通知里写的单价和合同不一样。",
        {
            "channel": "letter",
            "grievance": "overcharging",
            "document": {"title": "关于公摊水费的通知", "author": author},
        },
        {"validity": "valid", "ground": "d", "severity": "important"},
    )
    # RM-4.2.9: the owners' committee speaks.
    yield Seldom(
        _at(14, 10),
        "绿化",
        "业委会:答应国庆前补种的绿化还没有动工。",
        {
            "channel": "committee",
            "party": "committee",
            "committee_id": COMMITTEE,
            "grievance": "promise",
            "company_at_fault": True,
        },
        {"validity": "valid", "ground": "b", "severity": "important"},
    )
    # CV-9.3.2d, RM-4.3.2a..e: raised at a visit, and another household's doing.
    yield Seldom(
        _at(15, 30),
        "噪音",
        "楼上装修一直到晚上九点,上门走访时反映。",
        {"channel": "visit", "visit_id": visit, "grievance": "other_household"},
        {"validity": "coordination", "ground": "a", "outside_party": "other_household"},
    )
    # RM-4.3.3a..c: more than was ever built.
    yield Seldom(
        _at(9, 20, 1),
        "停车",
        "要求在中心花园再建一个停车场。",
        {"channel": "counter", "grievance": "new_facility"},
        {"validity": "excessive", "ground": "a"},
    )


def registers() -> Iterator[dict[str, Any]]:
    """Give the owners' committee and the suggestion box, as they stand when the live days begin."""
    chair = f"{PROJECT}-p001"
    yield {
        "type": "committee",
        "committee_id": COMMITTEE,
        "project_id": PROJECT,
        "name": "湖畔花园业主委员会",
        "members": [chair, f"{PROJECT}-p002"],
        "chair": chair,
    }
    yield {"type": "suggestion_box", "box_id": BOX, "project_id": PROJECT, "place": "大堂"}


OPENED = _at(10, 30, 1)
"""When the box is opened (RM-4.2.8)."""
SLIPS = (
    {"summary": "建议在大堂放几把雨伞借用。"},
    {"summary": "快递柜晚上没有灯。", "kind": "complaint", "topic": "灯具"},
)
