"""A day in a service centre: registers, forty cases of all kinds, and a resident who is erased.

All is said over HTTP, on the stepped clock, and what was published, sent and listed is compared
with what stands here: every fact, every text, every number. How a diary is read: `support.diary`.
"""

import io
import re
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email import message_from_string
from email.policy import default
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from httpx2 import AsyncClient
from openpyxl import Workbook
from tests.support.diary import (
    Day,
    Playing,
    Said,
    Sent,
    by_stream,
    followed_up,
    happened,
    lines,
    lives,
    name_of,
    ran,
    read,
    sent_texts,
)
from tests.support.rules import rule
from tests.support.stack import database_dsn
from tests.support.system import OWNERS, Published, System, entered
from uuid_utils.compat import uuid7

from steward_policy import packs
from steward_service.auth import Authenticator
from steward_service.clocks import SteppedDriver
from steward_stack.supervisor import Stack

# The first test waits for the stack and the whole day.
pytestmark = pytest.mark.timeout(600)

GROUP, PROJECT, OTHER = "jinghe", "lanting", "yunqi"
NAMES = {PROJECT: "兰亭苑", OTHER: "云栖苑"}
ZONE = ZoneInfo("Asia/Shanghai")


# Who works and lives there.


@dataclass(frozen=True, slots=True)
class Member:
    """A member of staff: what they are, and how their texts name it."""

    name: str
    phone: str
    role: str
    title: str
    language: str = ""

    @property
    def email(self) -> str:
        return f"{self.phone}@jinghe.example.cn"


STAFF = {
    "lin": Member("林晓", "13712341011", "管家", "客服专员"),
    "zhou": Member("周敏", "13712341012", "客服部主管", "客服部主管"),
    "wu": Member("吴强", "13712341013", "部门负责人", "部门负责人"),
    "he": Member("何志", "13712341014", "工程部主管", "工程部主管"),
    "chen": Member("陈建国", "13712341015", "主管经理", "物业服务中心经理"),
    "tang": Member("Morgan Tang", "13712341016", "分管领导", "company leader", "English"),
    "gao": Member("高远", "13712341017", "总经理", "公司总经理"),
}
HOMES = {
    "1-101": ("王芳", "13810000101"),
    "1-102": ("李强", "13810000102"),
    "2-201": ("Anna Smith", "13810000201"),
    "2-202": ("赵敏", "13810000202"),
    "2-203": ("孙立", "13810000000"),  # texts to this number never arrive
    "3-301": ("陈晨", "13810000301"),
    "3-302": ("林燕", "13810000302"),
    "3-303": ("钟离昧", "13810000303"),
}
MAILED = "sunli@example.cn"
PASSER_BY = "13810000999"


def workbook() -> bytes:
    """Write the registers as the centre keeps them; three of the lines are bad."""
    sheets: dict[str, list[tuple[Any, ...]]] = {
        "集团": [("集团编号", "集团名称"), (GROUP, "景和物业")],
        "项目": [("项目编号", "项目名称", "集团", "时区")]
        + [(id_, name, GROUP, ZONE.key) for id_, name in NAMES.items()],
        "员工": [("工号", "姓名", "手机", "邮箱", "语言")]
        + [(id_, s.name, s.phone, s.email, s.language) for id_, s in STAFF.items()]
        + [("mei", "梅姐", "13712341018", "meijie#example.cn", "")],
        "部门": [
            ("部门编号", "部门", "项目", "负责人"),
            ("env", "环境部", "兰亭苑", "wu"),
            ("eng", "工程部", "兰亭苑", "何志"),
        ],
        "住户": [("兰亭苑住户登记表",), ("项目", "房号", "姓名", "手机（必填）", "邮箱", "语言")]
        + [
            ("兰亭苑", room, name, phone, MAILED if room == "2-203" else "", _language(name))
            for room, (name, phone) in HOMES.items()
        ]
        + [("兰亭苑", "3-304", "周全", "1381000030x", "", "")]
        + [("云栖苑", "1-101", "王芳", "13810000101", "", "")],
        "岗位": [("项目", "岗位", "工号")]
        + [("兰亭苑", s.role, id_) for id_, s in STAFF.items()]
        + [("兰亭苑", "保安队长", "lin"), ("云栖苑", "客服部主管", "zhou")],
        "片区": [("片区", "项目", "管家", "楼栋"), ("东区", "兰亭苑", "lin", "1、2、3")],
    }
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _language(name: str) -> str:
    return "英文" if name.isascii() else ""


