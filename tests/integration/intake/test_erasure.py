"""A subject is erased over HTTP: its key, what goes with it, and how it is shown afterwards."""

import json
from typing import Any

import pytest
from tests.integration.intake.conftest import Caller, Office
from tests.integration.intake.test_tickets import TOPIC, hearing, message

from steward_decider import Refused
from steward_events.sealed import Sealed
from steward_service.hearing import Boxes
from steward_service.sealing import Erased, Sealer

REPORTER = {"name": "王芳", "phone": "138 0013 8000"}
COUNTER = {"kind": "complaint", "channel": "counter"}
ASKED = {"reason": "asked"}


async def taken(caller: Caller, **said: Any) -> str:
    answer = await caller.post("cases", {"project_id": "lakeside", **COUNTER, **said})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["case_id"])


async def index(office: Office) -> None:
    while await office.sealed_texts.read_on(office.store, office.sealer):
        pass


async def erased(caller: Caller, subject: str, **said: Any) -> list[str]:
    answer = await caller.post("erasures", {"subject": subject, **ASKED, **said})
    assert answer.status_code == 201, answer.text
    found: list[str] = answer.json()["erased"]
    return found


async def sealed_of(office: Office, subject: str) -> list[Sealed]:
    rows = await office.store.pool.fetch("SELECT data::text FROM events")
    found = [
        Sealed.model_validate(value)
        for row in rows
        for value in json.loads(row["data"]).values()
        if isinstance(value, dict) and value.get("subject") == subject
    ]
    assert found
    return found


async def test_after_the_erasure_every_value_reads_erased(
    registered: Caller, office: Office
) -> None:
    sealed = await sealed_of(office, "person-p1")
    assert [await office.sealer.unseal(one) for one in sealed] == ["王芳", "13800138000"]
    assert await erased(registered, "person-p1") == ["person-p1"]
    for sealer in (office.sealer, Sealer(office.keys_pool, bytes(range(32)))):
        assert {await sealer.unseal(one) for one in sealed} == {Erased("person-p1")}
    [person] = (await registered.get("people")).json()["items"]
    assert person["name"] == person["phone"] == {"erased": True}
    [staff] = (await registered.get("staff")).json()["items"]
    assert staff["name"] == {"sealed": True}
    [entry] = (await registered.get("erasures")).json()["items"]
    assert (entry["subject"], entry["reason"]) == ("person-p1", "asked")


async def test_who_was_erased_is_refused_for_ever(registered: Caller) -> None:
    await erased(registered, "person-p1")
    again = {"person_id": "p1", "household_id": "h1", "name": "王芳"}
    answer = await registered.post("people", again)
    assert (answer.status_code, answer.json()["code"]) == (409, "erased")


