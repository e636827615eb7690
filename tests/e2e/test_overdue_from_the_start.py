"""A complaint on a paper form that is typed in late: from HTTP to SMS and email in real time."""

from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.message import EmailMessage
from email.policy import default
from typing import Any

from tests.support.rules import rule
from tests.support.system import System
from uuid_utils.compat import uuid7

HANDOVER = "转呈主管经理"
"""Other clocks run beside it, and tell the manager too."""

MANAGER = {"phone": "13800002222", "email": "overdue-manager@example.cn"}


@rule("RM-4.5.2b", "RM-4.10.2")
async def test_a_complaint_that_is_overdue_when_it_is_typed_in_reaches_the_manager_at_once(
    system: System,
) -> None:
    # Short, since a text shortens long words.
    own = uuid7().hex[-8:]
    group, project = f"late-group-{own}", f"late-{own}"
    await system.register(
        {"type": "group", "group_id": group, "name": "汇和物业"},
        {"type": "project", "project_id": project, "group_id": group, "name": "晚晴苑"},
        {
            "type": "staff",
            "person_id": f"{project}-chen",
            "group_id": group,
            "name": "陈",
            **MANAGER,
        },
        {
            "type": "role",
            "project_id": project,
            "role": "centre_manager",
            "person_id": f"{project}-chen",
        },
    )
    spoken = datetime.now(UTC) - timedelta(hours=2)
    said = {
        "project_id": project,
        "kind": "complaint",
        "channel": "counter",
        "summary": "电梯困人",
        "occurred_at": spoken.isoformat(),
    }
    taken = await system.accepted("intake", "/v1/cases", said)
    classified = {"validity": "valid", "severity": "important"}
    await system.accepted("intake", f"/v1/cases/{taken['case_id']}/classify", classified)

    async def texts() -> list[dict[str, Any]]:
        found = [text for text in await system.texts() if text["phone"] == MANAGER["phone"]]
        return [text for text in found if HANDOVER in text["text"]]

    async def mails() -> list[EmailMessage]:
        read = [message_from_string(mail, policy=default) for mail in system.mails()]
        mine = [mail for mail in read if mail["To"] == MANAGER["email"]]
        return [mail for mail in mine if HANDOVER in mail.get_content()]

    await system.until(texts, "no text reached the manager")
    await system.until(mails, "no mail reached the manager")
    [text] = await texts()
    assert f"重要投诉{taken['number']}的“{HANDOVER}”应于" in text["text"]
    [mail] = await mails()
    assert mail["Subject"] == f"【升级】{taken['number']} 晚晴苑"

    # The provider's receipt came back, and the case tells all of it.
    sql = """
    SELECT count(*) FROM messages WHERE case_id = $1 AND rule = 'RM-4.5.2b'
       AND (channel, status) IN (('sms', 'delivered'), ('email', 'sent'))
    """

    async def settled() -> bool:
        return await system.count("notify", sql, taken["case_id"]) == 2

    await system.until(settled, "the messages have no outcome")
