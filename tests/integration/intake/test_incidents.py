"""Incidents through the door: cases attached, owners told once, all handled with one call."""

import asyncio
from datetime import timedelta
from typing import Any

from tests.integration.intake.conftest import NOON, Caller, Office
from tests.integration.intake.test_daily_life import do, shown, staffed
from tests.integration.intake.test_http import received
from tests.support.rules import rule
from uuid_utils.compat import uuid7

from steward_events.intake import OpenLetterKept, OwnerInformed, OwnerMessageRequested
from steward_events.notify import MessageDelivered
from steward_events.recorded import Recorded
from steward_eventstore.execute import Cause, Job
from steward_intake.api.subscribers import on_notify

HOME = {"type": "household", "project_id": "lakeside", "address": "1-102"}


async def opened(caller: Caller, **said: Any) -> str:
    body = {"project_id": "lakeside", "title": "3号楼停水", "cause": "主管爆裂", **said}
    answer = await caller.post("incidents", body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["incident_id"])


async def attach(caller: Caller, incident: str, *cases: str) -> list[dict[str, Any]]:
    answer = await caller.post(f"incidents/{incident}/attach", {"case_ids": cases})
    assert answer.status_code == 200, answer.text
    results: list[dict[str, Any]] = answer.json()["results"]
    assert [line["case_id"] for line in results] == list(cases)
    return results


async def say(
    caller: Caller, incident: str, what: str, status: int = 200, key: str = "", **said: Any
) -> Any:
    answer = await caller.post(f"incidents/{incident}/{what}", said, key)
    assert answer.status_code == status, answer.text
    return answer.json()


async def asked(office: Office, case_id: str) -> list[OwnerMessageRequested]:
    """Give what a case's owner is to be told."""
    facts = [recorded.fact for recorded in await office.store.facts_of(f"case-{case_id}")]
    return [fact for fact in facts if isinstance(fact, OwnerMessageRequested)]


async def informed(office: Office, case_id: str) -> list[OwnerInformed]:
    facts = [recorded.fact for recorded in await office.store.facts_of(f"case-{case_id}")]
    return [fact for fact in facts if isinstance(fact, OwnerInformed)]


async def at_home(caller: Caller, household_id: str, **said: Any) -> str:
    answer = await caller.post("registers", [{**HOME, "household_id": household_id}])
    assert "error" not in answer.json()["results"][0], answer.text
    return await received(caller, household_id=household_id, **said)


async def test_cases_on_one_cause_are_gathered_and_keep_their_own_story(
    registered: Caller, office: Office
) -> None:
    caller = await staffed(registered)
    incident = await opened(caller, person_id="a")
    one, other = await received(caller), await at_home(caller, "h3")
    assert [line["facts"] for line in await attach(caller, incident, one, other)] == [2, 2]
    assert [line["facts"] for line in await attach(caller, incident, one)] == [0]
    assert (await shown(caller, one))["incident_id"] == incident
    gathered = (await caller.get("cases", incident_id=incident)).json()["items"]
    assert {case["case_id"] for case in gathered} == {one, other}
    gone = await say(caller, incident, "detach", case_id=other, reason="邻户漏水")
    assert gone == {"incident_id": incident, "case_id": other}
    assert (await shown(caller, other))["incident_id"] is None
    row = (await caller.get(f"incidents/{incident}")).json()
    assert (row["title"], row["cause"], row["attached"]) == ("3号楼停水", "主管爆裂", 1)
    assert [case["case_id"] for case in row["cases"]] == [one]
    told = (await caller.get(f"incidents/{incident}/facts", since=1)).json()["facts"]
    assert [fact["type"].split(".")[1] for fact in told] == [
        "incident_case_attached",
        "incident_case_attached",
        "incident_case_detached",
    ]
    assert {fact.key for fact in await office.store.facts_of(f"incident-{incident}")} == {
        "lakeside"
    }


