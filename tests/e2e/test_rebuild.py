"""What an upgraded service heard before it had a table for it is in that table after a rebuild."""

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.restoring import Installation, installation
from tests.support.rules import rule
from tests.support.system import entered

from steward_stack.diagnosis import diagnose
from steward_stack.supervisor import Stack

ADDED = ("delegations", "projects", "publications", "roles", "rosters")
"""What migrations of sla have added without filling it."""
ELSEWHERE = ("visits", "staff")
POLICY = 'overrides: residential-cn\nversion: "anew"\n'
NOW = datetime.now(UTC)
HOURS = {"since": NOW.isoformat(), "until": (NOW + timedelta(hours=9)).isoformat()}
WHO = {"role": "centre_manager", "person_id": "m1"}
MANAGER = {"project_id": "anew", **WHO}
REGISTERS: tuple[dict[str, Any], ...] = (
    {"type": "group", "group_id": "anew", "name": "汇和物业"},
    {"type": "project", "project_id": "anew", "group_id": "anew", "name": "望江苑"},
    *({"type": "staff", "person_id": p, "group_id": "anew", "name": p} for p in ("m1", "s1")),
    {"type": "role", **MANAGER},
    {"type": "role", **MANAGER, "role": "cs_supervisor", "person_id": "s1"},
    {"type": "delegation", "delegation_id": "d1", **MANAGER, "delegate_id": "s1", **HOURS},
    {
        "type": "duty_roster",
        "roster_id": "r1",
        "project_id": "anew",
        "shifts": [{"role": "centre_manager", "person_id": "s1", **HOURS}],
    },
)


@rule("RM-4.10.1")
def test_whoever_held_a_role_before_an_upgrade_acts_in_it_after_a_rebuild(
    embedded_stack: None,
) -> None:
    with installation() as place:
        with place.up() as stack:
            extension = asyncio.run(upgraded(place, stack))
        with place.up(services=False):
            asyncio.run(rebuilt(place))
        with place.up() as stack:
            asyncio.run(acting(stack, extension))


async def upgraded(place: Installation, stack: Stack) -> str:
    """Bring sla to where an upgrade leaves it; gives a request for more time that waits."""
    async with entered(stack) as system:
        await system.register(*REGISTERS)
        await system.accepted("intake", "/v1/policies", {"text": POLICY, "project_id": "anew"})
        said = {"project_id": "anew", "kind": "complaint", "summary": "楼道灯坏了"}
        case = (await system.accepted("intake", "/v1/cases", said))["case_id"]
        minor = {"severity": "minor", "validity": "valid"}
        await system.accepted("intake", f"/v1/cases/{case}/classify", minor)
        await system.quiet()
        until = (NOW + timedelta(days=9)).isoformat()
        asked = {"until": until, "reason": "缺配件", "asked_by": "s1"}
        path = f"/v1/clocks/{case}/minor-resolve%231/extension"
        extension = (await system.accepted("sla", path, asked))["extension_id"]
        await system.quiet()
        for table in ADDED:
            assert await system.query("sla", f'DELETE FROM "{table}" RETURNING 1')
        await system.query("sla", "UPDATE clocks SET target = 'no-such-target'")
        await system.query("visits", "DELETE FROM staff")
        refused = await system.post("sla", f"/v1/extensions/{extension}/approve", WHO)
        assert refused.status_code == 409
        changed = {("sla", table) for table in (*ADDED, "clocks")}
        assert await differing(place) == {*changed, ELSEWHERE}
        settings = stack.settings
        master = base64.b64decode(settings.master_key)
        found = await diagnose(stack.endpoints, settings.admin_key, master)
        [cure] = [finding.cure for finding in found if finding.check == "roles"]
        assert "`steward rebuild --only sla`" in cure
        return str(extension)


async def differing(place: Installation) -> set[tuple[str, str]]:
    status, verdict, _ = await asyncio.to_thread(place.steward, "verify")
    found = {(one["service"], one["model"]) for one in verdict["models"] if not one["equal"]}
    assert (status, verdict["equal"]) == (bool(found), not found)
    return found


async def rebuilt(place: Installation) -> None:
    """Write what differs of sla, then what differs of the others and of sla nothing more."""
    for only, written in (
        (["--only", "sla"], {*ADDED, "clocks"}),
        ([], {ELSEWHERE[1]}),
    ):
        status, said, sentence = await asyncio.to_thread(place.steward, "rebuild", *only)
        assert status == 0, sentence
        assert {one["model"] for one in said["models"] if one["written"]} == written
        assert said["written"] is bool(written)
        for one in said["models"]:
            lacked = one["written"] and one["model"] != "clocks"
            assert (one["before"] < one["after"]) is lacked, one
    assert await differing(place) == set()


async def acting(stack: Stack, extension: str) -> None:
    async with entered(stack) as system:
        await system.accepted("sla", f"/v1/extensions/{extension}/approve", WHO)
