"""What `steward rebase` and `steward rebuild` say when they cannot begin."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from steward_stack.commands.rebase import rebased
from steward_stack.commands.rebuild import rebuilt
from steward_stack.errors import StewardError

Command = Callable[..., None]


@pytest.fixture(params=[rebased, rebuilt])
def command(request: pytest.FixtureRequest) -> Command:
    made: Command = request.param
    return made


@pytest.fixture(autouse=True)
def no_servers_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STEWARD_KAFKA", "STEWARD_POSTGRES"):
        monkeypatch.delenv(name, raising=False)


def test_it_needs_servers(command: Command, tmp_path: Path) -> None:
    with pytest.raises(StewardError, match="No servers are up: `steward up --servers-only"):
        command(only=[], state=tmp_path)


def test_it_waits_for_no_service_that_runs(command: Command, tmp_path: Path) -> None:
    names = ("kafka", "postgres", "smtp", "sms", "logs")
    said = dict.fromkeys(names, "") | {"services": {"intake": "http://127.0.0.1:1"}}
    (tmp_path / "endpoints.json").write_text(json.dumps(said))
    with pytest.raises(StewardError, match="The services are running: `steward down`"):
        command(only=[], state=tmp_path)


def test_it_knows_the_services_by_name(command: Command, tmp_path: Path) -> None:
    with pytest.raises(StewardError, match="There is no nope; there are intake, sla, visits"):
        command(only=["nope"], state=tmp_path)
