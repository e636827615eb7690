"""API keys as the person at the machine makes, lists and revokes them."""

import base64

import asyncpg
import pytest
from tests.support.prepared import with_keys
from tests.support.stack import FreshDatabase

from steward_service import api_keys
from steward_service.auth import Authenticator
from steward_service.settings import ServiceSettings


@pytest.fixture
async def settings(
    fresh_database: FreshDatabase, monkeypatch: pytest.MonkeyPatch
) -> ServiceSettings:
    dsn = await fresh_database(with_keys)
    monkeypatch.setattr(ServiceSettings, "database_dsn", lambda *_: dsn)
    return ServiceSettings(
        kafka=["localhost:9092"], postgres=dsn, master_key=base64.b64encode(b"k" * 32).decode()
    )


async def ask(settings: ServiceSettings, *words: str) -> str:
    return await api_keys.run(api_keys.parser().parse_args(words), settings)


async def test_a_key_is_made_listed_and_revoked(settings: ServiceSettings) -> None:
    key = (await ask(settings, "make", "前台", "--role", "staff", "--project", "guiyuan")).strip()
    async with asyncpg.create_pool(settings.database_dsn("keys"), min_size=1, max_size=1) as pool:
        principal = await Authenticator(pool).principal_of(key)
        assert principal is not None
        assert principal.name == "前台"
        assert principal.can("case.receive")
        assert not principal.can("registry.write")
        assert principal.may("guiyuan")
        assert not principal.may("songyuan")

        listed = await ask(settings, "list")
        assert f"{principal.id}  in force  staff  guiyuan  前台" in listed
        assert key not in listed

        await ask(settings, "revoke", principal.id)
        assert await Authenticator(pool).principal_of(key) is None
        assert f"{principal.id}  revoked" in await ask(settings, "list")
        with pytest.raises(SystemExit, match="no key"):
            await ask(settings, "revoke", principal.id)


def test_a_role_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        api_keys.parser().parse_args(["make", "x", "--role", "boss", "--project", "*"])
    assert "invalid choice: 'boss'" in capsys.readouterr().err