async def test_the_erasure_may_be_sent_twice_and_asked_twice(
    registered: Caller, office: Office
) -> None:
    said = {"subject": "person-p1", **ASKED, "asked_by": "p1"}
    answers = [await registered.post("erasures", said, key="once") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    await erased(registered, "person-p1")
    assert len(await office.store.facts_of("erasure-person-p1")) == 1


async def test_a_cases_reader_sees_that_its_texts_were_erased(registered: Caller) -> None:
    case = await taken(registered, household_id="h1", summary="楼上漏水", reporter=REPORTER)
    assert await erased(registered, "household-h1") == ["household-h1", f"case-{case}"]
    [received] = (await registered.get(f"cases/{case}/facts")).json()["facts"]
    assert received["data"]["summary"] == received["data"]["reporter_phone"] == {"erased": True}
    timeline = (await registered.get("households/h1/timeline")).json()
    assert timeline["items"][0]["data"]["summary"] == {"erased": True}
    [h1] = [
        row
        for row in (await registered.get("households")).json()["items"]
        if row["household_id"] == "h1"
    ]
    assert h1["address"] == {"erased": True}


async def test_a_household_takes_its_people_along_when_that_is_asked(registered: Caller) -> None:
    gone = await erased(registered, "household-h1", with_people=True)
    assert gone == ["household-h1", "person-p1"]


async def test_a_person_takes_along_the_cases_that_are_theirs_alone(
    registered: Caller, office: Office
) -> None:
    theirs = await taken(registered, summary="门禁坏了", reporter=REPORTER)
    await taken(registered, summary="门禁坏了", reporter={"name": "王芳", "phone": "13800138001"})
    of_household = await taken(registered, household_id="h1", reporter=REPORTER)
    await index(office)
    assert await erased(registered, "person-p1") == ["person-p1", f"case-{theirs}"]
    [received] = (await registered.get(f"cases/{of_household}/facts")).json()["facts"]
    assert received["data"]["reporter_name"] == {"sealed": True}


async def test_a_case_takes_along_the_one_in_which_it_goes_on(
    registered: Caller, office: Office
) -> None:
    case = await taken(registered, summary="门禁坏了", reporter=REPORTER)
    move = {"to_project": "hillside", "reason": "wrong_project"}
    answer = await registered.post(f"cases/{case}/move", move)
    assert answer.status_code == 200, answer.text
    moved = answer.json()["case_id"]
    assert set(await erased(registered, f"case-{case}")) == {f"case-{case}", f"case-{moved}"}
    for sealed in await sealed_of(office, f"case-{moved}"):
        assert await office.sealer.unseal(sealed) == Erased(f"case-{moved}")


PARKED = {"project_id": "lakeside", "kind": "grievance", "summary": "来自王芳的投诉"}


async def parked_value(office: Office, stream: str) -> Sealed:
    [line] = await office.store.line("intake", stream)
    return Sealed.model_validate_json(line.parcel.value)


async def test_messages_that_wait_and_name_the_person_go_with_them(
    registered: Caller, office: Office
) -> None:
    other = PARKED | {"summary": "李强"}
    named = message("ticket.opened.v1", PARKED, "1", subject="T-1")
    unnamed = message("ticket.opened.v1", other, "2", subject="T-2")
    jobs = [
        await hearing(office).job(one, f"{TOPIC}/0/{n}") for n, one in enumerate([named, unnamed])
    ]
    await office.executor.execute_batch(jobs)
    kept = [await parked_value(office, f"urn:old|T-{n}") for n in (1, 2)]
    rows = await office.store.pool.fetch("SELECT m::text AS row FROM parked_messages m")
    assert len(rows) == 2
    for row in rows:
        assert "王芳" not in row["row"]
        assert "王芳".encode().hex() not in row["row"]
    gone = await erased(registered, "person-p1")
    assert gone == ["person-p1", kept[0].subject]
    assert await office.sealer.unseal(kept[0]) == Erased(kept[0].subject)
    assert isinstance(await office.sealer.unseal(kept[1]), str)
    [line] = await office.store.line("intake", "urn:old|T-1")
    with pytest.raises(Refused, match="erased for good"):
        await Boxes(office.sealer, {TOPIC}).open(line.parcel)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"subject": "person-nobody"}, 404),
        ({"subject": "tree-p1"}, 422),
        ({"subject": "person-p1", "reason": "因为王芳"}, 422),
        ({"subject": "person-p1", "asked_by": "王芳"}, 404),
        ({"subject": "case-none"}, 404),
    ],
)
async def test_what_cannot_be_erased_is_refused_with_a_sentence(
    registered: Caller, said: dict[str, str], status: int
) -> None:
    answer = await registered.post("erasures", ASKED | said)
    assert answer.status_code == status
    assert answer.json()["detail"]
    assert (await registered.get("erasures")).json()["items"] == []


@pytest.mark.parametrize(
    ("roles", "projects", "allowed"),
    [
        (["data_protection"], ["lakeside"], True),
        (["data_protection"], ["hillside"], False),
        (["staff", "registrar", "reader", "ticketing"], ["lakeside"], False),
        (["administrator"], ["*"], True),
    ],
)
async def test_only_who_may_erase_at_the_project_does(
    registered: Caller, office: Office, roles: list[str], projects: list[str], allowed: bool
) -> None:
    _, key = await office.authenticator.make_key("somebody", roles, projects)
    answer = await registered.post(
        "erasures", {"subject": "person-p1", **ASKED}, Authorization=f"Bearer {key}"
    )
    assert answer.status_code == (201 if allowed else 403)
    [sealed, *_] = await sealed_of(office, "person-p1")
    assert isinstance(await office.sealer.unseal(sealed), Erased) is allowed


