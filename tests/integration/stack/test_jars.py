from pathlib import Path

import pytest
from rich.console import Console

from steward_stack.errors import StewardError
from steward_stack.jars import kafka_jars, locked_jars


def test_kafka_consists_of_the_jars_of_one_release() -> None:
    jars = locked_jars()
    versions = {jar.version for jar in jars if jar.group == "org.apache.kafka"}
    assert len(jars) == 47
    assert versions == {"4.3.1"}


def test_a_proxy_that_does_not_answer_is_named_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with pytest.raises(StewardError, match="proxy named in HTTPS_PROXY does not answer"):
        kafka_jars(Console(stderr=True))
    assert list((tmp_path / "steward").iterdir()) == [tmp_path / "steward" / "kafka-4.3.1"]


def test_what_was_fetched_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = tmp_path / "steward" / "kafka-4.3.1"
    folder.mkdir(parents=True)
    for jar in locked_jars():
        (folder / jar.filename).touch()
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    assert kafka_jars(Console(stderr=True)) == folder
