"""Visits and quotas over HTTP: written down, listed, struck, counted."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from tests.integration.visits.conftest import MONTH_END, NOON, Desk
from tests.support.rules import rule
from uuid_utils.compat import uuid7

from steward_decider import Refused
from steward_events.recorded import Recorded
from steward_events.registry import PolicyPublished, RoleAssigned, RoleEnded
from steward_events.visits import QuotaMissed, VisitDone
from steward_events.vocabulary import Mode, Role, Topic
from steward_policy import packs
from steward_visits.adapters.publications import Publications


def visited(household: str = "h1", person: str = "m1", **said: Any) -> dict[str, Any]:
    return {"household_id": household, "person_id": person, "mode": "on_site", **said}


async def write_down(desk: Desk, *households: str, **said: Any) -> list[str]:
    ids = []
    for household in households:
        answer = await desk.post("visits", visited(household, **said))
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["visit_id"])
    return ids


async def of_the_manager(desk: Desk, month: str = "2026-10") -> dict[str, Any]:
    [quota] = (await desk.get("quotas", project_id="p1", month=month, person_id="m1"))["items"]
    return dict(quota)


def doors(number: int, first: int = 1) -> list[str]:
    return [f"h{door}" for door in range(first, first + number)]


@rule("CV-9.2", "CV-9.3.2e", "HV-4.3.1", "HV-4.2.1..10")
async def test_a_visit_is_written_down_with_what_was_said_sealed(desk: Desk) -> None:
    body = visited(
        mode="outdoors",
        topics=["repairs", "safety", "repairs"],
        content="电梯有异响",
        feedback="希望尽快维修",
        measures="已转工程部",
        case_id="c9",
        occurred_at=(NOON - timedelta(hours=2)).isoformat(),
    )
    answer = await desk.post("visits", body, key="k1")
    again = await desk.post("visits", body, key="k1")
    assert (answer.status_code, again.status_code) == (201, 201)
    assert again.json() == answer.json()
    [done] = [f for f in await desk.facts("ledger-p1") if isinstance(f, VisitDone)]
    assert (done.mode, done.topics) == (Mode.OUTDOORS, (Topic.REPAIRS, Topic.SAFETY))
    assert (done.month, done.visited_at) == ("2026-10", NOON - timedelta(hours=2))
    for name in ("content", "feedback", "measures"):
        assert getattr(done, name).subject == "household-h1"
    assert not any(text in done.model_dump_json() for text in ("电梯", "维修", "工程部"))
    [row] = (await desk.get("visits", household_id="h1"))["items"]
    assert (row["visit_id"], row["case_id"]) == (answer.json()["visit_id"], "c9")
    assert row["topics"] == ["repairs", "safety"]
    assert await desk.get(f"visits/{row['visit_id']}") == row


async def test_visits_are_listed_by_whom_where_and_when_and_go_on_after_a_place(desk: Desk) -> None:
    await write_down(desk, "h1", "h2", "h3")
    await write_down(desk, "h1", person="s1")
    page = await desk.get("visits", project_id="p1", limit="3")
    rest = await desk.get("visits", project_id="p1", since=page["next"])
    assert [len(page["items"]), len(rest["items"])] == [3, 1]
    assert len((await desk.get("visits", person_id="m1"))["items"]) == 3
    assert len((await desk.get("visits", household_id="h1"))["items"]) == 2
    assert (await desk.get("visits", month="2026-09"))["items"] == []


async def test_what_cannot_be_is_refused_in_a_sentence(desk: Desk) -> None:
    tomorrow = (NOON + timedelta(days=1)).isoformat()
    long_ago = (NOON - timedelta(days=30, minutes=1)).isoformat()
    for body, status, said in (
        (visited("h99"), 404, "household h99"),
        (visited(person="nobody"), 404, "“nobody”"),
        (visited(mode="letter"), 422, "mode"),
        (visited(topics=["weather"]), 422, "topics"),
        (visited(occurred_at=tomorrow), 422, "future"),
        (visited(occurred_at=long_ago), 422, "Only a visit since 2026-"),
    ):
        answer = await desk.post("visits", body)
        assert answer.status_code == status, answer.text
        assert said in json.dumps(answer.json(), ensure_ascii=False)
    assert (await desk.post("visits/v9/strike", {"reason": "?"})).status_code == 404
    assert (await desk.post("visits/v9/strike", {"reason": " "})).status_code == 422
    for path in ("quotas?month=0000-01", "followups/rates?month=0000-01"):
        answer = await desk.client.get(f"/v1/{path}")
        assert (answer.status_code, "a month" in answer.json()["detail"]) == (422, True)
    assert (await desk.get("visits"))["items"] == []


@rule("CV-9.1a", "CV-9.1b", "CV-9.1c")
async def test_each_person_sees_what_is_owed_and_what_is_missing(desk: Desk) -> None:
    await write_down(desk, "h1", "h2", "h2", "h3")
    await write_down(desk, "h1", occurred_at=NOON.replace(month=9).isoformat())
    owed = (await desk.get("quotas", project_id="p1", month="2026-10"))["items"]
    said = ("person_id", "role", "rule", "required", "counted", "missing", "status")
    assert [[row[name] for name in said] for row in owed] == [
        ["e1", "engineering_supervisor", ["CV-9.1b"], 10, 0, 10, "running"],
        ["m1", "centre_manager", ["CV-9.1a"], 25, 3, 22, "running"],
        ["s1", "cs_supervisor", ["CV-9.1c"], 30, 0, 30, "running"],
    ]
    assert (await desk.get("quotas", month="2026-09"))["items"] == []


@rule("CV-9.1a")
async def test_a_quota_is_reached_missed_and_put_right(desk: Desk) -> None:
    *_, last = await write_down(desk, *doors(25))
    assert (await of_the_manager(desk))["status"] == "reached"
    struck = await desk.post(f"visits/{last}/strike", {"reason": "typed twice", "person_id": "s1"})
    assert struck.status_code == 200, struck.text
    quota = await of_the_manager(desk)
    assert (quota["status"], quota["counted"], quota["missing"]) == ("running", 24, 1)
    assert (await desk.get(f"visits/{last}"))["struck_because"] == "typed twice"
    otherwise = await desk.post(f"visits/{last}/strike", {"reason": "another household"})
    assert (otherwise.status_code, "struck already" in otherwise.json()["detail"]) == (409, True)

    await desk.pass_to(MONTH_END, "ledger-p1")
    await desk.pass_to(MONTH_END + timedelta(hours=9), "ledger-p1")
    assert (await of_the_manager(desk))["status"] == "missed"
    assert (await of_the_manager(desk, "2026-11"))["status"] == "running"
    [missed] = [
        recorded
        for recorded in await desk.store.facts_of("ledger-p1")
        if isinstance(recorded.fact, QuotaMissed) and recorded.fact.person_id == "m1"
    ]
    assert missed.occurred_at == MONTH_END

    await write_down(desk, "h30", occurred_at=(MONTH_END - timedelta(hours=1)).isoformat())
    quota = await of_the_manager(desk)
    assert (quota["status"], quota["counted"], quota["missing"]) == ("reached", 25, 0)
    assert (await of_the_manager(desk, "2026-11"))["counted"] == 0


@rule("CV-9.1c")
async def test_whoever_begins_within_the_month_owes_it_whole_and_whoever_ends_owes_nothing(
    desk: Desk,
) -> None:
    role = {"project_id": "p1", "role": Role.FRONTLINE, "person_id": "x1"}
    await desk.hear(RoleAssigned(**role), at=NOON.replace(day=30))
    [quota] = (await desk.get("quotas", month="2026-10", person_id="x1"))["items"]
    assert (quota["required"], quota["status"]) == (30, "running")
    await desk.hear(RoleEnded(**role), at=NOON.replace(day=31))
    [quota] = (await desk.get("quotas", month="2026-10", person_id="x1"))["items"]
    assert quota["status"] == "waived"


async def test_after_a_restart_the_same_rules_are_in_force(desk: Desk) -> None:
    override = (
        "overrides: residential-cn\nversion: few\neffective_from: 2026-11-01\n"
        "quotas:\n  - {id: visits-of-the-manager, households: 3, basis: default}\n"
    )
    few = packs.load(override, "few.yaml")
    published = PolicyPublished(
        pack=few.pack.pack,
        version=few.version.partition("@")[2],
        text=packs.whole(few),
        sha256=few.sha256,
        effective_from=datetime(2026, 11, 1, tzinfo=UTC),
        project_id="p1",
    )
    await desk.hear(published)
    restarted = Publications()
    await restarted.load(desk.store.pool)
    for policies in (desk.policies, restarted):
        october = policies.in_force("residential-cn", date(2026, 10, 31), "g1", "p1")
        november = policies.in_force("residential-cn", date(2026, 11, 1), "g1", "p1")
        elsewhere = policies.in_force("residential-cn", date(2026, 11, 1), "g1", "p2")
        assert october == elsewhere == packs.built_in()
        assert november is not None
        assert november.quotas[0].households == 3
    await desk.pass_to(MONTH_END, "ledger-p1")
    assert (await of_the_manager(desk))["required"] == 25
    assert (await of_the_manager(desk, "2026-11"))["required"] == 3


async def test_a_policy_that_cannot_be_read_is_in_force_nowhere(desk: Desk) -> None:
    published = PolicyPublished(
        pack="residential-cn",
        version="9",
        text="pack: residential-cn\nversion: '9'\ncalendar: moon\n",
        sha256="0",
        effective_from=datetime(2026, 10, 1, tzinfo=UTC),
    )
    with pytest.raises(Refused, match="cannot be read"):
        await desk.hear(published)
    place = (1, "*", "/steward/intake", NOON, NOON, NOON)
    heard = Recorded(uuid7(), published.wire_type, "policy-residential-cn", *place, published)
    await desk.policies.heard([heard])
    rules = desk.policies.in_force("residential-cn", date(2026, 10, 31), "g1", "p1")
    assert rules == packs.built_in()


async def test_a_key_of_other_projects_sees_and_writes_nothing_here(desk: Desk) -> None:
    _, key = await desk.keys.make_key("elsewhere", ["staff"], ["p2"])
    other = {"Authorization": f"Bearer {key}"}
    [visit_id] = await write_down(desk, "h1")
    for path in (
        f"visits/{visit_id}",
        "quotas?month=2026-10&project_id=p1",
        "visits?project_id=p1",
    ):
        answer = await desk.client.get(f"/v1/{path}", headers=other)
        assert answer.status_code in (403, 404), path
    headers = other | {"Idempotency-Key": "k9"}
    for path, body in (
        ("visits", visited("h2")),
        (f"visits/{visit_id}/strike", {"reason": "not mine"}),
    ):
        answer = await desk.client.post(f"/v1/{path}", json=body, headers=headers)
        assert answer.status_code == 404, answer.text
    assert len((await desk.get("visits"))["items"]) == 1
