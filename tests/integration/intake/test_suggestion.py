"""What the policy's table suggests, and what becomes of a person's decision, through the door."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from tests.integration.intake.conftest import NOON, Caller
from tests.integration.intake.test_daily_life import do, staffed
from tests.integration.intake.test_http import received
from tests.support.rules import rule

from steward_events.recorded import Recorded
from steward_eventstore.postgres import PostgresStore
from steward_intake.adapters.registers import PostgresRegisters
from steward_policy import packs


async def suggested(caller: Caller, case_id: str) -> dict[str, Any]:
    answer = await caller.get(f"cases/{case_id}/suggestion")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def last_class(caller: Caller, case_id: str) -> dict[str, Any]:
    facts = (await caller.get(f"cases/{case_id}/facts")).json()["facts"]
    return next(dict(f["data"]) for f in reversed(facts) if "case_classified" in f["type"])


@rule("RM-4.4.1a")
async def test_a_matter_raised_twice_before_is_suggested_as_major(registered: Caller) -> None:
    early = NOON - timedelta(days=20)
    first = await received(registered, occurred_at=early.isoformat())
    await received(registered, topic="噪音", occurred_at=early.isoformat())
    again = await received(registered)
    said = await suggested(registered, again)
    assert (said["earlier_mentions"], said["suggested"]["severity"]) == (1, "important")
    await do(registered, first, "chase")
    said = await suggested(registered, again)
    assert (said["earlier_mentions"], said["suggested"]["severity"]) == (2, "major")
    assert [(m["case_id"], m["times"]) for m in said["mentions"]] == [(first, 2)]
    [reason] = [r for r in said["reasons"] if r["row"] == "major-repeated"]
    assert reason["taken"]
    assert reason["basis"] == "default"
    [told] = reason["rules"]
    assert told["id"] == "RM-4.4.1a"
    assert told["original"].endswith("经业户多次提出而得不到解决")
    assert "raised repeatedly" in told["reading"]
    await do(registered, again, "classify", validity="excessive", ground="a")
    assert (await suggested(registered, again))["suggested"]["severity"] is None


@rule("RM-4.4.1a")
async def test_a_matter_of_a_place_was_mentioned_whoever_did(registered: Caller) -> None:
    lift: dict[str, Any] = {"place": "3号楼电梯", "topic": "电梯"}
    early = (NOON - timedelta(days=20)).isoformat()
    neighbours = await received(registered, **lift, household_id=None, occurred_at=early)
    own = await received(registered, topic="电梯", occurred_at=early)
    await received(
        registered, topic="电梯", place="5号楼电梯", household_id=None, occurred_at=early
    )
    again = await received(registered, **lift)
    said = await suggested(registered, again)
    assert sorted(m["case_id"] for m in said["mentions"]) == sorted([neighbours, own])
    moved = await received(registered, topic="电梯", household_id=None)
    assert (await suggested(registered, moved))["mentions"] == []
    await do(registered, moved, "correct", place="3号楼电梯")
    assert [m["case_id"] for m in (await suggested(registered, moved))["mentions"]] == [neighbours]


@rule("RM-4.4.1a")
async def test_a_matter_in_a_common_area_is_its_assets_and_no_households(
    registered: Caller,
) -> None:
    lift: dict[str, Any] = {"topic": "电梯", "area": "common_area", "asset": "T-03"}
    early = (NOON - timedelta(days=20)).isoformat()
    neighbours = await received(registered, **lift, household_id=None, occurred_at=early)
    own: dict[str, Any] = {"topic": "电梯", "occurred_at": early}
    at_home = await received(registered, **own, area="household")
    somewhere = await received(registered, **own)

    async def mentioned(case_id: str) -> set[str]:
        return {said["case_id"] for said in (await suggested(registered, case_id))["mentions"]}

    again = await received(registered, **lift)
    assert await mentioned(again) == {neighbours, somewhere}
    home = await received(registered, topic="电梯", area="household")
    assert await mentioned(home) == {at_home, somewhere}
    unsaid = await received(registered, topic="电梯")
    assert await mentioned(unsaid) == {at_home, somewhere}


@rule("RM-4.4.1a")
async def test_only_what_raised_the_matter_is_a_mention(registered: Caller) -> None:
    caller = await staffed(registered)
    early: dict[str, Any] = {"occurred_at": (NOON - timedelta(days=20)).isoformat()}
    for kind in ("consultation", "suggestion"):
        await received(caller, kind=kind, **early)
    mistaken, merged, stays, request = [
        await received(caller, kind=kind, **early)
        for kind in ("complaint", "complaint", "complaint", "service_request")
    ]
    await do(caller, mistaken, "chase")
    withdrawn: dict[str, Any] = {
        "asked_by": "王芳",
        "how": "phone",
        "person_id": "a",
        "confirmed_by": "s1",
    }
    await do(caller, mistaken, "withdraw", **withdrawn)
    for chase_id in ("c1", "c2"):
        await do(caller, merged, "chase", chase_id=chase_id)
    again = await received(caller)
    said = await suggested(caller, again)
    times = {m["case_id"]: m["times"] for m in said["mentions"]}
    assert times == {merged: 3, stays: 1, request: 1}
    await do(caller, merged, "merge", into=stays)
    said = await suggested(caller, again)
    times = {m["case_id"]: m["times"] for m in said["mentions"]}
    assert times == {merged: 2, stays: 1, request: 1}
    assert said["earlier_mentions"] == 4


@rule("RM-4.4.1a")
async def test_a_case_of_which_nobody_has_named_the_topic_counts_by_the_suggested_one(
    registered: Caller,
) -> None:
    early: dict[str, Any] = {"topic": "", "occurred_at": (NOON - timedelta(days=20)).isoformat()}
    charged = await received(registered, **early, grievance="overcharging")
    await received(registered, **early, grievance="staff_attitude")
    await received(registered, **early)
    for topic in ("收费", ""):
        again = await received(registered, topic=topic, grievance="lower_charge")
        mentions = (await suggested(registered, again))["mentions"]
        assert [mention["case_id"] for mention in mentions] == [charged]
    await do(registered, charged, "correct", topic="服务态度")
    assert (await suggested(registered, again))["mentions"] == []


@rule("RM-4.4.1a")
async def test_however_many_cases_lie_at_a_place_they_are_read_at_once(
    registered: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = (NOON - timedelta(days=20)).isoformat()
    lobby: dict[str, Any] = {"place": "大堂", "household_id": None, "grievance": "overcharging"}
    before = [await received(registered, **lobby, topic="", occurred_at=early) for _ in range(4)]
    again = await received(registered, **lobby, topic="收费")
    asked: Counter[str] = Counter()
    facts_of, policy_text = PostgresStore.facts_of, PostgresRegisters.policy_text

    async def counted_facts(store: PostgresStore, *streams: str) -> list[Recorded]:
        asked["facts"] += 1
        return await facts_of(store, *streams)

    async def counted_texts(registers: PostgresRegisters, *of: str) -> str | None:
        asked["texts"] += 1
        return await policy_text(registers, *of)

    monkeypatch.setattr(PostgresStore, "facts_of", counted_facts)
    monkeypatch.setattr(PostgresRegisters, "policy_text", counted_texts)
    mentions = (await suggested(registered, again))["mentions"]
    assert {mention["case_id"] for mention in mentions} == {*before}
    assert asked == {"facts": 2, "texts": 2}


@rule("RM-4.4.1b", "RM-4.4.2")
async def test_what_is_learned_later_changes_what_is_suggested(registered: Caller) -> None:
    case_id = await received(registered, grievance="contract_duty", claimed_loss=8000)
    said = await suggested(registered, case_id)
    assert said["policy"] == packs.built_in().version
    assert said["suggested"] == {
        "topic": None,
        "validity": "valid",
        "ground": "a",
        "outside_party": None,
        "severity": "important",
        "work_category": None,
    }
    assert said["in_doubt"]["severity"] == ["company_at_fault", "easily_remedied"]
    lacks = {row["row"]: row["lacks"] for row in said["unknown"]}
    assert lacks["major-loss"] == ["company_at_fault"]
    await do(registered, case_id, "correct", company_at_fault=True)
    said = await suggested(registered, case_id)
    assert said["suggested"]["severity"] == "major"
    assert "severity" not in said["in_doubt"]
    assert [r["row"] for r in said["reasons"] if not r["taken"]] == [
        "valid-in-doubt",
        "important-fault",
        "important-in-doubt",
    ]


@rule("RM-4.4.3", "RM-3.4")
async def test_a_decision_says_what_was_suggested(registered: Caller) -> None:
    caller = await staffed(registered)
    case_id = await received(caller, grievance="supplier")
    decided: dict[str, Any] = {"validity": "valid", "ground": "g", "severity": "minor"}
    decided["person_id"] = "a"
    known = {"company_at_fault": False, "easily_remedied": True}
    await do(caller, case_id, "classify", **decided | known)
    fact = await last_class(caller, case_id)
    assert fact["suggested"] == {
        "policy": packs.built_in().version,
        "rows": ["valid-supplier", "minor-slight"],
        "rule": ["RM-4.3.1a..g", "RM-4.4.3"],
        "in_doubt": [],
        "topic": None,
        "validity": "valid",
        "ground": "g",
        "severity": "minor",
        "work_category": None,
    }
    other = await received(caller)
    await do(caller, other, "classify", **decided)
    fact = await last_class(caller, other)
    assert (fact["severity"], fact["suggested"]["severity"]) == ("minor", "important")
    assert fact["suggested"]["validity"] is None  # nobody has said what it is about
    assert fact["suggested"]["in_doubt"] == ["severity"]


@rule("RM-4.3.2a..e", "RM-4.8")
async def test_whatever_a_person_decides_is_a_class_of_the_rules(registered: Caller) -> None:
    caller = await staffed(registered)
    case_id = await received(caller, grievance="developer")
    said = (await suggested(caller, case_id))["suggested"]
    assert (said["validity"], said["ground"]) == ("coordination", "b")
    assert (said["outside_party"], said["severity"]) == ("developer", None)
    refused = await do(caller, case_id, "classify", 409, validity="coordination", ground="b")
    assert refused["detail"] == "A coordination matter names by outside_party who else has to act."
    assert refused["rule"] == "RM-4.3.2a..e"
    await do(caller, case_id, "classify", validity="valid", severity="minor", person_id="a")
    change: dict[str, Any] = {"validity": "coordination", "ground": "b", "outside_party": "开发商"}
    change["person_id"] = "a"
    assert "why" in (await do(caller, case_id, "classify", 409, **change))["detail"]
    change["reason"] = "保修期内由开发商维修"
    for confirmed_by, status in (("a", 409), ("s1", 200)):
        await do(caller, case_id, "classify", status, **change, confirmed_by=confirmed_by)
    fact = await last_class(caller, case_id)
    assert (fact["reason"], fact["confirmed_by"]) == (change["reason"], "s1")
    assert fact["suggested"]["rows"] == ["coordination-developer"]


async def test_a_project_whose_policy_drops_rows_is_suggested_nothing_by_them(
    registered: Caller,
) -> None:
    text = "overrides: residential-cn\nversion: l-1\ndrop: [valid-promise, important-ground]\n"
    answer = await registered.post("policies", {"project_id": "lakeside", "text": text})
    assert answer.status_code == 201, answer.text
    case_id = await received(registered, grievance="promise", easily_remedied=True)
    await do(registered, case_id, "correct", company_at_fault=False)
    said = await suggested(registered, case_id)
    assert said["policy"] == f"{packs.built_in().version}+l-1"
    assert (said["suggested"]["validity"], said["suggested"]["ground"]) == ("valid", None)
    assert said["suggested"]["severity"] == "minor"
