"""Photos and letters of a case, over HTTP on a real PostgreSQL."""

from hashlib import sha256
from typing import Any

from tests.integration.intake.conftest import Caller, Office
from tests.integration.intake.test_http import received
from tests.support.rules import rule
from tests.unit.intake.test_attachments import photo

LETTER = b"%PDF-1.7\nDear Ms Wang, the lift is repaired.\n%%EOF\n"


async def attached(caller: Caller, case_id: str, content: bytes, **said: Any) -> str:
    answer = await caller.send(
        f"cases/{case_id}/attachments", content, "application/octet-stream", **said
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["sha256"])


async def told(caller: Caller, case_id: str, kind: str) -> list[dict[str, Any]]:
    facts = (await caller.get(f"cases/{case_id}/facts")).json()["facts"]
    return [fact["data"] for fact in facts if fact["type"] == f"intake.{kind}.v1"]


@rule("FU-5.2")
async def test_a_letter_lies_sealed_and_the_fact_holds_only_its_digest(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered)
    digest = await attached(registered, case_id, LETTER, kind="letter", person_id="m1")
    assert digest == sha256(LETTER).hexdigest()
    await attached(registered, case_id, LETTER, kind="letter", person_id="m1")
    [fact] = await told(registered, case_id, "attachment_added")
    assert (fact["sha256"], fact["size"], fact["what"]) == (digest, len(LETTER), "letter")
    assert fact["media_type"] == "application/pdf"
    [row] = await office.store.pool.fetch("SELECT * FROM attachments")
    assert row["subject"] == "household-h1"
    assert b"Dear Ms Wang" not in row["box"]
    stored = await office.store.pool.fetchval("SELECT string_agg(data::text, '') FROM events")
    assert "Dear Ms Wang" not in stored


async def test_who_looks_at_a_photo_and_why_is_told_before_it_is_shown(
    registered: Caller,
) -> None:
    case_id = await received(registered)
    digest = await attached(registered, case_id, photo(), kind="before")
    path = f"cases/{case_id}/attachments/{digest}"
    assert (await registered.get(path)).status_code == 422
    shown = await registered.get(path, reason="核对维修结果")
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "image/jpeg")
    assert sha256(shown.content).hexdigest() == digest
    assert b"Cameraworks" not in shown.content
    [fact] = await told(registered, case_id, "attachment_revealed")
    assert (fact["sha256"], fact["principal_id"], fact["reason"]) == (
        digest,
        "administrator",
        "核对维修结果",
    )


async def test_a_photo_of_an_erased_household_is_seen_no_more(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered)
    digest = await attached(registered, case_id, photo(), kind="before")
    await office.authenticator.pool.execute(
        "UPDATE subject_keys SET wrapped = NULL, erased_at = now() WHERE subject = 'household-h1'"
    )
    office.sealer._keys.clear()  # half a minute has passed
    path = f"cases/{case_id}/attachments/{digest}"
    answer = await registered.get(path, reason="test")
    assert (answer.status_code, answer.json()["code"]) == (410, "erased")
    assert await office.store.pool.fetchval("SELECT count(*) FROM attachments") == 0
    assert await told(registered, case_id, "attachment_revealed") == []


async def test_a_file_is_refused_where_it_does_not_belong(
    registered: Caller, office: Office
) -> None:
    case_id = await received(registered)
    file = "application/octet-stream"
    wrong: list[tuple[str, bytes, dict[str, str], int]] = [
        (f"cases/{case_id}/attachments", b"no photo", {"kind": "before"}, 422),
        (f"cases/{case_id}/attachments", photo(), {"kind": "poem"}, 422),
        (f"cases/{case_id}/attachments", photo(), {"kind": "before", "person_id": "x"}, 404),
        ("cases/nowhere/attachments", photo(), {"kind": "before"}, 404),
        (f"cases/{case_id}/attachments", bytes(11_000_000), {"kind": "before"}, 413),
    ]
    for path, content, said, status in wrong:
        assert (await registered.send(path, content, file, **said)).status_code == status
    _, key = await office.authenticator.make_key("reader", ["reader"], ["*"])
    registered.http.headers["Authorization"] = f"Bearer {key}"
    path = f"cases/{case_id}/attachments/{'0' * 64}"
    assert (await registered.get(path, reason="test")).status_code == 403
