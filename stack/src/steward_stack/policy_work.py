"""What the running installation says of policies: their texts, why a clock is due, what would move."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any

from rich.progress import Progress

from steward_policy import packs
from steward_policy.packs import PackError, Rules
from steward_stack.door import Door, answered
from steward_stack.errors import StewardError

AT_ONCE = 200
POLL_SECONDS = 0.5


async def asked(door: Door, path: str) -> dict[str, Any]:
    """Give what sla answers; raises StewardError with its sentence."""
    return dict(await door.get("sla", path, {}))


async def projects_of(door: Door, group: str) -> list[str]:
    """Name the projects of a group; raises StewardError where it has none."""
    found: list[str] = []
    query = {"limit": "500"}
    while True:
        page = await door.get("intake", "/v1/projects", query)
        found += [row["project_id"] for row in page["items"] if row["group_id"] == group]
        if not page["more"]:
            break
        query["since"] = page["next"]
    if not found:
        raise StewardError(f"The group {group} has no projects.")
    return found


async def published(door: Door, version: str) -> Rules:
    """Give the rules of a version as sla has heard them."""
    told = await asked(door, f"/v1/policies/{version}")
    try:
        return packs.load(str(told["text"]), version)
    except PackError as error:
        raise StewardError(str(error)) from error


async def looked(door: Door, body: Mapping[str, Any], progress: Progress) -> list[dict[str, Any]]:
    """Say what would move, page by page; nothing is changed."""
    found: list[dict[str, Any]] = []
    task, since, seen = progress.add_task("Cases", total=0, now=""), None, 0
    while True:
        page = {**body, "dry_run": True, "limit": AT_ONCE, "since": since}
        told = await _told(door, page)
        found += told["moves"]
        seen += told["cases"]
        progress.update(task, total=max(told["of"], seen), completed=seen)
        since = told["next"]
        if since is None:
            return found


async def carried_out(door: Door, body: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    """Let what runs go by another version, and wait until the last case has been told."""
    begun = await _told(door, {**body, "dry_run": False})
    path = f"/v1/policies/reapplications/{begun['reapply_id']}"
    task = progress.add_task("Cases", total=0, now="")
    while True:
        told = await asked(door, path)
        cases, left = told["cases_concerned"], told["left"]
        progress.update(task, total=cases, completed=cases - left)
        if not left:
            return {"reapply_id": begun["reapply_id"], "cases": cases}
        await asyncio.sleep(POLL_SECONDS)


async def _told(door: Door, body: Mapping[str, Any]) -> dict[str, Any]:
    answer = await door.post("sla", "/v1/policies/reapply", body, secrets.token_hex(16))
    return dict(answered(answer))
