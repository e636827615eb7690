"""What the door of every service lets in, and what it answers otherwise."""

import asyncio
import json
from typing import Any

import pytest
from fastapi import APIRouter
from httpx2 import ASGITransport, AsyncClient, Response
from tests.integration.service_http.conftest import Office

from steward_service.auth import anyone
from steward_service.http import InFlight, build_app

PROJECTS = "/v1/groups/g/projects"
ONCE = {"Idempotency-Key": "first-write"}
UNREADABLE = (
    "The body cannot be read: it is damaged, nested too deeply,"
    " or has a number of thousands of digits."
)


def problem_in(response: Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["detail"].endswith(".")
    return problem


async def count_of_facts(office: Office) -> int:
    return int(await office.executor.store.pool.fetchval("SELECT count(*) FROM events"))  # type: ignore[attr-defined]


async def test_a_write_is_carried_out_and_answered(client: AsyncClient, office: Office) -> None:
    response = await client.post(PROJECTS, json={"name": "桂园"}, headers=ONCE)
    assert response.status_code == 201
    stream = f"project-{response.json()['project_id']}"
    [fact] = await office.executor.store.facts_of(stream)
    assert fact.type == "registry.project_registered.v1"
    assert fact.correlation_id == response.headers["x-correlation-id"]


async def test_a_repeated_write_happens_once_and_is_answered_alike(
    client: AsyncClient, office: Office
) -> None:
    first = await client.post(PROJECTS, json={"name": "桂园"}, headers=ONCE)
    again = await client.post(PROJECTS, json={"name": "桂园"}, headers=ONCE)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert await count_of_facts(office) == 1


async def test_the_same_write_sent_many_times_at_once_happens_once(
    client: AsyncClient, office: Office
) -> None:
    async def send() -> Response:
        return await client.post(PROJECTS, json={"name": "桂园"}, headers=ONCE)

    answers = await asyncio.gather(*(send() for _ in range(8)))
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (201, answers[0].content)
    }
    assert await count_of_facts(office) == 1


async def test_a_key_used_for_another_body_is_refused(client: AsyncClient) -> None:
    await client.post(PROJECTS, json={"name": "桂园"}, headers=ONCE)
    other = await client.post(PROJECTS, json={"name": "松园"}, headers=ONCE)
    assert problem_in(other, 422)["code"] == "key_reused"


async def test_a_write_without_a_key_is_refused(client: AsyncClient) -> None:
    problem = problem_in(await client.post(PROJECTS, json={"name": "桂园"}), 400)
    assert "Idempotency-Key" in problem["detail"]


async def test_what_the_state_does_not_allow_names_its_rule(client: AsyncClient) -> None:
    for key in ("a", "b"):
        response = await client.put(
            f"{PROJECTS}/p1", json={"name": "桂园"}, headers={"Idempotency-Key": key}
        )
    problem = problem_in(response, 409)
    assert problem["rule"] == "RC-2"
    assert problem["detail"] == "The project is registered already, as 桂园."
    assert problem["title_zh"] == "当前状态不允许"


async def test_a_refused_write_may_be_sent_again(client: AsyncClient) -> None:
    headers = ONCE | {"If-Match": '"3"'}
    url = f"{PROJECTS}/p1"
    problem_in(await client.put(url, json={"name": "桂园"}, headers=headers), 412)
    assert (await client.put(url, json={"name": "桂园"}, headers=ONCE)).status_code == 200


