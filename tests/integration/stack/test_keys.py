"""`steward keys` on the keys database of a stack."""

import asyncio
import base64
import json
from dataclasses import asdict
from pathlib import Path

import asyncpg
import pytest
from tests.support.prepared import with_keys
from tests.support.stack import database_dsn
from typer.testing import CliRunner, Result

from steward_service.auth import Authenticator, Principal
from steward_service.provision import make_databases
from steward_service.settings import ServiceSettings
from steward_stack.commands.keys import app
from steward_stack.errors import StewardError
from steward_stack.supervisor import Endpoints


class Desk:
    """The command on a state whose stack is up, and the keys as services know them."""

    def __init__(self, state: Path, postgres: str) -> None:
        self.state = state
        self.keys = database_dsn(postgres, "steward_keys")
        endpoints = Endpoints("localhost:1", postgres, {}, "", "", "")
        (state / "endpoints.json").write_text(json.dumps(asdict(endpoints)))

    def steward_keys(self, *words: str) -> Result:
        return CliRunner().invoke(app, [*words, "--state", str(self.state)])

    def principal(self, key: str) -> Principal | None:
        async def asked() -> Principal | None:
            async with asyncpg.create_pool(self.keys, min_size=1, max_size=1) as pool:
                return await Authenticator(pool).principal_of(key)

        return asyncio.run(asked())


@pytest.fixture
def desk(postgres_dsn_admin: str, tmp_path: Path) -> Desk:
    async def prepare() -> None:
        settings = ServiceSettings(
            kafka=["localhost:1"],
            postgres=postgres_dsn_admin,
            master_key=base64.b64encode(bytes(32)).decode(),
        )
        await make_databases(settings, ["keys"])
        await with_keys(settings.database_dsn("keys"))

    asyncio.run(prepare())
    return Desk(tmp_path, postgres_dsn_admin)


def test_a_key_is_created_listed_and_revoked(desk: Desk) -> None:
    name = "[前台] desk"
    made = desk.steward_keys("create", name, "--role", "staff", "--project", "guiyuan")
    key = made.stdout.strip()
    principal = desk.principal(key)
    assert principal is not None
    assert (principal.name, principal.projects) == (name, frozenset({"guiyuan"}))
    assert principal.can("case.receive")
    assert not principal.can("registry.write")
    assert principal.id in made.stderr

    listed = desk.steward_keys("list").stdout
    assert key not in listed
    [line] = [line for line in listed.splitlines() if principal.id in line]
    assert line.split() == [principal.id, "[前台]", "desk", "staff", "guiyuan", "in", "force"]

    assert desk.steward_keys("revoke", principal.id).exit_code == 0
    assert desk.principal(key) is None
    again = desk.steward_keys("revoke", principal.id)
    assert isinstance(again.exception, StewardError)
    assert "no key" in str(again.exception)


def test_a_program_reads_json(desk: Desk) -> None:
    options = ("--role", "reader", "--role", "ticketing", "--project", "*", "--json")
    made = json.loads(desk.steward_keys("create", "desk", *options).stdout)
    assert desk.principal(made["key"]) is not None
    assert desk.steward_keys("revoke", made["id"], "--json").exit_code == 0
    [found] = [
        key
        for key in json.loads(desk.steward_keys("list", "--json").stdout)
        if key["id"] == made["id"]
    ]
    assert found == {
        "id": made["id"],
        "name": "desk",
        "roles": ["reader", "ticketing"],
        "projects": ["*"],
        "in_force": False,
    }


def test_a_role_that_does_not_exist_and_a_stack_that_is_not_up_are_said_so(
    desk: Desk, tmp_path: Path
) -> None:
    refused = desk.steward_keys("create", "x", "--role", "boss", "--project", "*").exception
    assert isinstance(refused, StewardError)
    assert "no role “boss”" in str(refused)
    (tmp_path / "endpoints.json").unlink()
    refused = desk.steward_keys("list").exception
    assert isinstance(refused, StewardError)
    assert "`steward up` starts it" in str(refused)