async def test_a_case_that_does_not_belong_to_an_incident_is_refused_and_stops_no_other(
    registered: Caller,
) -> None:
    caller = await staffed(registered)
    incident, second = await opened(caller), await opened(caller, title="电梯停运")
    elsewhere = await received(caller, project_id="hillside", household_id="h2")
    ended, taken, good = [await received(caller) for _ in range(3)]
    how: dict[str, Any] = {
        "how": "phone",
        "asked_by": "王芳",
        "person_id": "a",
        "confirmed_by": "s1",
    }
    await do(caller, ended, "withdraw", **how)
    await attach(caller, second, taken)
    lines = await attach(caller, incident, elsewhere, ended, taken, "nowhere", good)
    assert [line.get("error") for line in lines] == [
        "The case belongs to another project than the incident.",
        "The case was withdrawn by its owner: reopen it first.",
        "The case is in another incident: detach it there first.",
        "There is no case of this ID that you may see.",
        None,
    ]
    assert (await caller.get(f"incidents/{incident}")).json()["attached"] == 1
    # Once the other incident is over, the case may have another cause.
    await say(caller, second, "close", leave_open=True)
    [line] = await attach(caller, incident, taken)
    assert line["facts"] == 3
    assert (await shown(caller, taken))["incident_id"] == incident
    detach = {"case_id": good, "reason": "误", "person_id": "nobody"}
    assert "“nobody”" in (await say(caller, incident, "detach", 404, **detach))["detail"]
    await say(caller, "none", "attach", 404, case_ids=[good])
    answer = await caller.post("incidents", {"project_id": "nowhere", "title": "停电"})
    assert answer.status_code == 404


async def test_each_household_is_told_one_statement_once(
    registered: Caller, office: Office
) -> None:
    incident = await opened(registered)
    early = (NOON - timedelta(hours=1)).isoformat()
    first, again = await received(registered, occurred_at=early), await received(registered)
    other = await at_home(registered, "h3")
    stranger = await received(registered, household_id=None, party="anonymous")
    await attach(registered, incident, first, again, other, stranger)
    said: dict[str, Any] = {"text": "主管已修复，今晚六点前恢复供水"}
    done = await say(registered, incident, "inform", key="s1", **said)
    assert (done["households"], done["cases"]) == (3, 4)
    assert await say(registered, incident, "inform", key="s1", **said) == done
    [told] = await asked(office, first)
    assert (told.incident, told.also, told.request_id) == (
        incident,
        (again,),
        done["statement_id"],
    )
    assert told.text is not None
    assert await office.sealer.unseal(told.text) == said["text"]
    assert [len(await asked(office, case)) for case in (again, other, stranger)] == [0, 1, 1]
    same = await say(registered, incident, "inform", 409, **said)
    assert "what is new" in same["detail"]
    await say(registered, incident, "inform", text="供水已恢复")
    assert [len(await asked(office, case)) for case in (first, again, other)] == [2, 0, 2]
    assert (await registered.get(f"incidents/{incident}")).json()["informed_at"] is not None
    facts = (await registered.get(f"incidents/{incident}/facts")).json()["facts"]
    assert facts[-1]["data"]["text"] == {"sealed": True}


async def test_who_complains_too_is_told_with_the_case_and_of_their_own_by_itself(
    registered: Caller, office: Office
) -> None:
    incident = await opened(registered)
    early = (NOON - timedelta(hours=1)).isoformat()
    alone = await received(registered, household_id="h1", occurred_at=early)
    own = await at_home(registered, "h3", occurred_at=early)
    other = await at_home(registered, "h4")
    too: list[dict[str, Any]] = [{"household_id": "h3", "part": "complainant"}]
    both = await received(registered, household_id="h1", concerns=too)
    affected = [{"household_id": "h3", "part": "affected"}]
    only_theirs = await received(registered, household_id="h4", concerns=affected)
    await attach(registered, incident, alone, own, both, other, only_theirs)
    done = await say(registered, incident, "inform", text="主管已修复")
    assert (done["households"], done["cases"]) == (3, 5)
    [told] = await asked(office, both)
    assert told.also == (alone,)
    [by_itself] = await asked(office, own)
    assert by_itself.also == ()
    [theirs] = await asked(office, other)
    assert theirs.also == (only_theirs,)
    assert [await asked(office, case) for case in (alone, only_theirs)] == [[], []]
    # Attached later: of whom one knows and another does not, both are told; who is being told is not.
    h5 = await at_home(registered, "h5")
    later = await received(
        registered, household_id="h1", concerns=[*too, {**too[0], "household_id": "h5"}]
    )
    again = await received(registered, household_id="h3")
    await attach(registered, incident, later, h5, again)
    assert [len(await asked(office, case)) for case in (later, h5, again)] == [1, 1, 0]