async def test_a_wrong_if_match_is_refused(client: AsyncClient) -> None:
    headers = ONCE | {"If-Match": "three"}
    problem_in(await client.put(f"{PROJECTS}/p1", json={"name": "桂园"}, headers=headers), 400)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"name": ', "The body is not JSON: what is wrong begins at character 9."),
        (b"{}", "The field “name” is missing."),
        (b"[]", "The body must be a JSON object, sent as application/json."),
        (b"", "The body is missing."),
        (b'{"name":"x","size":"SECRET"}', "The field “size” must be a whole number."),
        (b'{"name":5}', "The field “name” must be a text."),
        (b'{"name":"x","size":1.5}', "The field “size” must be a whole number."),
        (b"5", "The body must be a JSON object, sent as application/json."),
        (b'{"name":"a\\u0000b"}', "The request contains a NUL character; take it out."),
        (b'{"name":"a\x00b"}', "The request contains a NUL character; take it out."),
        (b'{"name":"\\ud83d"}', "The body contains half of a character (a surrogate)."),
        (b'{"name":"\xff"}', "The body must be UTF-8."),
        (b'\xef\xbb\xbf{"name":"\\ud83d"}', "The body must be UTF-8, without a byte order mark."),
        ('{"name":"x"}'.encode("utf-16-le"), "The request contains a NUL character; take it out."),
        (b"[" * 9_000, UNREADABLE),
        (b'{"name":"x","size":' + b"9" * 9_000 + b"}", UNREADABLE),
        (b"hello", "The body is not JSON: what is wrong begins at character 0."),
    ],
)
async def test_bad_content_gets_one_sentence(
    client: AsyncClient, office: Office, body: bytes, sentence: str
) -> None:
    headers = ONCE | {"Content-Type": "application/json"}
    response = await client.post(PROJECTS, content=body, headers=headers)
    problem = problem_in(response, 400 if sentence == UNREADABLE else 422)
    assert problem["detail"].startswith(sentence)
    assert "SECRET" not in response.text
    assert await count_of_facts(office) == 0


async def test_a_backslash_before_u0000_is_plain_text(client: AsyncClient) -> None:
    response = await client.post(PROJECTS, json={"name": "\\u0000"}, headers=ONCE)
    assert response.status_code == 201


async def test_a_letter_written_as_two_escapes_is_whole(client: AsyncClient) -> None:
    headers = ONCE | {"Content-Type": "application/json"}
    response = await client.post(PROJECTS, content=b'{"name":"\\ud83d\\ude00"}', headers=headers)
    assert response.status_code == 201


@pytest.mark.parametrize("path", ["/v1/groups/a%00b/projects", f"{PROJECTS}?name=%00"])
async def test_a_nul_in_the_address_is_refused(client: AsyncClient, path: str) -> None:
    problem_in(await client.post(path, json={"name": "x"}, headers=ONCE), 422)


async def test_a_body_that_is_too_large_is_refused(client: AsyncClient) -> None:
    problem_in(await client.post(PROJECTS, json={"name": "x" * 10_000}, headers=ONCE), 413)


async def test_a_body_of_unknown_length_is_not_read_past_the_limit(client: AsyncClient) -> None:
    sent = 0

    async def pieces() -> Any:
        nonlocal sent
        for _ in range(1_000):
            sent += 1
            yield b"x" * 1_000

    problem_in(await client.post(PROJECTS, content=pieces(), headers=ONCE), 413)
    assert sent <= 12


async def test_a_parameter_that_a_read_does_not_know_is_refused(client: AsyncClient) -> None:
    problem = problem_in(await client.get("/v1/whoami", params={"proejct_id": "p"}), 400)
    assert problem["detail"] == "The parameter “proejct_id” is not known here: it knows none."


async def test_unknown_addresses_and_methods_are_problems(client: AsyncClient) -> None:
    problem_in(await client.get("/v1/nothing"), 404)
    problem_in(await client.delete("/v1/open"), 405)


async def test_an_unexpected_error_says_only_its_correlation_id(client: AsyncClient) -> None:
    response = await client.get("/v1/broken", headers={"X-Correlation-ID": "call-42"})
    problem = problem_in(response, 500)
    assert problem["correlation_id"] == "call-42"
    assert "resident" not in response.text


async def test_a_correlation_id_that_is_no_id_is_replaced(client: AsyncClient) -> None:
    response = await client.get("/v1/open", headers={"X-Correlation-ID": "a b<script>"})
    assert " " not in response.headers["x-correlation-id"]


async def test_nothing_is_open_by_oversight(office: Office) -> None:
    careless = APIRouter()

    @careless.get("/v1/cases")
    async def cases() -> None: ...

    office.routers = (careless,)
    with pytest.raises(TypeError, match="/v1/cases lets anybody pass"):
        build_app(office)