async def test_what_came_back_from_a_backup_is_erased_again(
    registered: Caller, office: Office
) -> None:
    backup = await office.keys_pool.fetch("SELECT * FROM subject_keys")
    await erased(registered, "person-p1")
    await office.keys_pool.execute("DELETE FROM subject_keys")
    await office.keys_pool.executemany(
        "INSERT INTO subject_keys (subject, wrapped, created_at) VALUES ($1, $2, $3)",
        [(row["subject"], row["wrapped"], row["created_at"]) for row in backup],
    )
    [sealed, *_] = await sealed_of(office, "person-p1")
    assert await Sealer(office.keys_pool, bytes(range(32))).unseal(sealed) == "王芳"
    await office.erasing.carry_all_out()
    assert await office.sealer.unseal(sealed) == Erased("person-p1")
    [row] = await office.keys_pool.fetch("SELECT * FROM subject_keys WHERE subject = 'person-p1'")
    assert (row["wrapped"], row["told"]) == (None, False)


# Searching.


async def found(caller: Caller, q: str, **asked: Any) -> list[tuple[str, str]]:
    answer = await caller.get("search", project_id="lakeside", q=q, **asked)
    assert answer.status_code == 200, answer.text
    return [(item["kind"], item["field"]) for item in answer.json()["items"]]


async def test_sealed_texts_are_found_by_parts_of_them_until_they_are_erased(
    registered: Caller, office: Office
) -> None:
    await taken(
        registered, summary="电梯困人", description="三楼 Lift stuck，请尽快", reporter=REPORTER
    )
    await index(office)
    assert await found(registered, "梯困") == [("case", "summary")]
    assert await found(registered, "ＬＩＦＴ stuck") == [("case", "description")]
    assert await found(registered, "138-0013") == [("case", "reporter_phone"), ("person", "phone")]
    assert await found(registered, "困梯") == []
    assert await found(registered, "1-101") == [("household", "address")]
    await erased(registered, "person-p1")
    assert await found(registered, "138-0013") == []
    await index(office)
    assert await found(registered, "1-101") == [("household", "address")]


async def test_the_index_holds_no_clear_text_and_another_key_finds_nothing(
    registered: Caller, office: Office
) -> None:
    await taken(registered, summary="电梯困人")
    await index(office)
    rows = await office.store.pool.fetch("SELECT t::text AS row FROM sealed_texts t")
    assert rows
    assert not any(word in row["row"] for row in rows for word in ("电梯", "王芳", "1380"))
    answer = await registered.get("search", project_id="hillside", q="电梯")
    assert answer.json()["items"] == []


async def test_a_changed_telephone_replaces_the_one_before(
    registered: Caller, office: Office
) -> None:
    await index(office)
    again = {"person_id": "p1", "household_id": "h1", "name": "王芳", "phone": "13700137000"}
    await registered.post("people", again)
    await index(office)
    assert await found(registered, "13800138000") == []
    assert await found(registered, "13700137000") == [("person", "phone")]


async def test_long_results_are_read_page_by_page(registered: Caller, office: Office) -> None:
    for number in range(5):
        await taken(registered, summary=f"路灯{number}", description=f"路灯{number}坏了")
    await index(office)
    since, pages = "", []
    while True:
        answer = await registered.get(
            "search", project_id="lakeside", q="路灯", limit=2, since=since
        )
        body = answer.json()
        pages.append(len(body["items"]))
        since = body["next"]
        if not body["more"]:
            break
    assert pages == [4, 4, 2]


async def test_the_texts_of_an_erased_subject_never_come_into_the_index(
    registered: Caller, office: Office
) -> None:
    await taken(registered, household_id="h1", summary="电梯困人")
    await registered.post("erasures", {"subject": "household-h1", **ASKED})
    await index(office)
    count = await office.store.pool.fetchval(
        "SELECT count(*) FROM sealed_texts WHERE subject = 'household-h1'"
    )
    assert count == 0


async def test_after_a_restore_the_index_goes_on_with_what_it_had_not_read(
    registered: Caller, office: Office
) -> None:
    await taken(registered, summary="电梯困人")
    # As `steward rebase` leaves a database that came from another cluster.
    await office.store.pool.execute(
        "UPDATE events SET xid = (xid::text::bigint + 1000000000)::text::xid8"
    )
    await office.store.pool.execute("UPDATE streams SET last_xid = '0'")
    await office.store.pool.execute("UPDATE log SET epoch = epoch + 1")
    await taken(registered, summary="水管爆裂")
    for _ in ("the old epoch", "the new one"):
        await index(office)
    assert await found(registered, "梯困") == [("case", "summary")]
    assert await found(registered, "爆裂") == [("case", "summary")]
