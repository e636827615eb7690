"""The door to the services: it leads to them and to no other host."""

from collections.abc import AsyncIterator

import pytest

from steward_stack.door import Door
from steward_stack.errors import StewardError


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    opened = Door({"sla": "http://127.0.0.1:1"}, "the admin key")
    yield opened
    await opened.close()


@pytest.mark.parametrize("path", ["v1/late", "@127.0.0.1:2/v1/late", "2/v1/late", ""])
async def test_a_path_without_its_slash_is_refused_in_one_sentence(door: Door, path: str) -> None:
    for asked in (
        door.get("sla", path, {}),
        door.found("sla", path, {}),
        door.post("sla", path, {}, "key"),
        door.post_file("sla", path, b"", "key", {}),
    ):
        with pytest.raises(StewardError, match=r"^A path begins with a slash, as /v1/late; .*\.$"):
            await asked
    assert door.counts["request"] == 0
