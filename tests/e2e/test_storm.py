"""A pipe bursts and forty households call: who has to come reads one text that names the incident."""

import asyncio
from typing import Any

from tests.support.system import System
from tests.support.waiting import until
from uuid_utils.compat import uuid7

NAME = f"storm-{uuid7()}"
PHONE = f"137{uuid7().int % 10**8:08}"
MANY = 40


async def test_many_cases_of_one_burst_pipe_are_told_in_one_text(system: System) -> None:
    staff = {"type": "staff", "person_id": f"{NAME}-s", "group_id": NAME, "name": "何工"}
    role = {"project_id": NAME, "role": "engineering_supervisor", "person_id": f"{NAME}-s"}
    await system.register(
        {"type": "group", "group_id": NAME, "name": "汇和物业"},
        {"type": "project", "project_id": NAME, "group_id": NAME, "name": "翠湖苑"},
        {**staff, "phone": PHONE},
        {"type": "role", **role},
    )

    async def received() -> str:
        body = {"project_id": NAME, "kind": "service_request", "channel": "phone"}
        said = {**body, "summary": "水从天花板涌出", "place": "1号楼"}
        case: str = (await system.accepted("intake", "/v1/cases", said))["case_id"]
        return case

    cases = await asyncio.gather(*(received() for _ in range(MANY)))
    opened = {"project_id": NAME, "title": "1号楼水管爆裂"}
    incident = (await system.accepted("intake", "/v1/incidents", opened))["incident_id"]
    attached: Any = await system.accepted(
        "intake", f"/v1/incidents/{incident}/attach", {"case_ids": list(cases)}
    )
    assert not [line for line in attached["results"] if "error" in line], attached
    joined = "SELECT count(*) FROM incident_cases WHERE incident_id = $1"

    async def all_known() -> bool:
        return await system.count("notify", joined, incident) == MANY

    await until(all_known, "notify does not know which cases the incident has")
    emergency = {"urgency": "emergency", "work_category": "ordinary"}
    await asyncio.gather(
        *(system.accepted("intake", f"/v1/cases/{case}/classify", emergency) for case in cases)
    )
    told = (
        "SELECT count(*) FROM messages WHERE project_id = $1 AND channel = 'sms'"
        " AND template = 'alarm' AND status = 'delivered'"
    )

    async def all_told() -> bool:
        return await system.count("notify", told, NAME) == MANY

    await until(all_told, "not all alarms were told", seconds=100)
    texts = [text["text"] for text in await system.texts() if text["phone"] == PHONE]
    assert len(texts) < 5, texts
    assert any("“1号楼水管爆裂”中有" in text for text in texts), texts
    # Each case has an escalation of its own, and one answer takes all of them over.
    body = {"incident": incident, "person_id": f"{NAME}-s", "target": "emergency-on-site"}
    taken = await system.accepted("sla", "/v1/escalations/acknowledge", body)
    assert taken == {"acknowledged": MANY, "left": 0}
