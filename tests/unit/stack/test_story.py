"""What `steward case` shows of a case's story."""

from typing import Any

from steward_stack.story import lines


def fact(service: str, name: str, **data: Any) -> dict[str, Any]:
    return {
        "service": service,
        "type": f"{service}.{name}.v1",
        "recorded_at": "2026-09-28T04:00:00.123456+00:00",
        "rules": ["RM-4.9", "RC-7"],
        "data": {"case_id": "c", **data},
    }


def test_a_fact_is_a_line_with_its_rules_and_what_is_only_noted_is_left_out() -> None:
    sealed = {"reason": {"sealed": True}, "department": "engineering", "kind": ""}
    table = lines(
        [
            fact("intake", "dispatch_refused", **sealed),
            fact("sla", "case_noted", kind="complaint"),
            fact("intake", "case_classified", urgency="emergency", work_category="repair"),
        ]
    )
    cells = [list(column.cells) for column in table.columns]
    assert cells == [
        ["2026-09-28T04:00:00"] * 2,
        ["intake"] * 2,
        ["dispatch_refused", "case_classified"],
        ["department=engineering", "urgency=emergency work_category=repair"],
        ["RM-4.9 RC-7"] * 2,
    ]