async def test_who_complains_since_the_others_were_told_is_told_of_a_case_of_its_own(
    registered: Caller, office: Office
) -> None:
    incident = await opened(registered)
    told, own = await received(registered), await at_home(registered, "h3")
    await attach(registered, incident, told)
    await say(registered, incident, "inform", text="主管已修复")
    await delivered(office, told, incident)
    await do(registered, told, "concern", household_id="h3", part="complainant")
    await attach(registered, incident, own)
    assert (len(await asked(office, own)), await informed(office, own)) == (1, [])


async def delivered(office: Office, case_id: str, incident: str) -> None:
    """Let the message to a case's owner arrive."""
    fact = MessageDelivered(
        message_id=f"owner.{case_id}.1.sms",
        channel="sms",
        case_id=case_id,
        about="progress",
        incident=incident,
    )
    heard = Recorded(
        uuid7(), fact.wire_type, f"owner-{case_id}", 1, "lakeside", "/steward/notify",
        NOON, NOON, NOON, fact,
    )  # fmt: skip
    await office.executor.execute(Job(Cause(heard.id, "test"), lambda: on_notify(heard)))


async def test_a_case_attached_after_informing_is_told_by_itself(
    registered: Caller, office: Office
) -> None:
    incident = await opened(registered)
    first = await received(registered)
    await attach(registered, incident, first)
    done = await say(registered, incident, "inform", text="主管已修复")
    late, of_the_same_home = await at_home(registered, "h3"), await received(registered)
    await attach(registered, incident, late, of_the_same_home)
    [told] = await asked(office, late)
    assert (told.request_id, told.also) == (done["statement_id"], ())
    # Whoever is being told is not told again; once they know, the next case says so at once.
    assert await asked(office, of_the_same_home) == []
    assert await informed(office, of_the_same_home) == []
    await delivered(office, first, incident)
    last = await received(registered)
    await attach(registered, incident, last)
    assert await asked(office, last) == []
    [known] = await informed(office, last)
    assert (known.incident, known.about, known.how) == (incident, "progress", "message")


async def test_what_is_attached_while_owners_are_told_is_told_too(
    registered: Caller, office: Office
) -> None:
    incident = await opened(registered)
    cases = [await at_home(registered, f"h{10 + number}") for number in range(5)]
    await attach(registered, incident, cases[0])
    await asyncio.gather(
        say(registered, incident, "inform", text="正在抢修"),
        *(attach(registered, incident, case) for case in cases[1:]),
    )
    # A line that lost against the statement says so, and may be sent again.
    await attach(registered, incident, *cases)
    assert [len(await asked(office, case)) for case in cases] == [1] * len(cases)


