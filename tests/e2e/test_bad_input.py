"""What bad input gets: one clear sentence and nothing lost, over HTTP and on Kafka.

Over HTTP nothing of it is stored. On Kafka its stream waits with the reason, the partition goes on,
and `steward parked retry` takes it once the cause is mended.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import pytest
from httpx2 import Response
from tests.support.system import SOURCE, System, steward
from uuid_utils.compat import uuid7

from steward_events.vocabulary import External
from steward_intake.application.desk import external_case_id
from steward_policy.packs import built_in, built_in_text

HERE, ELSEWHERE = "bad-here", "bad-elsewhere"
SECRET = "业主赵秀英住在七号楼"
PHONE = "13700007777"


@dataclass(frozen=True)
class Door:
    """The system with two projects, and what every test of this file asks of it."""

    system: System

    async def refused(self, answer: Response, status: int, *words: str) -> None:
        """Demand a problem of one sentence."""
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "application/problem+json"
        detail = answer.json()["detail"]
        assert detail.endswith(".")
        assert "\n" not in detail
        for word in words:
            assert word in detail
        assert SECRET not in answer.text

    async def stored(self) -> int:
        """Count all that intake has stored."""
        return await self.system.count("intake", "SELECT count(*) FROM events")

    async def complaint(self, **said: object) -> Response:
        """Try to hand in a complaint."""
        body = {"project_id": HERE, "kind": "complaint", "summary": SECRET, **said}
        return await self.system.post("intake", "/v1/cases", body)

    async def waits(self, service: str, stream: str, *words: str) -> None:
        """Demand that a stream is parked, and why."""

        async def is_parked() -> bool:
            return bool(await self.system.parked(service, stream))

        await self.system.until(is_parked, f"{service} did not park {stream}", 20)
        reason = await self.system.parked(service, stream)
        assert "\n" not in reason
        for word in words:
            assert word in reason
        assert SECRET not in reason

    async def goes_on(self, key: str = HERE) -> None:
        """Demand that what comes after it on the same partition has its effects, everywhere."""
        subject = f"good-{uuid7()}"
        await self.system.ticket("opened", subject, ticket(project_id=key))
        await self.heard(case_of(subject))

    async def heard(self, case_id: str) -> None:
        """Demand that a case is received, and that the others have heard of it."""

        async def is_heard() -> bool:
            counts = [
                await self.system.count(
                    name, f"SELECT count(*) FROM streams WHERE {own} = $1", own_id
                )
                for name, own, own_id in (
                    ("intake", "stream_id", f"case-{case_id}"),
                    ("visits", "stream_id", f"followups-{case_id}"),
                )
            ]
            return all(counts)

        await self.system.until(is_heard, f"the case {case_id} had no effect", 20)

    async def parked(self, *arguments: str) -> tuple[int, Any, str]:
        """Run `steward parked …` and read its JSON."""
        state = str(self.system.stack.state.folder)
        code, said, told = await steward("parked", *arguments, "--json", "--state", state)
        return code, json.loads(said) if said else None, told

    async def given_up(self, stream: str, *services: str) -> None:
        """Give up what nobody can mend, at every service; its stream is free afterwards."""
        while not await self._is_free(stream, services):
            code, _, told = await self.parked("discard", stream, "--yes")
            assert code == 0 or "not parked" in told or "Nothing waits" in told, told

    async def _is_free(self, stream: str, services: Sequence[str]) -> bool:
        return not any([await self.system.parked(name, stream) for name in services])


def ticket(**said: object) -> dict[str, Any]:
    """Give a ticket as another system tells it."""
    return {
        "project_id": HERE,
        "kind": "complaint",
        "severity": "minor",
        "validity": "valid",
        "summary": SECRET,
        "reporter": {"name": "赵秀英", "phone": PHONE},
        **said,
    }


def case_of(subject: str) -> str:
    """Give the case that a ticket becomes."""
    return external_case_id(External(source=SOURCE, subject=subject))


def foreign(subject: str) -> str:
    """Give the name under which a ticket waits."""
    return f"{SOURCE}|{subject}"


def fact(
    case_id: str,
    version: int,
    type_: str = "intake.case_received.v1",
    headers: Mapping[str, str | bytes] = MappingProxyType({}),
) -> dict[str, str | bytes]:
    """Give the headers of a fact of intake that intake never stored."""
    now = datetime.now(UTC).isoformat()
    return {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": str(uuid7()),
        "ce_type": type_,
        "ce_source": "/steward/intake",
        "ce_time": now,
        "ce_subject": f"case-{case_id}",
        "ce_partitionkey": HERE,
        "ce_sequence": str(version),
        "ce_recordedtime": now,
        "ce_knowntime": now,
        **headers,
    }


def received(case_id: str, **said: object) -> bytes:
    """Give the content of `intake.case_received.v1`."""
    content = {
        "case_id": case_id,
        "number": f"{HERE}-1",
        "project_id": HERE,
        "zone": "Asia/Shanghai",
        "policy": built_in().version,
        "kind": "complaint",
        **said,
    }
    return json.dumps(content).encode()


@pytest.fixture(scope="module")
async def door(system: System) -> Door:
    await system.register(
        {"type": "group", "group_id": "bad-group", "name": "试验集团"},
        *(
            {"type": "project", "project_id": name, "group_id": "bad-group", "name": name}
            for name in (HERE, ELSEWHERE)
        ),
        {"type": "household", "household_id": "bad-h1", "project_id": HERE, "address": SECRET},
        {"type": "household", "household_id": "bad-h2", "project_id": ELSEWHERE},
    )
    await system.quiet()
    return Door(system)


# Over HTTP.


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b'{"project_id": "bad-here", "summary": "' + SECRET.encode(), 422, id="torn"),
        pytest.param(b"\xff\xfe", 422, id="not UTF-8"),
        pytest.param(b"[1, 2]", 422, id="no object"),
        pytest.param(b"", 422, id="nothing"),
    ],
)
async def test_malformed_json_is_refused(door: Door, body: bytes, status: int) -> None:
    before = await door.stored()
    answer = await door.system.post("intake", "/v1/cases", body)
    await door.refused(answer, status)
    assert await door.stored() == before


@pytest.mark.parametrize(
    ("said", "status", "word"),
    [
        pytest.param({"project_id": "nowhere"}, 404, "nowhere", id="an unknown project"),
        pytest.param({"household_id": "bad-h9"}, 404, "bad-h9", id="an unknown household"),
        pytest.param(
            {"household_id": "bad-h2"}, 422, "does not belong", id="another project's household"
        ),
        pytest.param({"received_by": "nobody"}, 404, "nobody", id="unknown staff"),
        pytest.param({"kind": "song"}, 422, "kind", id="an unknown kind"),
        pytest.param({"occurred_at": "2126-01-01T00:00:00Z"}, 422, "future", id="the future"),
        pytest.param({"occurred_at": "2026-01-01T00:00:00"}, 422, "occurred_at", id="no offset"),
        pytest.param({"summary": f"{SECRET}\0"}, 422, "NUL", id="NUL"),
        pytest.param({"topic": "a\0b"}, 422, "NUL", id="NUL in a plain field"),
        pytest.param({"description": "x" * 20_001}, 422, "description", id="too long a text"),
        pytest.param({"description": "x" * 1_000_001}, 413, "large", id="too large a body"),
        pytest.param({"favourite": "blue"}, 422, "favourite", id="an unknown field"),
    ],
)
async def test_a_case_that_cannot_be_taken_in_is_refused(
    door: Door, said: dict[str, object], status: int, word: str
) -> None:
    before = await door.stored()
    await door.refused(await door.complaint(**said), status, word)
    assert await door.stored() == before


async def test_a_fact_that_the_state_does_not_allow_is_refused_with_its_rule(door: Door) -> None:
    case = (await door.complaint()).json()["case_id"]
    before = await door.stored()
    path = f"/v1/cases/{case}"
    for action, said, status in (
        ("handle", {}, 409),
        ("close", {}, 409),
        ("reopen", {}, 409),
        ("handle", {"occurred_at": "2126-01-01T00:00:00Z"}, 422),
    ):
        await door.refused(await door.system.post("intake", f"{path}/{action}", said), status)
    answer = await door.system.post("intake", f"{path}/close", {})
    assert answer.json()["rule"]
    assert await door.stored() == before


async def test_an_unknown_case_and_a_missing_key_are_refused(door: Door) -> None:
    answer = await door.system.post("intake", "/v1/cases/no-such-case/handle", {})
    await door.refused(answer, 404)
    address = door.system.stack.endpoints.services["intake"]
    answer = await door.system.client.post(
        f"{address}/v1/cases", json={"project_id": HERE, "kind": "complaint"}
    )
    await door.refused(answer, 400, "Idempotency-Key")


LISTS = {
    "intake": ("cases", "groups", "projects", "households", "people", "staff", "roles", "policies"),
    "sla": ("clocks", "escalations"),
    "visits": ("followups", "visits"),
    "notify": ("messages",),
}


@pytest.mark.parametrize(
    ("service", "name"), [(service, name) for service, names in LISTS.items() for name in names]
)
async def test_every_list_has_one_shape_and_refuses_a_parameter_with_a_slip(
    door: Door, service: str, name: str
) -> None:
    page = await door.system.get(service, f"/v1/{name}", limit="1")
    assert {"items", "next", "more"} <= page.keys()
    address = f"{door.system.stack.endpoints.services[service]}/v1/{name}"
    answer = await door.system.client.get(address, params={"statsu": "open"})
    await door.refused(answer, 400, "“statsu” is not known here", "since", "limit")


async def test_the_summary_of_the_auditor_refuses_a_parameter_too(door: Door) -> None:
    address = f"{door.system.stack.endpoints.services['audit']}/v1/summary"
    answer = await door.system.client.get(address, params={"project": HERE})
    await door.refused(answer, 400, "“project” is not known here")


async def test_a_bad_line_among_registers_is_refused_in_its_place(door: Door) -> None:
    good = {"type": "household", "household_id": "bad-h3", "project_id": HERE}
    answer = await door.system.accepted("intake", "/v1/registers", [{"type": SECRET}, good])
    refused, done = answer["results"]
    assert "“type”" in refused["error"]
    assert SECRET not in refused["error"]
    assert (done["id"], done["facts"]) == ("bad-h3", 1)


# A calendar, a pack.


async def test_a_calendar_without_working_time_is_refused(door: Door) -> None:
    asked = {
        "id": "1",
        "op": "add_working_seconds",
        "calendar": {"tz": "Asia/Shanghai", "hours": {}},
        "input": {"at": "2026-09-28T09:00:00+08:00", "seconds": 1},
    }
    code, said, _ = await steward("calendar", "calc", stdin=json.dumps(asked))
    assert code == 0
    assert json.loads(said) == {"id": "1", "error": "The calendar has no working time."}

    pack = built_in_text().replace(
        "calendar: cn-office\n",
        "calendar: never\ncalendars: {never: {tz: Asia/Shanghai, hours: {}}}\n",
        1,
    )
    before = await door.stored()
    answer = await door.system.post("intake", "/v1/policies", {"type": "policy", "text": pack})
    await door.refused(answer, 422, "no working time")
    assert await door.stored() == before


async def test_a_pack_with_an_unknown_target_is_refused(door: Door, tmp_path: Any) -> None:
    override = tmp_path / "group.yaml"
    override.write_text(
        'overrides: residential-cn\nversion: "1"\n'
        "targets:\n  - {id: no-such-target, within: {days: 1, counting: calendar}}\n"
    )
    pack = tmp_path / "pack.yaml"
    pack.write_text(built_in_text())
    code, said, _ = await steward("policy", "lint", str(pack), "--override", str(override))
    assert code == 1
    assert f"{override}:4: the target 'no-such-target' is unknown in 'residential-cn'" in said

    text = built_in_text().replace("to: cs_supervisor", "to: caretaker", 1)
    before = await door.stored()
    laid = {"type": "policy", "text": override.read_text(), "group_id": "bad-group"}
    answer = await door.system.post("intake", "/v1/policies", laid)
    await door.refused(answer, 422, "pack.yaml:4: the target 'no-such-target' is unknown")
    answer = await door.system.post("intake", "/v1/policies", {"type": "policy", "text": text})
    await door.refused(answer, 422, "promise-kept")
    assert await door.stored() == before


# Another system's tickets on Kafka.


async def test_a_ticket_of_an_unknown_project_waits_until_it_is_registered(door: Door) -> None:
    late = f"late-{uuid7()}"
    await door.system.ticket("opened", late, ticket(project_id=late))
    reason = "There is no project with the ticket's project_id."
    await door.waits("intake", foreign(late), reason)
    await door.goes_on(key=HERE)

    code, found, _ = await door.parked("list", "--service", "intake")
    assert code == 0
    [line] = [line for line in found if line["stream"] == foreign(late)]
    assert line["waiting"] == 1
    assert line["code"] == "not_found"
    code, _, told = await door.parked("retry", foreign(late))
    assert code == 1
    assert "still parked" in told

    await door.system.register(
        {"type": "project", "project_id": late, "group_id": "bad-group", "name": "新城"}
    )
    code, results, _ = await door.parked("retry", foreign(late), "--service", "intake")
    # It may have been tried by itself a moment before.
    assert code == 0 or not await door.system.parked("intake", foreign(late))
    assert results is None or results[0]["free"]
    await door.heard(case_of(late))


async def test_what_waits_behind_it_follows_in_order(door: Door) -> None:
    late = f"late-{uuid7()}"
    await door.system.ticket("opened", late, ticket(project_id=late))
    await door.system.ticket("commented", late, {"project_id": late, "comment": SECRET})
    await door.waits("intake", foreign(late))
    await door.system.register(
        {"type": "project", "project_id": late, "group_id": "bad-group", "name": "新城"}
    )
    await door.heard(case_of(late))

    async def both() -> bool:
        names = await door.system.facts("intake", f"case-{case_of(late)}")
        return names[-1:] == ["intake.progress_reported.v1"]

    await door.system.until(both, "the comment was lost", 20)


@pytest.mark.parametrize(
    ("what", "said", "headers", "words"),
    [
        pytest.param("opened", {"household_id": "bad-h2"}, {}, "does not belong", id="household"),
        pytest.param("opened", {"kind": "song"}, {}, "kind", id="kind"),
        pytest.param("opened", {"summary": f"{SECRET}\0"}, {}, "NUL", id="NUL"),
        pytest.param("sung", {}, {}, "is not a type of ticket event", id="unknown type"),
        pytest.param(
            "opened", {}, {"ce_type": "ticket.opened.v2"}, "is newer than", id="newer version"
        ),
        pytest.param(
            "opened", {}, {"ce_time": "2126-01-01T00:00:00Z"}, "in the future", id="the future"
        ),
        pytest.param("handled", {}, {}, "No case of this ID", id="a state that forbids it"),
    ],
)
async def test_a_ticket_that_cannot_be_taken_waits_and_may_be_given_up(
    door: Door, what: str, said: dict[str, Any], headers: dict[str, str], words: str
) -> None:
    subject = f"bad-{uuid7()}"
    await door.system.ticket(what, subject, ticket(**said), headers=headers)
    await door.waits("intake", foreign(subject), words)
    await door.goes_on()
    await door.given_up(foreign(subject), "intake")
    assert await door.system.facts("intake", f"case-{case_of(subject)}") == []


async def test_a_ticket_from_a_clock_that_runs_ahead_is_taken_once_its_time_has_come(
    door: Door,
) -> None:
    subject = f"ahead-{uuid7()}"
    soon = datetime.now(UTC) + timedelta(minutes=2, seconds=3)
    await door.system.ticket("opened", subject, ticket(), at=soon)
    await door.waits("intake", foreign(subject), "in the future")
    await door.heard(case_of(subject))


@pytest.mark.parametrize(
    ("headers", "value", "words"),
    [
        pytest.param({"ce_subject": b"\xff\xfe"}, b"{}", "is not UTF-8", id="header"),
        pytest.param({}, b"{", "not JSON", id="content"),
        pytest.param({}, b"", "no content", id="nothing"),
        pytest.param(
            {}, json.dumps({"x": "x" * 1_000_001}).encode(), "1000000 are allowed", id="oversized"
        ),
    ],
)
async def test_a_ticket_that_cannot_be_read_waits_alone(
    door: Door, headers: dict[str, bytes], value: bytes, words: str
) -> None:
    said: dict[str, str | bytes] = {
        "content-type": "application/json",
        "ce_specversion": "1.0",
        "ce_id": str(uuid7()),
        "ce_type": "ticket.opened.v1",
        "ce_source": SOURCE,
        "ce_subject": "torn",
        "ce_time": datetime.now(UTC).isoformat(),
        **headers,
    }
    partition, offset = await door.system.tell("steward.inbound.tickets", HERE, said, value)
    stream = f"unreadable:steward.inbound.tickets/{partition}/{offset}"
    await door.waits("intake", stream, words)
    await door.goes_on()
    await door.given_up(stream, "intake")


# Steward's own facts on Kafka, as a newer or a broken producer would tell them.

LISTENERS = ("sla", "visits", "notify", "audit")


@pytest.mark.parametrize(
    ("headers", "said", "words"),
    [
        pytest.param(
            {"ce_type": "intake.case_received.v9"}, {}, "is newer than", id="newer version"
        ),
        pytest.param({"ce_source": b"\xff\xfe"}, {}, "is not UTF-8", id="header"),
        pytest.param({}, {"number": "a\0b"}, "number", id="NUL"),
        pytest.param({}, {"kind": "song"}, "kind", id="unknown kind"),
        pytest.param({}, {"topic": "x" * 1_000_001}, "bytes", id="oversized"),
    ],
)
async def test_a_fact_that_cannot_be_read_parks_its_stream_everywhere(
    door: Door, headers: dict[str, str | bytes], said: dict[str, Any], words: str
) -> None:
    case = f"bad-{uuid7()}"
    bad = fact(case, 1, headers=headers)
    await door.system.tell("steward.intake", HERE, bad, received(case, **said))
    follows = fact(case, 2, "intake.case_chased.v1")
    await door.system.tell("steward.intake", HERE, follows, json.dumps({"case_id": case}).encode())
    for service in LISTENERS:
        await door.waits(service, f"case-{case}", words)
    await door.goes_on()
    for service in LISTENERS:
        assert await door.system.count(
            service, "SELECT count(*) FROM parked_messages WHERE stream_id = $1", f"case-{case}"
        ) in (1, 2)
    # Nobody can mend it: the first is given up, and so is the second where it needs the first.
    await door.given_up(f"case-{case}", *LISTENERS)


async def test_an_unknown_fact_is_passed_over(door: Door) -> None:
    case = f"new-{uuid7()}"
    heard = fact(case, 1, "intake.case_sung.v1")
    await door.system.tell("steward.intake", HERE, heard, b'{"song": "la"}')

    async def passed_over() -> bool:
        sql = "SELECT count(*) FROM inbox WHERE stream_id = $1 AND version = 1"
        return all([await door.system.count(name, sql, f"case-{case}") for name in LISTENERS])

    await door.system.until(passed_over, "an unknown fact stopped somebody", 20)


async def test_a_gap_waits_and_closes_when_what_was_missing_comes(door: Door) -> None:
    case = f"gap-{uuid7()}"
    second = fact(case, 2, "intake.case_chased.v1")
    await door.system.tell("steward.intake", HERE, second, json.dumps({"case_id": case}).encode())
    for service in LISTENERS:
        await door.waits(service, f"case-{case}", "missing")
    await door.goes_on()
    await door.system.tell("steward.intake", HERE, fact(case, 1), received(case))

    async def closed() -> bool:
        sql = "SELECT count(*) FROM inbox WHERE stream_id = $1 AND version = 2"
        return all([await door.system.count(name, sql, f"case-{case}") for name in LISTENERS])

    await door.parked("retry", f"case-{case}")  # unless it was tried by itself a moment before
    await door.system.until(closed, "the gap did not close", 20)
    assert await door.system.facts("visits", f"followups-{case}")


async def test_content_that_the_database_refuses_is_found_alone_in_its_batch(door: Door) -> None:
    case_id = f"nul-{uuid7()}"
    external = {"source": "urn:\0", "subject": "1"}
    content = received(case_id, external=external)
    await door.system.tell("steward.intake", HERE, fact(case_id, 1), content)
    await door.waits("sla", f"case-{case_id}", "cannot be stored")
    await door.goes_on()
    await door.given_up(f"case-{case_id}", *LISTENERS)


async def test_a_policy_that_cannot_be_read_waits_with_the_place_where_it_is_wrong(
    door: Door,
) -> None:
    pack = f"nul-{uuid7()}"
    said = {
        "pack": pack,
        "version": "1",
        "text": "pack: \0",
        "sha256": "0",
        "effective_from": "2026-01-01T00:00:00Z",
    }
    headers = fact("-", 1, "registry.policy_published.v1") | {"ce_subject": f"policy-{pack}"}
    await door.system.tell("steward.intake", HERE, headers, json.dumps(said).encode())
    await door.waits("visits", f"policy-{pack}", "cannot be read", f"{pack}@1:1.")
    await door.goes_on()
    await door.given_up(f"policy-{pack}", *LISTENERS)


# What stays behind.


async def test_the_list_of_what_is_parked_is_empty_in_the_end_and_speaks_plainly(
    door: Door,
) -> None:
    code, _, told = await door.parked("retry", "case-that-never-was")
    assert code == 1
    assert "is not parked" in told
    code, found, _ = await door.parked("list")
    assert code == 0
    assert [line for line in found if line["stream"].startswith(SOURCE)] == []
    code, _, told = await steward("parked", "list", "--state", "/nowhere/at/all")
    assert code == 1
    assert told.strip() == "Steward is not running: `steward up` starts it."


async def test_no_log_tells_what_people_said(door: Door) -> None:
    logs = door.system.logs()
    assert "parked" in logs or logs
    for text in (SECRET, "赵秀英", PHONE):
        assert text not in logs
        assert json.dumps(text)[1:-1] not in logs