# The forty cases.


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the day, from the first word to its end, and what came of each word."""

    kind: str
    channel: str
    home: str
    summary: str
    diary: str
    ends: str
    clocks: str
    followups: str = ""
    texts: str = ""
    said: Mapping[str, Any] = field(default_factory=dict)


CASES = (
    # 1: answered, and content.
    Case(
        "consultation", "phone", "1-101", "周末可以装修吗",
        """
        08:31 received
        08:46 answer decision=will person_id=lin
        08:51 handle person_id=lin
        08:51 satisfaction score=5
        08:51 close
        """,
        "closed",
        "consultation-answered 08:31 → +1T24:00, met 08:46",
    ),
    # 2: asked for in writing, so that the call does not count.
    Case(
        "consultation", "counter", "1-102", "物业费明细",
        """
        08:31 received in_writing=true
        08:46 answer decision=will person_id=lin
        10:00 answer decision=will in_writing=true person_id=lin
        10:00 handle person_id=lin
        10:00 tell-result how=letter
        10:00 close
        """,
        "closed",
        "consultation-answered-in-writing 08:31 → +1T24:00, met 10:00",
    ),
    # 3: over the app, by somebody who reads English.
    Case(
        "consultation", "app", "2-201", "Where may I park a bicycle?",
        """
        08:31 received
        08:46 answer decision=will person_id=lin
        08:51 handle person_id=lin
        08:51 tell-result how=phone
        08:51 close
        """,
        "closed",
        "consultation-answered 08:31 → +1T24:00, met 08:46",
    ),
    # 4: a suggestion that is taken up.
    Case(
        "suggestion", "suggestion_box", "2-202", "增设长椅",
        """
        08:31 received
        09:00 acknowledge text=谢谢您的建议 person_id=lin
        11:00 inform about=progress how=phone
        15:00 answer decision=will by_date=+20T18:00
        15:00 handle person_id=lin
        15:00 tell-result how=phone
        15:00 close
        """,
        "closed",
        """
        suggestion-acknowledged 08:31 → +1T24:00, met 09:00
        suggestion-progress 08:31 → +7T24:00, met 11:00
        suggestion-progress.2 11:00 → +7T24:00, met 15:00
        """,
    ),
    # 5: the owners' committee's, still open in the evening.
    Case(
        "suggestion", "meeting", "", "大门加装照明",
        """
        08:31 received party=committee
        09:00 acknowledge
        """,
        "open",
        """
        suggestion-acknowledged 08:31 → +1T24:00, met 09:00
        suggestion-progress 08:31 → +7T24:00
        """,
    ),
    # 6: a suggestion that is refused with reasons.
    Case(
        "suggestion", "app", "3-301", "楼顶种菜",
        """
        08:31 received
        09:00 acknowledge
        09:40 refuse reason=楼顶是公共部位 person_id=lin approved_by=lin ✗ RM-4.8
        09:40 refuse reason=楼顶是公共部位 person_id=lin approved_by=zhou
        09:40 → case_answered
        """,
        "refused",
        """
        suggestion-acknowledged 08:31 → +1T24:00, met 09:00
        suggestion-progress 08:31 → +7T24:00, cancelled by case_refused, met 09:40
        refusal-answered 09:40 → +2T24:00, met 09:40
        """,
        texts="09:40 3-301 refused 楼顶是公共部位",
    ),
    # 7: an ordinary repair, as it should be.
    Case(
        "service_request", "phone", "1-101", "厨房龙头漏水",
        """
        08:42 received received_by=lin
        08:42 → case_assigned
        08:42 → receipt_confirmed
        08:46 classify work_category=ordinary
        08:51 dispatch department=工程部 dispatch_id=tap
        08:56 accept-dispatch person_id=he
        09:02 appoint appointment_id=tap at=10:00
        10:00 keep-appointment appointment_id=tap person_id=he
        10:00 start-work person_id=he
        10:40 handle person_id=he
        15:00 followup mode=phone person_id=lin satisfied=true
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        request-confirmed 08:42 → 08:52, met 08:42
        request-appointment 08:42 → 10:42, met 09:02
        request-done 08:42 → +3T24:00, met 10:40
        dispatched 08:46 → 09:16, met 08:51
        dispatch-accepted:tap 08:51 → 10:51, to department_head 08:51, met 08:56
        progress-every-three-days 08:51 → +3T24:00, met 10:40
        appointment-kept:tap 09:02 → 10:30, warned 09:30, met 10:00
        """,
        "FU-4.1.2.3a phone by +1T24:00, done 15:00 phone by lin",
        """
        08:42 1-101 received
        08:51 wu alarm 事项 部门接单 10:51 RM-4.6.1、RM-3.3、RC-5.3
        09:02 1-101 appointment 10:00
        """,
    ),
    # 8: nobody is at home; the owner moves the appointment.
    Case(
        "service_request", "app", "1-102", "卧室窗户关不严",
        """
        08:42 received
        08:42 → receipt_confirmed
        08:46 classify work_category=ordinary
        08:51 dispatch department=eng dispatch_id=window
        08:56 accept-dispatch person_id=he
        09:02 appoint appointment_id=window at=10:00
        10:20 miss-appointment appointment_id=window by=owner
        10:20 appoint appointment_id=window at=14:00 moved_by=owner
        14:00 keep-appointment appointment_id=window person_id=he
        14:30 handle person_id=he
        15:00 satisfaction score=4
        16:00 close
        """,
        "closed",
        """
        request-confirmed 08:42 → 08:52, met 08:42
        request-appointment 08:42 → 10:42, met 09:02
        request-done 08:42 → +3T24:00, met 14:30
        dispatched 08:46 → 09:16, met 08:51
        dispatch-accepted:window 08:51 → 10:51, to department_head 08:51, met 08:56
        progress-every-three-days 08:51 → +3T24:00, met 14:30
        appointment-kept:window 09:02 → 10:30, warned 09:30, cancelled by appointment_missed
        appointment-kept:window.2 10:20 → 14:30, warned 13:30, met 14:00
        """,
        "FU-4.1.2.3a phone by +1T24:00",
        """
        08:42 1-102 received
        08:51 wu alarm 事项 部门接单 10:51 RM-4.6.1、RM-3.3、RC-5.3
        09:02 1-102 appointment 10:00
        10:20 1-102 appointment 14:00
        """,
    ),
    # 9: we miss the appointment twice, and the supervisor hears of it each time.
    Case(
        "service_request", "phone", "2-201", "Kitchen tap drips",
        """
        08:42 received
        08:42 → receipt_confirmed
        08:46 classify work_category=ordinary
        08:51 dispatch department=eng dispatch_id=drip
        08:56 accept-dispatch person_id=he
        08:56 appoint appointment_id=drip at=09:30
        10:00 → breach_noted
        10:20 miss-appointment appointment_id=drip by=us
        10:20 appoint appointment_id=drip at=10:30 moved_by=us person_id=lin approved_by=zhou
        11:00 → breach_noted
        11:10 appoint appointment_id=drip at=11:30 moved_by=owner
        11:30 keep-appointment appointment_id=drip person_id=he
        11:30 handle person_id=he
        15:00 followup mode=phone person_id=lin satisfied=true
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        request-confirmed 08:42 → 08:52, met 08:42
        request-appointment 08:42 → 10:42, met 08:56
        request-done 08:42 → +3T24:00, met 11:30
        dispatched 08:46 → 09:16, met 08:51
        dispatch-accepted:drip 08:51 → 10:51, to department_head 08:51, met 08:56
        progress-every-three-days 08:51 → +3T24:00, met 11:30
        appointment-kept:drip 08:56 → 10:00, warned 09:00, breached 10:00, to cs_supervisor 10:00, cancelled by appointment_made
        appointment-kept:drip.2 10:20 → 11:00, breached 11:00, to cs_supervisor 11:00, cancelled by appointment_made
        appointment-kept:drip.3 11:10 → 12:00, met 11:30
        """,
        "FU-4.1.2.3a phone by +1T24:00, done 15:00 phone by lin",
        """
        08:42 2-201 received-en
        08:51 wu alarm 事项 部门接单 10:51 RM-4.6.1、RM-3.3、RC-5.3
        08:56 2-201 appointment-en 09:30
        10:00 zhou escalation 事项 按约到场 10:00 FU-S1、FU-4.1.3、RC-5.1..2
        10:20 2-201 appointment-en 10:30
        11:00 zhou escalation 事项 按约到场 11:00 FU-S1、FU-4.1.3、RC-5.1..2
        11:10 2-201 appointment-en 11:30
        """,
    ),
    # 10: a burst pipe.
    Case(
        "service_request", "hotline", "2-202", "水管爆裂",
        """
        08:42 received
        08:42 → receipt_confirmed
        08:46 classify urgency=emergency work_category=blocked_drain
        08:51 dispatch department=eng dispatch_id=burst
        08:51 accept-dispatch person_id=he
        08:56 start-work person_id=he
        10:00 make-safe person_id=he
        10:40 handle person_id=he
        10:40 → followup_owed
        15:00 followup mode=on_site person_id=lin satisfied=true
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        request-confirmed 08:42 → 08:52, met 08:42
        request-appointment 08:42 → 10:42, cancelled by no_longer_applies
        request-done 08:42 → +3T24:00, cancelled by no_longer_applies
        emergency-on-site 08:42 → 09:12, to engineering_supervisor 08:46, met 08:56
        emergency-made-safe 08:42 → 12:42, met 10:00
        dispatched 08:46 → 09:16, met 08:51
        dispatch-accepted:burst 08:51 → 10:51, met 08:51
        progress-every-three-days 08:51 → +3T24:00, met 10:40
        """,
        "FU-4.1.2.3d phone by +3T24:00, done 15:00 on_site by lin",
        """
        08:42 2-202 received
        08:46 he alarm 事项 应急到场 09:12 RC-5.1..2
        """,
    ),
    # 11: the repair of the morning did not hold.
    Case(
        "service_request", "phone", "1-101", "龙头又漏了",
        """
        11:00 received
        11:00 → receipt_confirmed
        11:08 classify work_category=ordinary rework_of={7}
        11:08 link other={7} why=rework
        11:10 dispatch department=eng dispatch_id=again
        11:15 accept-dispatch person_id=he
        11:15 appoint appointment_id=again at=14:00
        14:00 keep-appointment appointment_id=again person_id=he
        14:30 handle person_id=he
        14:30 → followup_owed
        16:00 followup mode=on_site person_id=he satisfied=true
        16:00 → followup_noted
        17:00 close
        """,
        "closed",
        """
        request-confirmed 11:00 → 11:10, met 11:00
        request-appointment 11:00 → 13:00, met 11:15
        request-done 11:00 → +3T24:00, met 14:30
        dispatched 11:08 → 11:38, met 11:10
        dispatch-accepted:again 11:10 → 13:10, to department_head 11:10, met 11:15
        progress-every-three-days 11:10 → +3T24:00, met 14:30
        appointment-kept:again 11:15 → 14:30, warned 13:30, met 14:00
        """,
        "FU-4.1.2.3b on_site by +3T24:00, done 16:00 on_site by he",
        """
        11:00 1-101 received
        11:10 wu alarm 事项 部门接单 13:10 RM-4.6.1、RM-3.3、RC-5.3
        11:15 1-101 appointment 14:00
        """,
    ),
    # 12: somebody without a household asks, and takes it back.
    Case(
        "service_request", "phone", "", "门禁卡失灵",
        """
        08:42 received party=anonymous
        08:42 → receipt_confirmed
        09:30 withdraw asked_by=路人 how=phone person_id=lin confirmed_by=zhou
        """,
        "withdrawn",
        """
        request-confirmed 08:42 → 08:52, met 08:42
        request-appointment 08:42 → 10:42, cancelled by case_withdrawn
        request-done 08:42 → +3T24:00, cancelled by case_withdrawn
        """,
        texts="08:42 passer-by received",
        said={"reporter": {"name": "路人甲", "phone": PASSER_BY}},
    ),
    # 13: texts do not arrive, so that mails go out and somebody calls.
    Case(
        "service_request", "phone", "2-203", "灯不亮",
        """
        08:42 received
        08:46 confirm-receipt how=phone person_id=lin
        08:46 classify work_category=ordinary
        08:51 dispatch department=eng dispatch_id=light
        08:56 accept-dispatch person_id=he
        09:02 appoint appointment_id=light at=11:00
        11:00 keep-appointment appointment_id=light person_id=he
        11:30 handle person_id=he
        15:00 satisfaction score=3
        16:00 close
        """,
        "closed",
        """
        request-confirmed 08:42 → 08:52, met 08:46
        request-appointment 08:42 → 10:42, met 09:02
        request-done 08:42 → +3T24:00, met 11:30
        dispatched 08:46 → 09:16, met 08:51
        dispatch-accepted:light 08:51 → 10:51, to department_head 08:51, met 08:56
        progress-every-three-days 08:51 → +3T24:00, met 11:30
        appointment-kept:light 09:02 → 11:30, warned 10:30, met 11:00
        """,
        "FU-4.1.2.3a phone by +1T24:00",
        """
        08:42 2-203 received
        08:51 wu alarm 事项 部门接单 10:51 RM-4.6.1、RM-3.3、RC-5.3
        09:02 2-203 appointment 11:00
        """,
    ),
    # 14: what cannot be done is refused with its reason.
    Case(
        "service_request", "counter", "3-302", "在楼道加装鞋柜",
        """
        08:42 received
        08:42 → receipt_confirmed
        09:40 refuse reason=楼道是消防通道 person_id=lin approved_by=zhou
        09:40 → case_answered
        """,
        "refused",
        """
        request-confirmed 08:42 → 08:52, met 08:42
        request-appointment 08:42 → 10:42, cancelled by case_refused
        request-done 08:42 → +3T24:00, cancelled by case_refused
        refusal-answered 09:40 → +2T24:00, met 09:40
        """,
        texts="""
        08:42 3-302 received
        09:40 3-302 refused 楼道是消防通道
        """,
    ),
    # 15: it belongs to the other project.
    Case(
        "service_request", "phone", "1-101", "云栖苑的门铃坏了",
        """
        08:51 received
        08:51 → receipt_confirmed
        08:53 classify work_category=ordinary
        08:56 move to_project=yunqi household_id=yunqi-1-101 person_id=lin
        """,
        "moved_out",
        """
        request-confirmed 08:51 → 09:01, met 08:51
        request-appointment 08:51 → 10:51, cancelled by case_moved_out
        request-done 08:51 → +3T24:00, cancelled by case_moved_out
        dispatched 08:53 → 09:23, cancelled by case_moved_out
        """,
        texts="08:51 1-101 received",
    ),
    # 16: a minor complaint, whose result is told by message.
    Case(
        "complaint", "counter", "1-101", "垃圾桶满了没人清",
        """
        08:51 received received_by=lin
        08:51 → case_assigned
        08:55 classify validity=valid severity=minor person_id=lin
        09:00 accept role=cs_supervisor person_id=zhou
        09:06 dispatch department=环境部 dispatch_id=bin
        09:11 accept-dispatch person_id=wu
        10:00 report-progress department=env person_id=wu
        11:00 handle person_id=wu corrective=已清运 preventive=每日巡查两次
        11:00 submit-record person_id=wu
        11:10 message-owner about=result text=垃圾已清运，今后每日巡查两次
        11:10 → result_told
        15:00 close ✗ RM-4.6.4a
        15:00 followup mode=phone person_id=lin satisfied=true
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        triage 08:51 → 09:21, met 08:55
        minor-to-supervisor 08:55 → 10:55, to cs_supervisor 08:55, met 09:00
        minor-resolve 08:51 → +2T24:00, met 11:00
        month-resolve 08:51 → a month, met 11:00
        dispatched 08:55 → 09:25, met 09:06
        dispatch-accepted:bin 09:06 → 11:06, to department_head 09:06, met 09:11
        progress-every-three-days 09:06 → +3T24:00, met 10:00
        progress-every-three-days.2 10:00 → +3T24:00, met 11:00
        record-submitted 11:00 → 24:00, met 11:00
        result-told 11:00 → 24:00, met 11:10
        """,
        "RM-4.6.4a phone by +3T24:00, done 15:00 phone by lin",
        """
        08:55 zhou alarm 轻微投诉 转客服部主管 10:55 RM-3.2
        09:06 wu alarm 轻微投诉 部门接单 11:06 RM-4.6.1、RM-3.3、RC-5.3
        11:10 1-101 result 垃圾已清运，今后每日巡查两次
        """,
    ),
    # 17: the owner asks again, twice.
    Case(
        "complaint", "phone", "1-102", "楼道没人扫",
        """
        08:51 received topic=cleaning
        08:56 classify validity=valid severity=minor
        09:06 dispatch department=env dispatch_id=broom
        09:11 accept-dispatch person_id=wu
        09:30 chase demand=什么时候来
        09:40 accept role=cs_supervisor person_id=zhou
        10:24 chase channel=app demand=还没有人来
        11:00 suggestion times=2 severity=major
        11:30 handle person_id=wu corrective=已清扫 preventive=调整班次
        11:30 submit-record person_id=wu
        11:30 tell-result how=phone
        15:00 followup mode=phone person_id=lin satisfied=true
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        triage 08:51 → 09:21, met 08:56
        minor-to-supervisor 08:56 → 10:56, to cs_supervisor 08:56, met 09:40
        minor-resolve 08:51 → +2T24:00, met 11:30
        month-resolve 08:51 → a month, met 11:30
        dispatched 08:56 → 09:26, met 09:06
        dispatch-accepted:broom 09:06 → 11:06, to department_head 09:06, met 09:11
        progress-every-three-days 09:06 → +3T24:00, met 11:30
        record-submitted 11:30 → 24:00, met 11:30
        result-told 11:30 → 24:00, met 11:30
        chased-again 10:24 → 14:24, to cs_supervisor 10:24, met 11:30
        """,
        "RM-4.6.4a phone by +3T24:00, done 15:00 phone by lin",
        """
        08:56 zhou alarm 轻微投诉 转客服部主管 10:56 RM-3.2
        09:06 wu alarm 轻微投诉 部门接单 11:06 RM-4.6.1、RM-3.3、RC-5.3
        10:24 zhou alarm 轻微投诉 回应再次催办 14:24 RM-3.4、RM-4.4.1a
        """,
    ),
    # 18: the owner names a later day; put right on the spot.
    Case(
        "complaint", "app", "2-201", "The lobby light flickers",
        """
        08:51 received owner_requested_date=+4T18:00
        08:59 classify validity=valid severity=minor
        09:11 handle person_id=lin corrective=灯管已换 preventive=每周检查
        09:11 submit-record person_id=lin
        09:11 tell-result how=in_person
        15:00 followup mode=phone person_id=lin satisfied=true
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        triage 08:51 → 09:21, met 08:59
        minor-to-supervisor 08:59 → 10:59, to cs_supervisor 08:59, cancelled by case_handled
        minor-resolve 08:51 → +4T18:00, met 09:11
        month-resolve 08:51 → a month, met 09:11
        dispatched 08:59 → 09:29, cancelled by case_handled
        record-submitted 09:11 → 24:00, met 09:11
        result-told 09:11 → 24:00, met 09:11
        """,
        "RM-4.6.4a phone by +3T24:00, done 15:00 phone by lin",
        "08:59 zhou alarm 轻微投诉 转客服部主管 10:59 RM-3.2",
    ),
    # 19: a post, by nobody knows whom.
    Case(
        "complaint", "forum", "", "保安不巡逻",
        """
        08:51 received party=anonymous posted_at=08:24
        09:00 classify validity=valid severity=minor
        09:11 acknowledge text=已安排巡逻 link=https://bbs.example.cn/t/1
        09:20 handle person_id=lin corrective=已补巡 preventive=巡更打卡
        09:20 submit-record person_id=lin
        09:20 tell-result how=letter
        15:00 followup mode=other person_id=lin
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        triage 08:51 → 09:21, met 09:00
        forum-post-acknowledged 08:24 → 10:24, met 09:11
        minor-to-supervisor 09:00 → 11:00, to cs_supervisor 09:00, cancelled by case_handled
        minor-resolve 08:51 → +2T24:00, met 09:20
        month-resolve 08:51 → a month, met 09:20
        dispatched 09:00 → 09:30, cancelled by case_handled
        record-submitted 09:20 → 24:00, met 09:20
        result-told 09:20 → 24:00, met 09:20
        """,
        "RM-4.6.4a phone by +3T24:00, done 15:00 other by lin",
        "09:00 zhou alarm 轻微投诉 转客服部主管 11:00 RM-3.2",
    ),
    # 20: a letter, answered by a letter that is put to the case.
    Case(
        "complaint", "letter", "3-301", "来信：信箱锁坏了",
        """
        08:56 received
        09:02 classify validity=valid severity=minor
        09:20 handle person_id=lin corrective=已换锁 preventive=季度检查
        09:20 submit-record person_id=lin
        10:00 attach kind=letter person_id=lin
        10:00 tell-result how=letter
        15:00 followup mode=letter person_id=lin satisfied=true
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        triage 08:56 → 09:26, met 09:02
        minor-to-supervisor 09:02 → 11:02, to cs_supervisor 09:02, cancelled by case_handled
        minor-resolve 08:56 → +2T24:00, met 09:20
        month-resolve 08:56 → a month, met 09:20
        dispatched 09:02 → 09:32, cancelled by case_handled
        record-submitted 09:20 → 24:00, met 09:20
        result-told 09:20 → 24:00, met 10:00
        """,
        "RM-4.6.4a phone by +3T24:00, done 15:00 letter by lin",
        "09:02 zhou alarm 轻微投诉 转客服部主管 11:02 RM-3.2",
    ),
    # 21: two departments refuse it; the manager decides.
    Case(
        "complaint", "phone", "3-302", "车库积水",
        """
        08:56 received
        09:06 classify validity=valid severity=minor
        09:11 dispatch department=env dispatch_id=first
        09:16 refuse-dispatch reason=属于工程部 person_id=wu
        09:20 dispatch department=eng dispatch_id=second
        09:30 refuse-dispatch reason=属于环境部 person_id=he
        09:40 accept role=centre_manager person_id=chen
        09:40 dispatch department=env dispatch_id=third
        09:50 accept-dispatch person_id=wu
        13:00 handle person_id=wu corrective=已排水 preventive=加装水泵
        13:00 submit-record person_id=wu
        13:00 tell-result how=phone
        15:00 followup mode=phone person_id=lin satisfied=true
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        triage 08:56 → 09:26, met 09:06
        minor-to-supervisor 09:06 → 11:06, to cs_supervisor 09:06, met 09:40
        minor-resolve 08:56 → +2T24:00, met 13:00
        month-resolve 08:56 → a month, met 13:00
        dispatched 09:06 → 09:36, met 09:11
        dispatched.2 09:16 → 09:46, met 09:20
        dispatch-accepted:first 09:11 → 11:11, to department_head 09:11, cancelled by dispatch_refused
        dispatch-accepted:second 09:20 → 11:20, to department_head 09:20, cancelled by dispatch_refused
        dispatch-decided 09:30 → 11:30, to centre_manager 09:30, met 09:40
        dispatch-accepted:third 09:40 → 11:40, to department_head 09:40, met 09:50
        progress-every-three-days 09:11 → +3T24:00, met 13:00
        record-submitted 13:00 → 24:00, met 13:00
        result-told 13:00 → 24:00, met 13:00
        """,
        "RM-4.6.4a phone by +3T24:00, done 15:00 phone by lin",
        """
        09:06 zhou alarm 轻微投诉 转客服部主管 11:06 RM-3.2
        09:11 wu alarm 轻微投诉 部门接单 11:11 RM-4.6.1、RM-3.3、RC-5.3
        09:20 wu alarm 轻微投诉 部门接单 11:20 RM-4.6.1、RM-3.3、RC-5.3
        09:30 chen alarm 轻微投诉 裁定责任部门 11:30 RM-4.6.1
        09:40 wu alarm 轻微投诉 部门接单 11:40 RM-4.6.1、RM-3.3、RC-5.3
        """,
    ),
    # 22: the owner wants to see a superior before anything is written down.
    Case(
        "complaint", "counter", "2-202", "要见主管",
        """
        08:59 received
        09:02 call-manager person_id=lin
        09:06 accept role=cs_supervisor person_id=zhou
        09:11 classify validity=valid severity=minor
        09:20 handle person_id=lin corrective=已道歉 preventive=加强培训
        09:20 submit-record person_id=lin
        09:20 tell-result how=in_person
        15:00 followup mode=on_site person_id=zhou satisfied=true
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        triage 08:59 → 09:29, met 09:11
        manager-comes 09:02 → 09:12, to cs_supervisor 09:02, met 09:06
        minor-to-supervisor 09:11 → 11:11, met 09:11
        minor-resolve 08:59 → +2T24:00, met 09:20
        month-resolve 08:59 → a month, met 09:20
        dispatched 09:11 → 09:41, cancelled by case_handled
        record-submitted 09:20 → 24:00, met 09:20
        result-told 09:20 → 24:00, met 09:20
        """,
        "RM-4.6.4a phone by +3T24:00, done 15:00 on_site by zhou",
        "09:02 zhou alarm 事项 主管出面 09:12 RM-4.5.1b",
    ),
    # 23: an important one that is given to the wrong department at first, and waits for the manager
    # for more than its hour.
    Case(
        "complaint", "phone", "3-301", "门禁三天没修好",
        """
        09:06 received
        09:11 classify validity=valid severity=important
        09:16 dispatch department=env dispatch_id=astray
        09:20 dispatch department=eng dispatch_id=gate
        09:30 accept-dispatch person_id=he
        10:06 → breach_noted
        10:20 accept role=centre_manager person_id=chen
        14:00 handle person_id=he corrective=更换读卡器 preventive=每月巡检
        14:00 submit-record person_id=he
        14:00 tell-result how=in_person
        16:00 followup mode=on_site person_id=zhou satisfied=true
        16:00 → followup_noted
        17:00 close
        """,
        "closed",
        """
        triage 09:06 → 09:36, met 09:11
        important-to-manager 09:06 → 10:06, to centre_manager 09:11, warned 09:51, breached 10:06, to centre_manager 10:06, met 10:20 late
        important-resolve 09:06 → +3T24:00, met 14:00
        month-resolve 09:06 → a month, met 14:00
        dispatched 09:11 → 09:41, met 09:16
        dispatch-accepted:astray 09:16 → 11:16, to department_head 09:16, cancelled by case_dispatched
        dispatch-accepted:gate 09:20 → 11:20, to department_head 09:20, met 09:30
        progress-daily 09:16 → +1T24:00, met 14:00
        record-submitted 14:00 → 24:00, met 14:00
        result-told 14:00 → 24:00, met 14:00
        """,
        "RM-4.6.4a phone by +3T24:00, done 16:00 on_site by zhou",
        """
        09:11 chen alarm 重要投诉 转呈主管经理 10:06 RM-4.5.2b
        09:16 wu alarm 重要投诉 部门接单 11:16 RM-4.6.1、RM-3.3、RC-5.3
        09:20 wu alarm 重要投诉 部门接单 11:20 RM-4.6.1、RM-3.3、RC-5.3
        10:06 chen escalation 重要投诉 转呈主管经理 10:06 RM-4.5.2b
        """,
    ),
    # 24: an important one with a promise; its record is handed in only the next morning.
    Case(
        "complaint", "phone", "1-101", "路灯不亮摔了一跤",
        """
        09:11 received
        09:16 classify validity=valid severity=important
        09:20 accept role=centre_manager person_id=chen
        09:20 dispatch department=eng dispatch_id=lamp
        09:30 accept-dispatch person_id=he
        10:00 promise promise_id=lamp promised_at=16:00 what=今天修好
        10:20 propose text=更换灯头
        10:20 start-work person_id=he ✗ RC-4.3
        10:20 message-owner about=solution text=今天更换灯头
        10:20 → owner_informed
        10:30 start-work person_id=he
        15:00 keep-promise promise_id=lamp
        15:00 handle person_id=he corrective=已更换 preventive=每周夜巡
        24:00 → breach_noted
        +1T09:00 submit-record person_id=he
        +1T09:00 tell-result how=phone
        +1T10:00 followup mode=phone person_id=lin satisfied=true
        +1T10:00 → followup_noted
        +1T10:01 close
        """,
        "closed",
        """
        triage 09:11 → 09:41, met 09:16
        important-to-manager 09:11 → 10:11, to centre_manager 09:16, met 09:20
        important-resolve 09:11 → +3T24:00, met 15:00
        month-resolve 09:11 → a month, met 15:00
        dispatched 09:16 → 09:46, met 09:20
        dispatch-accepted:lamp 09:20 → 11:20, to department_head 09:20, met 09:30
        progress-daily 09:20 → +1T24:00, met 15:00
        promise-kept:lamp 10:00 → 16:00, warned 12:00, met 15:00
        record-submitted 15:00 → 24:00, breached 24:00, to department_head 24:00, met +1T09:00 late
        result-told +1T09:00 → +1T24:00, met +1T09:00
        """,
        "RM-4.6.4a phone by +3T24:00, done +1T10:00 phone by lin",
        """
        09:16 chen alarm 重要投诉 转呈主管经理 10:11 RM-4.5.2b
        09:20 wu alarm 重要投诉 部门接单 11:20 RM-4.6.1、RM-3.3、RC-5.3
        10:20 1-101 notice 今天更换灯头
        """,
    ),
    # 25: it waits for its owner, who comes back sooner.
    Case(
        "complaint", "phone", "1-102", "墙面起皮",
        """
        09:11 received
        09:16 classify validity=valid severity=minor
        09:20 dispatch department=eng dispatch_id=wall
        09:30 accept-dispatch person_id=he
        09:40 accept role=cs_supervisor person_id=zhou
        10:00 pause resume_on=+1T10:00 because=owner_asked
        13:00 resume
        13:30 handle person_id=he corrective=已修补 preventive=防潮处理
        13:30 submit-record person_id=he
        13:30 tell-result how=phone
        16:00 followup mode=phone person_id=lin satisfied=true
        16:00 → followup_noted
        17:00 close
        """,
        "closed",
        """
        triage 09:11 → 09:41, met 09:16
        minor-to-supervisor 09:16 → 11:16, to cs_supervisor 09:16, met 09:40
        minor-resolve 09:11 → +2T24:00, moved to +3T24:00, paused, moved to +2T24:00, resumed 13:00, met 13:30
        month-resolve 09:11 → a month, met 13:30
        dispatched 09:16 → 09:46, met 09:20
        dispatch-accepted:wall 09:20 → 11:20, to department_head 09:20, met 09:30
        progress-every-three-days 09:20 → +3T24:00, moved to +4T24:00, paused, moved to +3T24:00, resumed 13:00, met 13:30
        record-submitted 13:30 → 24:00, met 13:30
        result-told 13:30 → 24:00, met 13:30
        """,
        "RM-4.6.4a phone by +3T24:00, done 16:00 phone by lin",
        """
        09:16 zhou alarm 轻微投诉 转客服部主管 11:16 RM-3.2
        09:20 wu alarm 轻微投诉 部门接单 11:20 RM-4.6.1、RM-3.3、RC-5.3
        """,
    ),
    # 26: nobody can be reached twice; it waits a day, and goes on by itself.
    Case(
        "complaint", "phone", "2-203", "楼上太吵",
        """
        09:16 received
        09:20 classify validity=valid severity=minor
        09:30 dispatch department=env dispatch_id=noise
        09:40 accept-dispatch person_id=wu
        09:40 accept role=cs_supervisor person_id=zhou
        10:00 fail-contact
        11:00 fail-contact
        11:00 pause resume_on=+1T09:00 because=not_reached
        +1T09:00 → case_resumed
        +1T10:00 handle person_id=wu corrective=已劝导 preventive=张贴公约
        +1T10:00 submit-record person_id=wu
        +1T10:00 tell-result how=phone
        +1T15:00 followup mode=phone person_id=lin satisfied=true
        +1T15:00 → followup_noted
        +1T15:01 close
        """,
        "closed",
        """
        triage 09:16 → 09:46, met 09:20
        minor-to-supervisor 09:20 → 11:20, to cs_supervisor 09:20, met 09:40
        minor-resolve 09:16 → +2T24:00, moved to +3T24:00, paused, resumed +1T09:00, met +1T10:00
        month-resolve 09:16 → a month, met +1T10:00
        dispatched 09:20 → 09:50, met 09:30
        dispatch-accepted:noise 09:30 → 11:30, to department_head 09:30, met 09:40
        progress-every-three-days 09:30 → +3T24:00, moved to +4T24:00, paused, resumed +1T09:00, met +1T10:00
        wait-ended +1T09:00 → +1T13:00, to cs_supervisor +1T09:00, met +1T10:00
        record-submitted +1T10:00 → +1T24:00, met +1T10:00
        result-told +1T10:00 → +1T24:00, met +1T10:00
        """,
        "RM-4.6.4a phone by +4T24:00, done +1T15:00 phone by lin",
        """
        09:20 zhou alarm 轻微投诉 转客服部主管 11:20 RM-3.2
        09:30 wu alarm 轻微投诉 部门接单 11:30 RM-4.6.1、RM-3.3、RC-5.3
        +1T09:00 zhou alarm 轻微投诉 等待期满后的跟进 +1T13:00 RM-3.4
        """,
    ),
    # 27 and 28: two of one flat say the same; one case goes on for both.
    Case(
        "complaint", "phone", "3-302", "电梯按键不灵",
        """
        09:16 received
        09:30 classify validity=valid severity=minor
        09:30 dispatch department=eng dispatch_id=button
        09:36 → case_absorbed
        09:40 accept-dispatch person_id=he
        09:40 accept role=cs_supervisor person_id=zhou
        11:00 handle person_id=he corrective=已换按键 preventive=每月保养
        11:00 submit-record person_id=he
        11:00 tell-result how=phone
        15:00 followup mode=phone person_id=lin satisfied=true
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        triage 09:16 → 09:46, met 09:30
        minor-to-supervisor 09:30 → 11:30, to cs_supervisor 09:30, met 09:40
        minor-resolve 09:16 → +2T24:00, met 11:00
        month-resolve 09:16 → a month, met 11:00
        dispatched 09:30 → 10:00, met 09:30
        dispatch-accepted:button 09:30 → 11:30, to department_head 09:30, met 09:40
        progress-every-three-days 09:30 → +3T24:00, met 11:00
        record-submitted 11:00 → 24:00, met 11:00
        result-told 11:00 → 24:00, met 11:00
        """,
        "RM-4.6.4a phone by +3T24:00, done 15:00 phone by lin",
        """
        09:30 zhou alarm 轻微投诉 转客服部主管 11:30 RM-3.2
        09:30 wu alarm 轻微投诉 部门接单 11:30 RM-4.6.1、RM-3.3、RC-5.3
        """,
    ),
    Case(
        "complaint", "app", "3-302", "电梯三楼按键坏",
        """
        09:20 received
        09:26 classify validity=valid severity=minor
        09:36 merge into={27} person_id=lin
        """,
        "merged",
        """
        triage 09:20 → 09:50, met 09:26
        minor-to-supervisor 09:26 → 11:26, to cs_supervisor 09:26, cancelled by case_merged, cs_supervisor told of 00026
        minor-resolve 09:20 → +2T24:00, cancelled by case_merged
        month-resolve 09:20 → a month, cancelled by case_merged
        dispatched 09:26 → 09:56, cancelled by case_merged
        """,
        texts="""
        09:26 zhou alarm 轻微投诉 转客服部主管 11:26 RM-3.2
        09:36 zhou merged 轻微投诉 转客服部主管 11:26 RM-3.2 {27}
        """,
    ),
    # 29: the neighbour's building works: a coordination matter, still open.
    Case(
        "complaint", "phone", "2-202", "邻居夜里施工",
        """
        09:20 received
        09:30 classify validity=coordination ground=a outside_party=施工单位
        10:00 forward outside_party=施工单位 person_id=lin
        10:30 answer decision=partly by_date=+5T18:00 reasons=需对方配合
        11:00 inform about=progress how=phone
        """,
        "open",
        """
        triage 09:20 → 09:50, met 09:30
        outside-party-contacted 09:20 → +2T24:00, met 10:00
        reasoned-answer 09:20 → +2T24:00, met 10:30
        coordination-progress 09:20 → +7T24:00, met 11:00
        coordination-progress.2 11:00 → +7T24:00
        """,
    ),
    # 30: an excessive demand, answered with reasons and refused.
    Case(
        "complaint", "counter", "3-302", "要求免费加装电梯",
        """
        09:20 received
        09:30 classify validity=excessive ground=a
        09:50 answer decision=will_not reasons=原设计没有
        10:00 refuse reason=原设计没有的设施 person_id=lin approved_by=zhou
        10:00 → case_answered
        """,
        "refused",
        """
        triage 09:20 → 09:50, met 09:30
        reasoned-answer 09:20 → +2T24:00, met 09:50
        """,
        texts="10:00 3-302 refused 原设计没有的设施",
    ),
    # 31: taken for valid, it proves not to be ours; its two days run on until its owner knows (RM-4.8).
    Case(
        "complaint", "phone", "1-102", "要求代收快递",
        """
        09:30 received
        09:36 classify validity=valid severity=minor
        09:50 classify validity=excessive ground=c reason=合同没有代收一项 person_id=lin confirmed_by=zhou
        10:30 refuse reason=合同以外的项目 person_id=lin approved_by=zhou
        10:30 → case_answered
        """,
        "refused",
        """
        triage 09:30 → 10:00, met 09:36
        minor-to-supervisor 09:36 → 11:36, to cs_supervisor 09:36, cancelled by case_refused
        minor-resolve 09:30 → +2T24:00, cancelled by case_refused
        month-resolve 09:30 → a month, cancelled by no_longer_applies
        dispatched 09:36 → 10:06, cancelled by no_longer_applies
        reasoned-answer 09:30 → +2T24:00, met 10:30
        """,
        texts="""
        09:36 zhou alarm 轻微投诉 转客服部主管 11:36 RM-3.2
        10:30 1-102 refused 合同以外的项目
        """,
    ),
    # 32: a major one, with somebody injured.
    Case(
        "complaint", "counter", "2-201", "A loose tile injured my son",
        """
        09:36 received injury=true
        09:40 classify validity=valid severity=major
        09:50 accept role=centre_manager person_id=chen
        09:50 dispatch department=eng dispatch_id=tile
        10:00 accept-dispatch person_id=he
        10:00 accept role=company_leader person_id=tang
        10:30 answer decision=will by_date=+3T18:00
        10:30 propose text=拆除并重铺
        10:30 inform about=solution how=in_person
        11:00 start-work person_id=he
        15:00 handle person_id=he corrective=已重铺 preventive=全面排查
        15:00 submit-record person_id=he
        15:00 tell-result how=in_person
        16:00 followup mode=on_site person_id=chen satisfied=true
        16:00 → followup_noted
        17:00 close
        """,
        "closed",
        """
        triage 09:36 → 10:06, met 09:40
        weighty-to-leader 09:36 → 24:00, to company_leader 09:36, met 10:00
        major-to-leader 09:36 → 24:00, to company_leader 09:40, met 10:00
        important-to-manager 09:36 → 10:36, to centre_manager 09:40, met 09:50
        major-answer 09:36 → +2T24:00, met 10:30
        major-resolve 09:36 → +10T24:00, met 15:00
        month-resolve 09:36 → a month, met 15:00
        dispatched 09:40 → 10:10, met 09:50
        dispatch-accepted:tile 09:50 → 11:50, to department_head 09:50, met 10:00
        progress-daily 09:50 → +1T24:00, met 15:00
        record-submitted 15:00 → 24:00, met 15:00
        result-told 15:00 → 24:00, met 15:00
        """,
        "FU-4.1.2.2a on_site by +3T24:00, done 16:00 on_site by chen",
        """
        09:36 tang alarm-en case "report to the company leader" 24:00 RM-3.1
        09:40 chen alarm 重大投诉 转呈主管经理 10:36 RM-4.5.2b
        09:40 tang alarm-en "major complaint" "handover to the company leader" 24:00 RM-4.5.2a
        09:50 wu alarm 重大投诉 部门接单 11:50 RM-4.6.1、RM-3.3、RC-5.3
        """,
    ),
    # 33: water runs while the owner speaks. The head of the department handled it, so that the next
    # above is told that its record is missing.
    Case(
        "complaint", "hotline", "3-301", "地下室正在进水",
        """
        09:40 received harm_ongoing=true
        09:50 take-measures measures=关闭总阀 person_id=he
        10:00 classify validity=valid severity=important
        10:20 accept role=centre_manager person_id=chen
        10:20 dispatch department=env dispatch_id=pump
        10:20 accept-dispatch person_id=wu
        11:30 handle person_id=wu corrective=已堵漏 preventive=更换阀门
        15:00 followup mode=phone person_id=lin satisfied=true
        15:00 → followup_noted
        24:00 → breach_noted
        +1T09:00 submit-record person_id=wu
        +1T09:00 tell-result how=phone
        +1T10:01 close
        """,
        "closed",
        """
        harm-stopped 09:40 → 10:10, to centre_manager 09:40, met 09:50
        triage-after-harm 09:50 → 10:20, met 10:00
        important-to-manager 09:40 → 10:40, to centre_manager 10:00, met 10:20
        important-resolve 09:40 → +3T24:00, met 11:30
        month-resolve 09:40 → a month, met 11:30
        dispatched 10:00 → 10:30, met 10:20
        dispatch-accepted:pump 10:20 → 12:20, met 10:20
        progress-daily 10:20 → +1T24:00, met 11:30
        record-submitted 11:30 → 24:00, breached 24:00, to department_head 24:00, met +1T09:00 late
        result-told +1T09:00 → +1T24:00, met +1T09:00
        """,
        "RM-4.6.4a phone by +3T24:00, done 15:00 phone by lin",
        """
        09:40 chen alarm 事项 立即制止损害 10:10 RM-4.9
        10:00 chen alarm 重要投诉 转呈主管经理 10:40 RM-4.5.2b
        +1T08:30 chen escalation 重要投诉 提交处理记录 24:00 RM-4.6.2a、RM-4.6.2b
        """,
    ),
    # 34: the owner is not satisfied: it is reopened, and handled once more.
    Case(
        "complaint", "phone", "2-202", "下水道返味",
        """
        09:40 received
        09:46 classify validity=valid severity=minor
        09:50 accept role=cs_supervisor person_id=zhou
        10:00 handle person_id=lin corrective=已除味 preventive=定期除味
        10:00 submit-record person_id=lin
        10:00 tell-result how=phone
        11:00 followup mode=phone person_id=lin satisfied=false
        11:00 → case_reopened
        11:00 → followup_noted
        11:10 dispatch department=eng dispatch_id=drain
        11:15 accept-dispatch person_id=he
        15:00 handle person_id=he corrective=加装存水弯 preventive=每季检查
        15:00 submit-record person_id=he
        15:00 tell-result how=in_person
        16:00 followup mode=on_site person_id=zhou satisfied=true
        16:00 → followup_noted
        17:00 close
        """,
        "closed",
        """
        triage 09:40 → 10:10, met 09:46
        minor-to-supervisor 09:46 → 11:46, to cs_supervisor 09:46, met 09:50
        minor-resolve 09:40 → +2T24:00, met 10:00
        minor-resolve#2 11:00 → +2T24:00, met 15:00
        month-resolve 09:40 → a month, met 10:00
        month-resolve#2 09:40 → a month, met 15:00
        dispatched 09:46 → 10:16, cancelled by case_handled
        dispatched#2 11:00 → 11:30, met 11:10
        dispatch-accepted#2:drain 11:10 → 13:10, to department_head 11:10, met 11:15
        progress-every-three-days#2 11:10 → +3T24:00, met 15:00
        record-submitted 10:00 → 24:00, met 10:00
        record-submitted#2 15:00 → 24:00, met 15:00
        result-told 10:00 → 24:00, met 10:00
        result-told#2 15:00 → 24:00, met 15:00
        """,
        """
        RM-4.6.4a phone by +3T24:00, done 11:00 phone by lin unsatisfied
        RM-4.6.4a phone by +3T24:00, done 16:00 on_site by zhou
        """,
        """
        09:46 zhou alarm 轻微投诉 转客服部主管 11:46 RM-3.2
        11:10 wu alarm 轻微投诉 部门接单 13:10 RM-4.6.1、RM-3.3、RC-5.3
        """,
    ),
    # 35: a paper form, two days late: the supervisor is told when it is typed in, and nobody above
    # before they could have answered. More time is asked for and approved.
    Case(
        "complaint", "counter", "3-301", "纸质单：草坪长期不修剪",
        """
        10:00 received occurred_at=-2T09:00
        -2T09:30 → breach_noted
        10:10 classify validity=valid severity=minor
        10:10 dispatch department=env dispatch_id=lawn
        10:20 accept-dispatch person_id=wu
        10:20 accept role=cs_supervisor person_id=zhou
        13:00 ask-for-more-time clock=minor-resolve#1 until=+2T18:00 reason=等待割草机 asked_by=zhou
        13:30 approve-more-time person_id=chen role=centre_manager
        13:30 → extension_noted
        13:30 → owner_informed
        13:30 → promise_made
        +1T10:00 → promise_kept
        +1T10:00 handle person_id=wu corrective=已修剪 preventive=每月修剪
        +1T10:00 submit-record person_id=wu
        +1T10:00 tell-result how=phone
        +1T15:00 followup mode=phone person_id=lin satisfied=true
        +1T15:00 → followup_noted
        +1T15:01 close
        """,
        "closed",
        """
        triage -2T09:00 → -2T09:30, warned -2T09:20, breached -2T09:30, to cs_supervisor 10:00, met 10:10 late
        minor-to-supervisor 10:10 → 12:10, to cs_supervisor 10:10, met 10:20
        minor-resolve -2T09:00 → 24:00, asked until +2T18:00 by zhou, to centre_manager 13:00 requested, approved by chen, centre_manager asked no longer, moved to +2T18:00, met +1T10:00 with approval
        month-resolve -2T09:00 → a month, met +1T10:00
        promise-kept:handled-1 13:30 → +2T18:00, met +1T10:00
        dispatched 10:10 → 10:40, met 10:10
        dispatch-accepted:lawn 10:10 → 12:10, to department_head 10:10, met 10:20
        progress-every-three-days 10:10 → +3T24:00, met +1T10:00
        record-submitted +1T10:00 → +1T24:00, met +1T10:00
        result-told +1T10:00 → +1T24:00, met +1T10:00
        """,
        "RM-4.6.4a phone by +4T24:00, done +1T15:00 phone by lin",
        """
        10:00 zhou escalation 事项 投诉分类 -2T09:30 RM-3.4、RC-4.2
        10:10 zhou alarm 轻微投诉 转客服部主管 12:10 RM-3.2
        10:10 wu alarm 轻微投诉 部门接单 12:10 RM-4.6.1、RM-3.3、RC-5.3
        13:00 chen requested 轻微投诉 处理完成 17:00 24:00 RM-4.5.2c、RM-4.10.1
        13:30 3-301 new-date +2T18:00
        """,
    ),
    # 36: more time is asked for and refused; it is done in time after all.
    Case(
        "complaint", "email", "3-302", "晾衣架生锈",
        """
        10:20 received
        10:30 classify validity=valid severity=minor
        10:30 dispatch department=eng dispatch_id=rack
        10:40 accept-dispatch person_id=he
        10:40 accept role=cs_supervisor person_id=zhou
        13:15 ask-for-more-time clock=minor-resolve#1 until=+5T18:00 reason=等待配件 asked_by=zhou
        13:30 refuse-more-time person_id=chen role=centre_manager
        +1T10:00 handle person_id=he corrective=已更换 preventive=改用不锈钢
        +1T10:00 submit-record person_id=he
        +1T10:00 tell-result how=phone
        +1T15:00 followup mode=phone person_id=lin satisfied=true
        +1T15:00 → followup_noted
        +1T15:01 close
        """,
        "closed",
        """
        triage 10:20 → 10:50, met 10:30
        minor-to-supervisor 10:30 → 12:30, to cs_supervisor 10:30, met 10:40
        minor-resolve 10:20 → +2T24:00, asked until +5T18:00 by zhou, to centre_manager 13:15 requested, refused by chen, centre_manager asked no longer, met +1T10:00
        month-resolve 10:20 → a month, met +1T10:00
        dispatched 10:30 → 11:00, met 10:30
        dispatch-accepted:rack 10:30 → 12:30, to department_head 10:30, met 10:40
        progress-every-three-days 10:30 → +3T24:00, met +1T10:00
        record-submitted +1T10:00 → +1T24:00, met +1T10:00
        result-told +1T10:00 → +1T24:00, met +1T10:00
        """,
        "RM-4.6.4a phone by +4T24:00, done +1T15:00 phone by lin",
        """
        10:30 zhou alarm 轻微投诉 转客服部主管 12:30 RM-3.2
        10:30 wu alarm 轻微投诉 部门接单 12:30 RM-4.6.1、RM-3.3、RC-5.3
        13:15 chen requested 轻微投诉 处理完成 17:15 +2T24:00 RM-4.5.2c、RM-4.10.1
        """,
    ),
    # 37: a complaint that its owner takes back.
    Case(
        "complaint", "phone", "1-102", "保洁员态度不好",
        """
        10:30 received
        10:36 classify validity=valid severity=minor
        10:40 withdraw asked_by=李强 how=phone person_id=lin confirmed_by=zhou
        """,
        "withdrawn",
        """
        triage 10:30 → 11:00, met 10:36
        minor-to-supervisor 10:36 → 12:36, to cs_supervisor 10:36, cancelled by case_withdrawn
        minor-resolve 10:30 → +2T24:00, cancelled by case_withdrawn
        month-resolve 10:30 → a month, cancelled by case_withdrawn
        dispatched 10:36 → 11:06, cancelled by case_withdrawn
        """,
        texts="10:36 zhou alarm 轻微投诉 转客服部主管 12:36 RM-3.2",
    ),
    # 38: the city's hotline, for six households; its record is still missing at the end.
    Case(
        "complaint", "authority_hotline", "", "广场舞噪音",
        """
        10:40 received households_concerned=6 party=authority
        11:00 classify validity=valid severity=important
        11:00 accept role=company_leader person_id=tang
        11:10 dispatch department=env dispatch_id=square
        11:15 accept-dispatch person_id=wu
        17:00 handle person_id=lin corrective=已约定时段 preventive=安装分贝仪
        24:00 → breach_noted
        +1T10:00 followup mode=on_site person_id=zhou satisfied=true
        +1T10:00 → followup_noted
        +1T13:00 acknowledge-escalation person_id=chen
        """,
        "handled",
        """
        triage 10:40 → 11:10, met 11:00
        weighty-to-leader 10:40 → 24:00, to company_leader 10:40, met 11:00
        important-to-manager 10:40 → 11:40, to centre_manager 11:00, met 11:00
        important-resolve 10:40 → +3T24:00, met 17:00
        month-resolve 10:40 → a month, met 17:00
        dispatched 11:00 → 11:30, met 11:10
        dispatch-accepted:square 11:10 → 13:10, to department_head 11:10, met 11:15
        progress-daily 11:10 → +1T24:00, met 17:00
        record-submitted 17:00 → 24:00, breached 24:00, to department_head 24:00, to deputy_manager +1T12:30 unacknowledged, acknowledged by chen, acknowledged by chen
        """,
        "RM-4.6.4a phone by +3T24:00, done +1T10:00 on_site by zhou",
        """
        10:40 tang alarm-en case "report to the company leader" 24:00 RM-3.1
        11:00 chen alarm 重要投诉 转呈主管经理 11:40 RM-4.5.2b
        11:10 wu alarm 重要投诉 部门接单 13:10 RM-4.6.1、RM-3.3、RC-5.3
        +1T12:30 chen escalation 重要投诉 提交处理记录 24:00 RM-4.6.2a、RM-4.6.2b
        """,
    ),
    # 39: of the resident who is erased the next day.
    Case(
        "complaint", "counter", "3-303", "阳台渗水三次无人过问",
        """
        11:00 received
        11:08 classify validity=valid severity=minor
        11:15 handle person_id=lin corrective=已做防水 preventive=雨后复查
        11:15 submit-record person_id=lin
        11:15 tell-result how=in_person
        15:00 followup mode=phone person_id=lin satisfied=true remark=钟离昧满意
        15:00 → followup_noted
        16:00 close
        """,
        "closed",
        """
        triage 11:00 → 11:30, met 11:08
        minor-to-supervisor 11:08 → 13:08, to cs_supervisor 11:08, cancelled by case_handled
        minor-resolve 11:00 → +2T24:00, met 11:15
        month-resolve 11:00 → a month, met 11:15
        dispatched 11:08 → 11:38, cancelled by case_handled
        record-submitted 11:15 → 24:00, met 11:15
        result-told 11:15 → 24:00, met 11:15
        """,
        "RM-4.6.4a phone by +3T24:00, done 15:00 phone by lin",
        "11:08 zhou alarm 轻微投诉 转客服部主管 13:08 RM-3.2",
        {
            "description": "钟离昧来电，电话13810000303",
            "reporter": {"name": "钟离昧", "phone": "13810000303"},
        },
    ),
    # 40: a major one, ten minutes before midnight: an hour is left for the leader, and what its owner
    # is told in the night is told in the morning.
    Case(
        "complaint", "hotline", "1-102", "消防栓没有水",
        """
        23:50 received
        23:55 classify validity=valid severity=major
        +1T00:10 dispatch department=eng dispatch_id=fire
        +1T00:20 accept role=company_leader person_id=tang
        +1T00:20 message-owner about=progress text=正在抢修，上午答复您
        +1T08:00 → owner_informed
        +1T09:00 accept-dispatch person_id=he
        +1T10:00 answer decision=will by_date=+2T18:00
        +1T13:00 handle person_id=he corrective=已恢复供水 preventive=每周测压
        +1T13:00 submit-record person_id=he
        +1T13:00 tell-result how=in_person
        +1T15:00 followup mode=on_site person_id=zhou satisfied=true
        +1T15:00 → followup_noted
        +1T15:01 close
        """,
        "closed",
        """
        triage 23:50 → +1T00:20, met 23:55
        major-to-leader 23:50 → +1T00:50, to company_leader 23:55, met +1T00:20
        important-to-manager 23:50 → +1T00:50, to centre_manager 23:55, met +1T00:20
        major-answer 23:50 → +2T24:00, met +1T10:00
        major-resolve 23:50 → +10T24:00, met +1T13:00
        month-resolve 23:50 → a month, met +1T13:00
        dispatched 23:55 → +1T00:25, met +1T00:10
        dispatch-accepted:fire +1T00:10 → +1T10:30, to department_head +1T00:10, met +1T09:00
        progress-daily +1T00:10 → +2T24:00, met +1T13:00
        record-submitted +1T13:00 → +1T24:00, met +1T13:00
        result-told +1T13:00 → +1T24:00, met +1T13:00
        """,
        "FU-4.1.2.2a on_site by +4T24:00, done +1T15:00 on_site by zhou",
        """
        23:55 chen alarm 重大投诉 转呈主管经理 +1T00:50 RM-4.5.2b
        23:55 tang alarm-en "major complaint" "handover to the company leader" +1T00:50 RM-4.5.2a
        +1T00:10 wu alarm 重大投诉 部门接单 +1T10:30 RM-4.6.1、RM-3.3、RC-5.3
        +1T08:00 1-102 notice 正在抢修，上午答复您
        """,
    ),
)  # fmt: skip

MOVED = Case(
    "service_request", "phone", "1-101", "云栖苑的门铃坏了",
    """
    08:51 → case_received
    08:51 → receipt_confirmed
    08:53 → case_classified
    08:56 → case_assigned
    09:02 appoint appointment_id=bell at=11:00
    09:11 dispatch department=工程部 dispatch_id=bell
    09:11 accept-dispatch
    11:00 keep-appointment appointment_id=bell
    11:30 handle
    15:00 satisfaction score=5
    16:00 close
    """,
    "closed",
    """
    request-confirmed 08:51 → 09:01, met 08:51
    request-appointment 08:51 → 10:51, met 09:02
    request-done 08:51 → +3T24:00, met 11:30
    dispatched 08:53 → 09:23, met 09:11
    dispatch-accepted:bell 09:11 → 11:11, met 09:11
    progress-every-three-days 09:11 → +3T24:00, met 11:30
    appointment-kept:bell 09:02 → 11:30, warned 10:30, met 11:00
    """,
    "FU-4.1.2.3a phone by +1T24:00",
    """
    08:56 1-101 received
    09:02 1-101 appointment 11:00
    """,
)  # fmt: skip
"""What case 15 is at the other project: received when it was received first."""

BOOK = {f"{{{place}}}": case for place, case in enumerate(CASES, 1)} | {"{15m}": MOVED}

MORNING = (
    "【管家】兰亭苑：您（部门负责人）有2件事项逾期或待处理：lanting-{year}-00023、00037。"
    "详情请见邮件或系统。"
)
"""What the head of the department reads at 08:30 of the two records that are missing."""

# What people read. Of staff's words a mail says the same, under its subject.
WORDS = {
    "alarm": (
        "severity target due rule",
        "【请处理】{number} {project}",
        "{project}：{severity}{number}的“{target}”请您（{role}）处理，须于{due}前完成。依据{rule}。",
    ),
    "alarm-en": (
        "severity target due rule",
        "[Please act] {number} {project}",
        '{project}: "{target}" of {severity} {number} is with you ({role}), due by {due}. Rule {rule}.',
    ),
    "requested": (
        "severity target decide_by due rule",
        "【延期请批】{number} {project}",
        "{project}：{severity}{number}的“{target}”申请延期，请您（{role}）于{decide_by}前决定；"
        "原期限{due}。依据{rule}。",
    ),
    "merged": (
        "severity target due rule into",
        "【并案】{number} {project}",
        "{project}：{number}与{into}为同一事项，已并入后者继续处理，"
        "“{target}”请在{into}下跟进。依据{rule}。",
    ),
    "escalation": (
        "severity target due rule",
        "【升级】{number} {project}",
        "{project}：{severity}{number}的“{target}”应于{due}前完成，现已逾期，"
        "升级到您（{role}）处理。依据{rule}。",
    ),
    "received": (
        "",
        "已受理：{number}",
        "您好，您在{project}的报事“{summary}”已受理，编号{number}。",
    ),
    "received-en": (
        "",
        "Received: {number}",
        'Your request "{summary}" at {project} has been received under the number {number}.',
    ),
    "appointment": (
        "day",
        "预约时间：{number}",
        "您好，{project}事项{number}的预约时间为{day}。如需更改，请联系服务中心。",
    ),
    "appointment-en": (
        "day",
        "Appointment: {number}",
        "The appointment for {number} at {project} is {day}. "
        "To change it, please call the service centre.",
    ),
    "result": (
        "text",
        "处理结果：{number}",
        "您好，您在{project}反映的事项{number}已处理：{text}。"
        "如不满意，请联系服务中心，我们会继续跟进。",
    ),
    "refused": (
        "reason",
        "关于{number}的答复",
        "您好，您在{project}提出的事项{number}未能办理，原因：{reason}。如有异议，请联系服务中心。",
    ),
    "notice": (
        "text",
        "关于{number}",
        "您好，关于您在{project}的事项{number}：{text}。如有疑问，请联系服务中心。",
    ),
    "new-date": (
        "day",
        "新的完成时间：{number}",
        "您好，很抱歉，您在{project}反映的事项{number}需要更多时间，最迟于{day}完成。"
        "如有异议，请联系服务中心。",
    ),
}


# The day is played once; the tests below look at it.


SHOWN = {
    "answer": "case_answered", "handle": "case_handled", "satisfaction": "satisfaction_given",
    "close": "case_closed", "received": "case_received", "tell-result": "result_told",
    "acknowledge": "case_acknowledged", "inform": "owner_informed", "refuse": "case_refused",
    "classify": "case_classified", "dispatch": "case_dispatched", "link": "case_linked",
    "accept-dispatch": "dispatch_accepted", "refuse-dispatch": "dispatch_refused",
    "appoint": "appointment_made", "keep-appointment": "appointment_kept",
    "miss-appointment": "appointment_missed", "start-work": "work_started",
    "make-safe": "made_safe", "withdraw": "case_withdrawn", "merge": "case_merged",
    "confirm-receipt": "receipt_confirmed", "move": "case_moved_out", "accept": "case_accepted",
    "report-progress": "progress_reported", "submit-record": "record_submitted",
    "message-owner": "owner_message_requested", "chase": "case_chased",
    "attach": "attachment_added", "call-manager": "manager_called", "promise": "promise_made",
    "keep-promise": "promise_kept", "propose": "solution_proposed", "pause": "case_paused",
    "resume": "case_resumed", "fail-contact": "contact_failed", "forward": "case_forwarded",
    "take-measures": "immediate_measures_taken",
}  # fmt: skip
"""The fact that each action of intake becomes; others are of visits and sla, or only look."""

LETTER = "%PDF-1.7\n尊敬的陈晨女士：信箱锁已更换。\n%%EOF\n".encode()
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ERASED = "lanting-3-303"


@dataclass(frozen=True, slots=True)
class Played:
    """The day as it was, as far as it can be seen from outside."""

    day: Day
    cases: Mapping[str, str]
    listed: Mapping[str, Mapping[str, Any]]
    published: Mapping[str, list[Published]]
    texts: list[Sent]
    mails: list[tuple[str, str, str]]
    reports: list[Any]
    found: Mapping[str, list[tuple[str, str]]]
    """Where the resident's words were found, before the erasure and after it."""
    erased: tuple[str, set[str]]
    """The resident, and the subjects that were erased with their household."""
    reader: System

    def number(self, case: str) -> str:
        return str(self.listed[case]["number"])

    def of_case(self, service: str, stream: str, case: str) -> list[Published]:
        found = by_stream(self.published[service], f"{stream}-")
        return found.get(self.cases[case], [])