async def test_without_a_key_nobody_passes(office: Office) -> None:
    transport = ASGITransport(build_app(office))
    async with AsyncClient(transport=transport, base_url="http://steward") as client:
        response = await client.get("/v1/whoami")
        problem_in(response, 401)
        assert response.headers["www-authenticate"] == "Bearer"
        for wrong in ("Bearer sk_wrong", "Basic abc", "Bearer "):
            problem_in(await client.get("/v1/whoami", headers={"Authorization": wrong}), 401)
        assert (await client.get("/v1/open")).status_code == 200


async def test_a_key_opens_its_own_projects_and_nothing_else(
    client: AsyncClient, office: Office
) -> None:
    _, key = await office.authenticator.make_key("桂园 counter", ["staff"], ["g"])
    mine = {"Authorization": f"Bearer {key}"}
    assert (await client.get("/v1/whoami", headers=mine)).json() == "桂园 counter"
    response = await client.post(PROJECTS, json={"name": "x"}, headers=mine | ONCE)
    assert "project.register" in problem_in(response, 403)["detail"]

    _, key = await office.authenticator.make_key("Other group", ["administrator"], ["h"])
    other = {"Authorization": f"Bearer {key}"}
    problem_in(await client.post(PROJECTS, json={"name": "x"}, headers=other | ONCE), 403)
    assert await count_of_facts(office) == 0


async def test_a_revoked_key_is_worth_nothing(client: AsyncClient, office: Office) -> None:
    key_id, key = await office.authenticator.make_key("Counter", ["staff"], ["g"])
    assert await office.authenticator.revoke(key_id)
    assert not await office.authenticator.revoke(key_id)
    problem_in(await client.get("/v1/whoami", headers={"Authorization": f"Bearer {key}"}), 401)


async def test_the_keys_table_does_not_hold_the_key(office: Office) -> None:
    _, key = await office.authenticator.make_key("Counter", ["staff"], ["g"])
    rows = await office.authenticator.pool.fetch("SELECT * FROM api_keys")
    assert key not in str(rows)
    with pytest.raises(ValueError, match="There is no role “boss”"):
        await office.authenticator.make_key("Counter", ["boss"], ["g"])


async def test_health_says_why_it_is_not_ready(client: AsyncClient, office: Office) -> None:
    assert (await client.get("/health/live")).status_code == 200
    assert (await client.get("/health/ready")).status_code == 200
    office.reasons.append("Kafka cannot be reached.")
    problem = problem_in(await client.get("/health/ready"), 503)
    assert problem["reasons"] == ["Kafka cannot be reached."]
    assert (await client.get("/health/live")).status_code == 200


async def test_metrics_and_documents_are_served(client: AsyncClient, office: Office) -> None:
    office.metrics.facts_appended.inc(3)
    assert "steward_facts_appended_total 3.0" in (await client.get("/metrics")).text
    asyncapi = (await client.get("/asyncapi")).json()
    assert list(asyncapi["channels"]) == ["steward.inbound.tickets", "steward.intake"]
    openapi = (await client.get("/v1/openapi.json")).json()
    names = [
        p["name"] for p in openapi["paths"]["/v1/groups/{group}/projects"]["post"]["parameters"]
    ]
    assert names.count("Idempotency-Key") == 1
    assert json.dumps((await client.get("/v1/openapi.json")).json()) == json.dumps(openapi)


async def test_requests_in_flight_are_counted(office: Office) -> None:
    in_flight = InFlight()
    seen: list[int] = []
    slow = APIRouter()

    @slow.get("/v1/seen", dependencies=[anyone])
    async def look() -> None:
        seen.append(in_flight.count)

    office.routers = (slow,)
    transport = ASGITransport(build_app(office, in_flight))
    async with AsyncClient(transport=transport, base_url="http://steward") as client:
        await client.get("/v1/seen")
        await client.get("/health/live")
    assert (seen, in_flight.count) == ([1], 0)


async def test_a_lost_database_is_worth_another_try(client: AsyncClient, office: Office) -> None:
    await office.executor.store.close()  # type: ignore[attr-defined]
    response = await client.post(PROJECTS, json={"name": "x"}, headers=ONCE)
    problem_in(response, 503)
    assert response.headers["retry-after"] == "1"
