"""What a service says when its environment is wrong."""

import base64
import os

import pytest

from steward_service.settings import ALL_ROLES, ServiceSettings, WrongSettings

KEY = base64.b64encode(b"k" * 32).decode()
RIGHT = {
    "STEWARD_KAFKA": "a:9092, b:9092",
    "STEWARD_POSTGRES": "postgresql://steward@/postgres?host=/tmp/socket",
    "STEWARD_MASTER_KEY": KEY,
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STEWARD_")]:
        monkeypatch.delenv(name)
    for name, value in RIGHT.items():
        monkeypatch.setenv(name, value)


def test_what_is_set_is_read() -> None:
    settings = ServiceSettings()
    assert settings.kafka == ["a:9092", "b:9092"]
    assert settings.master_key_bytes == b"k" * 32
    assert settings.roles == ALL_ROLES
    assert (settings.clock, settings.partitions, settings.http_host) == ("system", 6, "127.0.0.1")


def test_every_service_has_a_database_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    dsn = "postgresql://steward@/steward_sla?host=/tmp/socket"
    assert ServiceSettings().database_dsn("sla") == dsn
    assert ServiceSettings().database_dsn("keys").startswith("postgresql://steward@/steward_keys")
    monkeypatch.setenv("STEWARD_KEYS_POSTGRES", "postgresql://vault:5432/postgres")
    assert ServiceSettings().database_dsn("keys") == "postgresql://vault:5432/steward_keys"


def test_a_process_may_have_a_part_of_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEWARD_ROLES", "http,relay")
    assert ServiceSettings().roles == {"http", "relay"}


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("empty", [False, True])
def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, name: str, empty: bool) -> None:
    monkeypatch.setenv(name, "")
    if not empty:
        monkeypatch.delenv(name)
    with pytest.raises(WrongSettings) as caught:
        ServiceSettings()
    assert str(caught.value) == f"The variable {name} is not set."


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("STEWARD_KAFKA", "broker", "it must be host:port"),
        ("STEWARD_KAFKA", ",", "at least 1 item"),
        ("STEWARD_POSTGRES", "mysql://s3cret@x/y", "it must begin with postgresql://"),
        ("STEWARD_MASTER_KEY", "s3cret", "it must be 32 bytes in base64"),
        ("STEWARD_MASTER_KEY", base64.b64encode(b"s3cret").decode(), "32 bytes"),
        ("STEWARD_ADMIN_KEY", "s3cret", "at least 24 characters"),
        ("STEWARD_CLOCK", "moon", "input should be 'system' or 'stepped'"),
        ("STEWARD_ROLES", "http,cook", "input should be 'http', 'listen', 'relay' or 'tick'"),
        ("STEWARD_HTTP_PORT", "70000", "less than or equal to 65535"),
        ("STEWARD_PARTITIONS", "six", "input should be a valid integer"),
    ],
)
def test_what_is_wrong_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSettings) as caught:
        ServiceSettings()
    sentence = str(caught.value)
    assert sentence.startswith(f"The variable {name} is wrong: ")
    assert said in sentence
    assert sentence.endswith(".")
    assert "s3cret" not in sentence


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEWARD_POSTGRES", "postgresql://steward:s3cret@db/postgres")
    monkeypatch.setenv("STEWARD_ADMIN_KEY", "s3cret" * 5)
    shown = repr(ServiceSettings())
    assert "s3cret" not in shown
    assert KEY not in shown
