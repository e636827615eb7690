"""Forty cases of all kinds in a service centre, and what people read of them.

How a diary is read: `support.diary`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.service_centre import PASSER_BY


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
