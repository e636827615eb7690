"""What `steward rebase` says when it cannot begin."""

import json
from pathlib import Path

import pytest

from steward_stack.commands.rebase import rebased
from steward_stack.errors import StewardError


@pytest.fixture(autouse=True)
def no_servers_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STEWARD_KAFKA", "STEWARD_POSTGRES"):
        monkeypatch.delenv(name, raising=False)


def test_it_needs_servers(tmp_path: Path) -> None:
    with pytest.raises(StewardError, match="No servers are up: `steward up --servers-only"):
        rebased(only=[], state=tmp_path)


def test_it_waits_for_no_service_that_runs(tmp_path: Path) -> None:
    names = ("kafka", "postgres", "smtp", "sms", "logs")
    said = dict.fromkeys(names, "") | {"services": {"intake": "http://127.0.0.1:1"}}
    (tmp_path / "endpoints.json").write_text(json.dumps(said))
    with pytest.raises(StewardError, match="The services are running: `steward down`"):
        rebased(only=[], state=tmp_path)


def test_it_knows_the_services_by_name(tmp_path: Path) -> None:
    with pytest.raises(StewardError, match="There is no nope; there are intake, sla, visits"):
        rebased(only=["nope"], state=tmp_path)