async def test_all_cases_of_an_incident_are_dispatched_informed_and_closed_with_one_call(
    registered: Caller, office: Office
) -> None:
    caller = await staffed(registered)
    incident = await opened(caller)
    cases = sorted([await received(caller, kind="service_request") for _ in range(3)])
    await attach(caller, incident, *cases)

    async def bulk(key: str = "", **say: Any) -> list[dict[str, Any]]:
        body = {"incident": incident, "reason": "停水", "say": say}
        answer = await caller.post("cases/bulk", body, key)
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        assert [line["case_id"] for line in results] == cases
        return results

    dispatch = {"type": "case_dispatched", "department": "engineering"}
    assert [line["facts"] for line in await bulk("d", **dispatch)] == [1, 1, 1]
    assert [line["repeated"] for line in await bulk("d", **dispatch)] == [True] * 3
    told = {"type": "owner_informed", "about": "progress", "how": "phone"}
    assert [line["facts"] for line in await bulk(**told)] == [1, 1, 1]
    assert {line["rule"] for line in await bulk(type="case_closed")} == {"RC-7"}
    for case in cases:
        await do(caller, case, "handle")
        await do(caller, case, "tell-result", how="phone")
    refused = await say(caller, incident, "close", 409)
    assert refused["detail"].startswith("3 of its cases")
    assert [line["facts"] for line in await bulk("c", type="case_closed")] == [1, 1, 1]
    assert [line["repeated"] for line in await bulk("c", type="case_closed")] == [True] * 3
    assert "nobody to tell" in (await say(caller, incident, "inform", 409, text="谢谢"))["detail"]
    assert (await say(caller, incident, "close"))["left_open"] == []
    [row] = (await caller.get("incidents", project_id="lakeside", status="closed")).json()["items"]
    assert (row["incident_id"], row["attached"]) == (incident, 3)
    assert (await caller.get("incidents", status="open")).json()["items"] == []
    for wrong in ({}, {"incident": incident, "case_ids": cases}):
        body = {**wrong, "reason": "停水", "say": {"type": "case_closed"}}
        assert (await caller.post("cases/bulk", body)).status_code == 422


@rule("FU-4.1.2.1b")
async def test_an_open_letter_is_kept_with_every_case_that_it_answers(
    registered: Caller, office: Office
) -> None:
    caller = await staffed(registered)
    incident = await opened(caller)
    letter: dict[str, Any] = {"text": "关于3号楼停水的公开信：主管已更换。", "person_id": "a"}
    assert "No case" in (await say(caller, incident, "letter", 409, **letter))["detail"]
    cases = [await received(caller), await at_home(caller, "h3")]
    await attach(caller, incident, *cases)
    done = await say(caller, incident, "letter", key="l", **letter)
    assert done["cases"] == 2
    assert await say(caller, incident, "letter", key="l", **letter) == done
    for case in cases:
        facts = [recorded.fact for recorded in await office.store.facts_of(f"case-{case}")]
        [kept] = [fact for fact in facts if isinstance(fact, OpenLetterKept)]
        assert (kept.letter_id, kept.incident, kept.round) == (done["letter_id"], incident, 1)
        assert kept.text is not None
        assert await office.sealer.unseal(kept.text) == letter["text"]
    again = await say(caller, incident, "letter", 409, key="other", **letter)
    assert f"as the letter {done['letter_id']}" in again["detail"]
    told = (await caller.get("households/h3/timeline")).json()["items"]
    kept_letters = [one for one in told if one["type"] == "intake.open_letter_kept.v1"]
    assert kept_letters == told[-1:]
    early = {**letter, "occurred_at": (NOON - timedelta(days=2)).isoformat()}
    await say(caller, incident, "letter", 422, **early)
    unsigned = await say(caller, incident, "letter", 404, **{**letter, "person_id": "nobody"})
    assert "“nobody”" in unsigned["detail"]


async def test_what_an_incident_has_told_goes_with_its_key(
    registered: Caller, office: Office
) -> None:
    caller = await staffed(registered)
    incident, case = await opened(caller), await received(caller)
    await attach(caller, incident, case)
    await say(caller, incident, "inform", text="张女士家的水管已修好")
    await say(caller, incident, "letter", text="致各位业主", person_id="a")
    erase = {"subject": f"incident-{incident}", "reason": "wrongly_kept"}
    answer = await caller.post("erasures", erase)
    assert answer.json()["erased"] == [f"incident-{incident}"], answer.text
    for path in (f"incidents/{incident}/facts", f"cases/{case}/facts"):
        facts = (await caller.get(path)).json()["facts"]
        texts = [fact["data"]["text"] for fact in facts if "text" in fact["data"]]
        assert texts == [{"erased": True}] * 2