def next_day(now: datetime) -> Day:
    """Give the next Tuesday in the middle of a month that has no holiday then."""
    day = now.astimezone(ZONE).date() + timedelta(days=1)
    while not (day.weekday() == 1 and 9 <= day.day <= 24 and day.month in (3, 7, 8, 10, 11)):
        day += timedelta(days=1)
    return Day(day, ZONE)


@asynccontextmanager
async def in_role(system: System, role: str) -> AsyncIterator[System]:
    """Stand outside with a key of a role that holds at both projects and their group."""
    dsn = database_dsn(system.stack.endpoints.postgres, "steward_keys")
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        _, key = await Authenticator(pool).make_key(role, [role], [GROUP, PROJECT, OTHER])
    headers = {"Authorization": f"Bearer {key}"}
    async with AsyncClient(headers=headers, timeout=30, trust_env=False) as client:
        yield replace(system, client=client)


async def import_registers(registrar: System) -> Any:
    address = f"{registrar.stack.endpoints.services['intake']}/v1/registers/files"
    headers = {"Idempotency-Key": str(uuid7()), "Content-Type": XLSX}
    answer = await registrar.client.post(address, content=workbook(), headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def reception(case: Case) -> dict[str, Any]:
    home = {"household_id": f"{PROJECT}-{case.home}"} if case.home else {}
    said = {"kind": case.kind, "channel": case.channel, "summary": case.summary}
    return {"project_id": PROJECT, **said, **home, **case.said}


async def search(system: System) -> list[tuple[str, str]]:
    """Say where the resident's name, number and words are found."""
    hits: set[tuple[str, str]] = set()
    for words in ("钟离昧", "13810000303", "渗水三次"):
        page = await system.get("intake", "/v1/search", project_id=PROJECT, q=words)
        hits |= {(item["kind"], item["field"]) for item in page["items"]}
    return sorted(hits)


@pytest.fixture(scope="module")
async def played(stepped_services: Stack) -> AsyncIterator[Played]:
    """The day, from eight in the morning until six the next evening."""
    dsn = database_dsn(stepped_services.endpoints.postgres, "steward_clock")
    driver = await SteppedDriver.connect(dsn, datetime(2026, 10, 12, tzinfo=ZONE))
    day = next_day(driver.now())
    async with AsyncExitStack() as opened:
        opened.push_async_callback(driver.close)
        system = await opened.enter_async_context(entered(stepped_services))
        staff, registrar, officer, reader = [
            await opened.enter_async_context(in_role(system, role))
            for role in ("staff", "registrar", "data_protection", "reader")
        ]
        playing = Playing(staff, driver, day, LETTER)
        await driver.wait_drained()
        await playing.pass_to(day.at("08:00"))
        reports = [await import_registers(registrar) for _ in range(2)]
        await driver.wait_drained()
        book = {name: (reception(case), read(case.diary)) for name, case in BOOK.items()}
        await playing.play(book, pauses=["+1T08:00", "+1T08:30"])
        for room in ("2-202", "3-301"):
            visit = {"household_id": f"{PROJECT}-{room}", "person_id": "lin", "mode": "on_site"}
            made = await staff.accepted("visits", "/v1/visits", visit)
        mistaken = {"reason": "记错了住户", "person_id": "lin"}
        await staff.accepted("visits", f"/v1/visits/{made['visit_id']}/strike", mistaken)
        found = {"before": await indexed(officer)}
        texts = sent_texts(await system.texts(), ours(await system.published("notify")), day)
        mails = read_mails(system)
        await playing.pass_to(day.at("+1T17:00"))
        [person] = [
            row["person_id"]
            for row in (await reader.get("intake", "/v1/people", project_id=PROJECT))["items"]
            if row["household_id"] == ERASED
        ]
        asked = {"subject": f"household-{ERASED}", "with_people": True, "reason": "asked"}
        erased = await officer.accepted("intake", "/v1/erasures", asked | {"asked_by": person})
        found["after"] = await search(officer)
        await playing.pass_to(day.at("+1T18:00"))
        ids = playing.cases
        yield Played(
            day,
            ids,
            {case: await reader.get("intake", f"/v1/cases/{id_}") for case, id_ in ids.items()},
            {service: ours(await system.published(service)) for service in OWNERS},
            texts,
            mails,
            reports,
            found,
            (person, set(erased["erased"])),
            reader,
        )


async def indexed(officer: System) -> list[tuple[str, str]]:
    """Search once the index has taken in the words: it is filled behind the facts."""
    everywhere = [
        ("case", "description"),
        ("case", "reporter_name"),
        ("case", "reporter_phone"),
        ("case", "summary"),
        ("person", "name"),
        ("person", "phone"),
    ]

    async def found() -> bool:
        return await search(officer) == everywhere

    await officer.until(found, "the words are not in the index")
    return await search(officer)


def ours(published: list[Published]) -> list[Published]:
    """Leave what is of these projects and their group, each fact once."""
    return list({one.id: one for one in published if one.key in (GROUP, PROJECT, OTHER)}.values())


def read_mails(system: System) -> list[tuple[str, str, str]]:
    """Give who got which mail: address, subject, text."""
    mails = [message_from_string(mail, policy=default) for mail in system.mails()]
    return [(m["To"], m["Subject"], "\n".join(m.get_content().splitlines())) for m in mails]


# What is expected, written out.


def expected_facts(case: Case) -> list[str]:
    """Give a case's facts as its diary names them: what is said, and what follows."""
    return [
        f"{said.body.get('occurred_at', said.at)} {SHOWN.get(said.what, said.what)}"
        for said in _told(case)
    ]


def _told(case: Case) -> list[Said]:
    """Give what became a fact; a case that nobody is said to have received is the supervisor's."""
    told: list[Said] = []
    for said in read(case.diary):
        if said.refused_by or not (said.follows or said.what in SHOWN):
            continue
        told.append(said)
        if said.what == "received" and "received_by" not in said.body:
            at = said.body.get("occurred_at", said.at)
            told.append(replace(said, at=at, what="case_assigned", body={}, follows=True))
    return told


def expected_texts(played: Played) -> list[tuple[Sent, str]]:
    """Give every single text with its subject, as the mail has it."""
    return [
        _written(played, name, line) for name, case in BOOK.items() for line in lines(case.texts)
    ]


def _written(played: Played, name: str, line: str) -> tuple[Sent, str]:
    at, to, what, *said = shlex.split(line)
    names, subject, body = WORDS[what]
    values = dict(zip(names.split(), said, strict=True))
    values |= {"number": played.number(name), "summary": BOOK[name].summary}
    if "into" in values:
        values["into"] = played.number(values["into"])
    values["project"] = NAMES[OTHER if name == "{15m}" else PROJECT]
    if to in STAFF:
        values["role"] = STAFF[to].title
        instants = values.keys() & {"due", "decide_by"}
        values |= {each: _due(played.day.at(values[each])) for each in instants}
    if "day" in values:
        values["day"] = _spoken(played.day.at(values["day"]), english=what.endswith("-en"))
    phone = STAFF[to].phone if to in STAFF else HOMES.get(to, ("", PASSER_BY))[1]
    return Sent(at, phone, f"【管家】{body.format(**values)}"), subject.format(**values)


def _due(at: datetime) -> str:
    if (at.hour, at.minute) == (0, 0):
        return f"{at - timedelta(days=1):%Y-%m-%d} 24:00"
    return f"{at:%Y-%m-%d %H:%M}"


def _spoken(at: datetime, *, english: bool) -> str:
    if english:
        return f"{at:%b} {at.day}, {at.year} {at:%H:%M}"
    return f"{at.year}年{at.month}月{at.day}日 {at:%H:%M}"


def differing(read_of: Callable[[str], list[str]], says: Callable[[Case], list[str]]) -> list[str]:
    """Give what is told of a case and not expected (`+`), or the other way round (`-`)."""
    found = []
    for name, case in BOOK.items():
        told, expected = read_of(name), says(case)
        if told != expected:
            found += [f"{name} - {line}" for line in expected if line not in told]
            found += [f"{name} + {line}" for line in told if line not in expected] or [
                f"{name} {told}"
            ]
    return found


def test_three_bad_lines_are_named_the_good_ones_are_in_and_again_changes_nothing(
    played: Played,
) -> None:
    first, again = played.reports
    assert first == {
        "rows_read": 33,
        "registered": 30,
        "changed": 0,
        "unchanged": 0,
        "refused": [
            {
                "sheet": "住户",
                "line": 11,
                "column": "手机（必填）",
                "error": "The column “手机（必填）” holds no telephone number, but “9999999999a”.",
            },
            {
                "sheet": "员工",
                "line": 9,
                "column": "邮箱",
                "error": "The column “邮箱” holds no email address, but “aaaaaa#aaaaaaa.aa”.",
            },
            {
                "sheet": "岗位",
                "line": 9,
                "column": "岗位",
                "error": "The column “岗位” names no role; there are 客服专员、管家, 客服部主管, "
                "部门负责人, 工程部主管, 副经理, 物业服务中心经理, 公司分管领导, 公司总经理, 品质部.",
            },
        ],
        "ignored": [],
        "dry_run": False,
    }
    assert again == {**first, "registered": 0, "unchanged": 30}


async def test_what_the_good_lines_say_is_registered(played: Played) -> None:
    async def listed(register: str, *names: str, **asked: str) -> set[tuple[str, ...]]:
        page = await played.reader.get("intake", f"/v1/{register}", **asked)
        return {tuple(row[name] for name in names) for row in page["items"]}

    homes = {(f"{PROJECT}-{room}", PROJECT) for room in HOMES} | {(f"{OTHER}-1-101", OTHER)}
    assert await listed("households", "household_id", "project_id") == homes
    assert await listed("staff", "person_id", "language") == {
        (id_, "en" if id_ == "tang" else "zh") for id_ in STAFF
    }
    assert await listed("roles", "role", "person_id", project_id=PROJECT) == {
        ("frontline", "lin"),
        ("cs_supervisor", "zhou"),
        ("department_head", "wu"),
        ("engineering_supervisor", "he"),
        ("centre_manager", "chen"),
        ("company_leader", "tang"),
        ("general_manager", "gao"),
    }
    assert await listed("roles", "role", "person_id", project_id=OTHER) == {
        ("cs_supervisor", "zhou")
    }
    assert await listed("departments", "department_id", "name", "head") == {
        ("env", "环境部", "wu"),
        ("eng", "工程部", "he"),
    }
    zones = (await played.reader.get("intake", "/v1/zones"))["items"]
    assert [(zone["person_id"], zone["name"], zone["buildings"]) for zone in zones] == [
        ("lin", "东区", ["1", "2", "3"])
    ]


def test_every_case_has_the_facts_of_its_diary_and_ends_as_it_says(played: Played) -> None:
    def facts(name: str) -> list[str]:
        return happened(played.of_case("intake", "case", name), played.day)

    assert differing(facts, expected_facts) == []
    assert {c: row["status"] for c, row in played.listed.items()} == {
        c: case.ends for c, case in BOOK.items()
    }
    # Numbers are given in the order of reception; case 11 came after 36 others.
    received = sorted(BOOK, key=lambda c: read(BOOK[c].diary)[0].at)
    assert [played.number(c) for c in received if c != "{15m}"] == [
        f"lanting-{played.day.date.year}-{place:05}" for place in range(1, 41)
    ]
    assert played.number("{15m}") == f"yunqi-{played.day.date.year}-00001"


def test_every_fact_holds_what_was_said_and_personal_words_are_sealed(played: Played) -> None:
    departments = {"环境部": "env", "工程部": "eng"}
    unheld: set[str] = set()
    for name, case in BOOK.items():
        [received, *_] = facts = played.of_case("intake", "case", name)
        told = {**received.data, "summary": received.data["summary"]["field"]}
        home = OTHER if name == "{15m}" else PROJECT
        assert told | {"kind": case.kind, "channel": case.channel, "summary": "summary"} == told
        assert told["household_id"] == (f"{home}-{case.home}" if case.home else None), name
        assert (told["zone"], told["policy"]) == (ZONE.key, packs.built_in().version)
        for said, fact in zip(_told(case), facts, strict=True):
            for field_, word in said.body.items():
                held = fact.data.get(HELD_AS.get((said.what, field_), field_))
                if held is None:
                    unheld.add(f"{said.what} {field_}")
                elif isinstance(held, dict):
                    assert (held["field"], word in str(fact.data)) == (field_, False)
                elif field_ == "department":
                    assert held in (word, departments.get(word)), (name, said)
                elif field_ in INSTANTS:
                    assert played.day.told(held) == word, (name, said)
                else:
                    assert held == played.day.value(word, played.cases), (name, said)
    # When it happened stands beside the fact; the household of another project in the case there.
    assert unheld == {"received occurred_at", "move household_id"}


HELD_AS = {("classify", "person_id"): "classified_by", ("attach", "kind"): "what"}
INSTANTS = {"at", "by_date", "posted_at", "promised_at", "resume_on", "owner_requested_date"}


@rule("RM-4.5.2a", "RM-4.5.2b", "RM-4.5.2c", "RM-4.10.1", "RM-4.10.3", "RM-4.9", "RC-3.2")
@rule("FU-S1", "FU-4.1.3", "RM-4.6.1")
def test_every_clock_ran_from_when_until_when_its_rule_says(played: Played) -> None:
    def clocks(name: str) -> list[str]:
        return ran(played.of_case("sla", "clocks", name), played.day)

    assert differing(clocks, lambda case: sorted(lines(case.clocks))) == []


def test_every_word_about_a_clock_names_its_rules(played: Played) -> None:
    told = {
        (fact.data["target"], " ".join(fact.data["rule"]))
        for fact in played.published["sla"]
        if "target" in fact.data
    }
    assert told == set(RULES.items())


RULES = {
    "appointment-kept": "FU-S1 FU-4.1.3 RC-5.1..2",
    "chased-again": "RM-3.4 RM-4.4.1a",
    "consultation-answered": "RC-3.2",
    "consultation-answered-in-writing": "RC-3.2",
    "coordination-progress": "RM-4.3.2a..e HV-4.3.3c",
    "dispatch-accepted": "RM-4.6.1 RM-3.3 RC-5.3",
    "dispatch-decided": "RM-4.6.1",
    "dispatched": "RM-4.6.1 RM-3.3 RC-5.3",
    "emergency-made-safe": "RC-5.1..2",
    "emergency-on-site": "RC-5.1..2",
    "forum-post-acknowledged": "RM-4.6.7",
    "harm-stopped": "RM-4.9",
    "important-resolve": "RM-4.10.2",
    "important-to-manager": "RM-4.5.2b",
    "major-answer": "RM-4.10.3",
    "major-resolve": "RM-4.10.3",
    "major-to-leader": "RM-4.5.2a",
    "manager-comes": "RM-4.5.1b",
    "minor-resolve": "RM-4.5.2c RM-4.10.1",
    "minor-to-supervisor": "RM-3.2",
    "month-resolve": "RM-4.4.1c",
    "outside-party-contacted": "RM-4.3.2a..e",
    "progress-daily": "RM-3.3 RM-4.6.1",
    "progress-every-three-days": "RM-3.3 RM-4.6.1 RC-5.3",
    "promise-kept": "FU-S1 FU-4.1.3",
    "reasoned-answer": "RM-4.8 RM-4.3.2a..e RM-4.3.3a..c",
    "record-submitted": "RM-4.6.2a RM-4.6.2b",
    "refusal-answered": "RM-4.8",
    "request-appointment": "RC-5.1..2",
    "request-confirmed": "RC-5.1..2",
    "request-done": "RC-5.1..2 RC-5.3",
    "result-told": "RM-4.6.3",
    "suggestion-acknowledged": "RC-6.3",
    "suggestion-progress": "RC-6.3 HV-4.3.3c",
    "triage": "RM-3.4 RC-4.2",
    "triage-after-harm": "RM-3.4 RC-4.2",
    "wait-ended": "RM-3.4",
    "weighty-to-leader": "RM-3.1",
}


@rule("RM-4.6.4a", "FU-4.1.2.2a", "FU-4.1.2.3a", "FU-4.1.2.3b", "FU-4.1.2.3d", "FU-5.2")
def test_every_follow_up_was_owed_and_made_as_its_rule_says(played: Played) -> None:
    def followups(name: str) -> list[str]:
        return followed_up(played.of_case("visits", "followups", name), played.day)

    assert differing(followups, lambda case: lines(case.followups)) == []


@rule("RM-3.2", "RM-4.6.2b", "RM-4.6.3", "RC-5.1..2")
def test_every_text_reached_whom_it_was_for_when_it_should(played: Played) -> None:
    morning = MORNING.format(year=played.day.date.year)
    several = Sent("+1T08:30", STAFF["wu"].phone, morning)
    expected = [*(sent for sent, _ in expected_texts(played)), several]
    assert sorted(played.texts, key=str) == sorted(expected, key=str)


def test_staff_are_mailed_the_same_words_and_an_owner_whom_no_text_reaches_too(
    played: Played,
) -> None:
    emails = {member.phone: member.email for member in STAFF.values()}
    emails[HOMES["2-203"][1]] = MAILED
    expected = [
        (emails[sent.to], subject, sent.text.removeprefix("【管家】"))
        for sent, subject in expected_texts(played)
        if sent.to in emails
    ]
    morning = MORNING.format(year=played.day.date.year).removeprefix("【管家】")
    each = [
        WORDS["escalation"][2].format(
            project="兰亭苑",
            severity="重要投诉",
            number=played.number(case),
            target="提交处理记录",
            due=_due(played.day.at("24:00")),
            role="部门负责人",
            rule="RM-4.6.2a、RM-4.6.2b",
        )
        for case in ("{24}", "{38}")
    ]
    several = (STAFF["wu"].email, "【2件待办】兰亭苑", "\n\n".join((morning, *each)))
    assert sorted(played.mails) == sorted([*expected, several])


def test_nothing_else_was_published_than_what_was_said_and_what_follows(played: Played) -> None:
    told = {service: Counter(map(name_of, facts)) for service, facts in played.published.items()}
    of_cases = [name for case in BOOK.values() for name in map(_name, expected_facts(case))]
    # Registers, and who was erased: the household, its case, and who lives there.
    assert told["intake"] == Counter(of_cases) + Counter(
        group_registered=1,
        project_registered=2,
        staff_registered=7,
        department_registered=2,
        household_registered=9,
        person_registered=9,
        role_assigned=8,
        zone_assigned=1,
        subject_erased=3,
    )
    # Sla notes every fact of a case; visits what a case is, when it was handled, and its end;
    # notify what owners may be told of.
    noted = {
        "sla": len(of_cases),
        "visits": sum(map(of_cases.count, NOTED_BY_VISITS)),
        "notify": sum(map(of_cases.count, NOTED_BY_NOTIFY)),
    }
    assert {service: told[service]["case_noted"] for service in noted} == noted
    assert told["sla"] == Counter(
        case_noted=noted["sla"],
        clock_started=291,
        clock_met=251,
        clock_cancelled=38,
        clock_warned=10,
        clock_breached=7,
        clock_rescheduled=7,
        clock_paused=4,
        clock_resumed=4,
        escalated=64,
        escalation_acknowledged=2,
        escalation_withdrawn=3,
        extension_requested=2,
        extension_approved=1,
        extension_refused=1,
    )
    # A ledger is noted with its project and each of its roles.
    assert told["visits"] == Counter(
        case_noted=noted["visits"],
        followup_due=28,
        followup_done=25,
        ledger_noted=10,
        quota_due=6,
        visit_done=2,
        visit_struck=1,
    )


NOTED_BY_VISITS = (
    *("case_received", "case_classified", "case_handled", "case_reopened"),
    *("case_refused", "case_withdrawn", "case_merged", "case_moved_out"),
)
NOTED_BY_NOTIFY = ("case_received", "case_classified", "immediate_measures_taken")


def _name(fact: str) -> str:
    return fact.split()[1]


def test_every_message_came_to_its_end(played: Played) -> None:
    # A receipt may be there before it is written down that the provider took the text.
    told = Counter(
        re.sub("sending, (delivered|failed MOBILE)", r"sending, sent, \1", life)
        for life in lives(played.published["notify"])
    )
    assert told == {
        "sms: requested, sending, sent, delivered": 90,
        "sms: requested, sending, sent, failed MOBILE_NOT_ON_SERVICE": 2,
        "email: requested, sending, sent": 67,
        "email: requested, suppressed told_by_sms": 25,
    }
    words = ("case_noted", *(f"message_{word}" for word in ("requested", "sending", "sent")))
    ends = ("message_delivered", "message_failed", "message_suppressed")
    assert {name_of(fact) for fact in played.published["notify"]} == {*words, *ends}


@rule("RM-4.6.4a", "FU-4.1.2.2a", "FU-4.1.2.3a", "CV-9.1a", "CV-9.1b", "CV-9.1c")
async def test_the_lists_of_what_is_late_and_owed_and_was_made_count_the_day(
    played: Played,
) -> None:
    reader, month = played.reader, f"{played.day.date:%Y-%m}"
    late = {
        hours: [
            (row["clock"], row["late"], played.day.told(row["due_at"]))
            for row in (await reader.get("sla", "/v1/late", hours=hours))["items"]
        ]
        for hours in ("0", "168")
    }
    missing = ("record-submitted#1", True, "24:00")
    assert late == {
        "0": [missing],
        "168": [
            missing,
            ("suggestion-progress#1", False, "+7T24:00"),
            ("coordination-progress#1.2", False, "+7T24:00"),
        ],
    }
    rates = await reader.get("visits", "/v1/followups/rates", month=month, project_id=PROJECT)
    names = ("rule", "owed", "done", "in_time", "waived", "overdue", "target", "rate")
    assert [tuple(row[name] for name in names) for row in rates["items"]] == [
        ("FU-4.1.2.2a", 2, 2, 2, 0, 0, 1.0, 1.0),
        ("FU-4.1.2.3a", 4, 2, 2, 0, 0, 0.7, 0.5),
        ("FU-4.1.2.3b", 1, 1, 1, 0, 0, 1.0, 1.0),
        ("FU-4.1.2.3d", 1, 1, 1, 0, 0, 1.0, 1.0),
        ("RM-4.6.4a", 21, 21, 21, 0, 0, 1.0, 1.0),
    ]
    quotas = await reader.get("visits", "/v1/quotas", month=month, project_id=PROJECT)
    counted = ("person_id", "role", "required", "counted", "missing", "status")
    assert [tuple(row[name] for name in counted) for row in quotas["items"]] == [
        ("chen", "centre_manager", 25, 0, 25, "running"),
        ("he", "engineering_supervisor", 10, 0, 10, "running"),
        ("lin", "frontline", 30, 1, 29, "running"),
        ("wu", "department_head", 10, 0, 10, "running"),
        ("zhou", "cs_supervisor", 30, 0, 30, "running"),
    ]


async def test_a_households_timeline_tells_all_of_its_cases(played: Played) -> None:
    page = await played.reader.get("intake", "/v1/households/lanting-1-101/timeline", limit="500")
    theirs = [case for case, said in BOOK.items() if said.home == "1-101" and case != "{15m}"]
    assert theirs == ["{1}", "{7}", "{11}", "{15}", "{16}", "{24}"]
    assert {row["number"] for row in page["cases"]} == {played.number(case) for case in theirs}
    said = [item for item in page["items"] if item["type"].startswith("intake.")]
    told = Counter((item["case_id"], item["type"].split(".")[1]) for item in said)
    assert told == Counter(
        (played.cases[case], _name(fact)) for case in theirs for fact in expected_facts(BOOK[case])
    )
    # And what the others have told of them.
    others = {item["type"].rpartition(".v")[0] for item in page["items"]} - {
        item["type"].rpartition(".v")[0] for item in said
    }
    assert {"visits.followup_due", "visits.followup_done", "notify.message_delivered"} <= others


async def test_who_is_erased_is_read_nowhere_any_more(played: Played) -> None:
    person, subjects = played.erased
    case = played.cases["{39}"]
    assert subjects == {f"household-{ERASED}", f"person-{person}", f"case-{case}"}
    assert played.found["after"] == []
    story = await played.reader.get("intake", f"/v1/cases/{case}/facts")
    timeline = await played.reader.get("intake", f"/v1/households/{ERASED}/timeline")
    gone = {"erased": True}
    sealed = ("summary", "description", "reporter_name", "reporter_phone")
    items = [item for item in timeline["items"] if item["type"].startswith("intake.")]
    for facts in (story["facts"], items):
        told = {fact["type"].split(".")[1]: fact["data"] for fact in facts}
        assert len(facts) == len(expected_facts(CASES[38]))
        assert [told["case_received"][name] for name in sealed] == [gone] * 4
        assert [told["case_handled"][name] for name in ("corrective", "preventive")] == [gone] * 2
    people = (await played.reader.get("intake", "/v1/people", project_id=PROJECT))["items"]
    [row] = [row for row in people if row["person_id"] == person]
    assert (row["name"], row["phone"]) == (gone, gone)
    # Whoever keeps copies of what was sent about the case has let them go.
    number = played.number("{39}")
    assert [sent.to for sent in played.texts if number in sent.text] == [STAFF["zhou"].phone]

    async def forgotten() -> bool:
        return not [text for text in await played.reader.texts() if number in text["text"]]

    await played.reader.until(forgotten, "the provider's stand-in still holds the text")
