"""The words that facts of several owners share."""

import re
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)
from pydantic_core import PydanticCustomError, PydanticKnownError

LONGEST_ID, LONGEST_WORD = 120, 200
"""In characters."""

Id = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_ID, pattern=r"^[^\x00\s/|]+$")
]
"""An ID of ours or of another system: no space, slash, bar or NUL, at most 120 characters."""

_POLICY = re.compile(r"[A-Za-z0-9._+@-]*")

Word = Annotated[str, StringConstraints(max_length=LONGEST_WORD, pattern=r"^[^\x00]*$")]
"""A short text without personal data."""

Clear = Annotated[
    Word, Field(description="Kept in clear for good: no names, numbers or addresses of people.")
]
"""A `Word` where people write it: what they are asked for stands in every interface."""

Entries = TypeVar("Entries")

Several = Annotated[Entries, Field(fail_fast=True)]
"""A tuple or a dict that is read up to its first wrong entry: a million cost no more than one."""


def zone_exists(name: str) -> bool:
    """Say whether there is a time zone of this name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _known(zone: str) -> str:
    if not zone_exists(zone):
        raise PydanticCustomError("no_such_zone", "must be a time zone that exists")
    return zone


def _known_if_said(zone: str) -> str:
    return _known(zone) if zone else zone


SaidZone = Annotated[Word, AfterValidator(_known)]
"""A time zone, such as `Asia/Shanghai`."""
Zone = Annotated[Word, AfterValidator(_known_if_said)]
"""A time zone; empty where none was heard of yet."""


def _named_plainly(policy: str) -> str:
    if not _POLICY.fullmatch(policy):
        raise PydanticCustomError("no_policy_name", "must be the name of a policy")
    return policy


PolicyName = Annotated[Word, AfterValidator(_named_plainly)]
"""A pack, a version, or both as `residential-cn@2026.1`: what reasons may quote."""


def _no_number(otherwise: Literal["datetime_type", "date_type"]) -> BeforeValidator:
    """Refuse what pydantic would take for seconds since 1970: a telephone number, for one."""

    def check(value: object) -> object:
        if isinstance(value, int | float) or (isinstance(value, str) and value[4:5] != "-"):
            raise PydanticKnownError(otherwise)
        return value

    return BeforeValidator(check)


Instant = Annotated[AwareDatetime, _no_number("datetime_type")]
"""An instant with its offset, written as ISO 8601 has it."""
Day = Annotated[date, _no_number("date_type")]
"""A date, written as ISO 8601 has it."""

# Less than the 200 years apart that a calendar counts.
FIRST_YEAR, LAST_YEAR = 1970, 2150
REACH = f"of the years {FIRST_YEAR} to {LAST_YEAR}"
_BEGIN, _END = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC)


def in_reach(at: datetime) -> bool:
    """Say whether an instant is one that every zone can show and every calendar can count from."""
    return _BEGIN <= at < _END


def _reached(at: datetime) -> datetime:
    if not in_reach(at):
        raise PydanticCustomError("out_of_reach", f"must be an instant {REACH}")
    return at


Moment = Annotated[Instant, AfterValidator(_reached)]
"""An instant as others tell it to us; what lies out of reach is refused at the door."""


class Kind(StrEnum):
    """What somebody came with (RC-2)."""

    COMPLAINT = "complaint"
    SERVICE_REQUEST = "service_request"
    CONSULTATION = "consultation"
    SUGGESTION = "suggestion"


class Severity(StrEnum):
    """How weighty a complaint is (RM-4.4)."""

    MINOR = "minor"
    IMPORTANT = "important"
    MAJOR = "major"


class Validity(StrEnum):
    """Whether a complaint is the company's to answer for (RM-4.3)."""

    VALID = "valid"
    COORDINATION = "coordination"
    EXCESSIVE = "excessive"


class Grievance(StrEnum):
    """What a complaint is about, of the grounds that the rules name (RM-4.3.1a to RM-4.3.3c)."""

    CONTRACT_DUTY = "contract_duty"
    PROMISE = "promise"
    REGULATION = "regulation"
    OVERCHARGING = "overcharging"
    UNHEEDED_REMINDERS = "unheeded_reminders"
    STAFF_ATTITUDE = "staff_attitude"
    SUPPLIER = "supplier"
    OTHER_HOUSEHOLD = "other_household"
    DEVELOPER = "developer"
    OWNERS_MEETING = "owners_meeting"
    OUTSIDE_UNIT = "outside_unit"
    AUTHORITY = "authority"
    NEW_FACILITY = "new_facility"
    LOWER_CHARGE = "lower_charge"
    OUTSIDE_CONTRACT = "outside_contract"


class OutsideParty(StrEnum):
    """Who has to act in a coordination matter (RM-4.3.2a..e)."""

    OTHER_HOUSEHOLD = "other_household"
    DEVELOPER = "developer"
    OWNERS_MEETING = "owners_meeting"
    OUTSIDE_UNIT = "outside_unit"
    AUTHORITY = "authority"


class Urgency(StrEnum):
    """How soon a service request needs somebody on the spot."""

    ORDINARY = "ordinary"
    EMERGENCY = "emergency"


class NotGiven(StrEnum):
    """Why a record holds nothing in a place where it must hold something."""

    UNKNOWN = "unknown"
    DECLINED = "declined"


class WorkCategory(StrEnum):
    """What a repair was about; the follow-up rules FU-4.1.2.3a..d need it."""

    ORDINARY = "ordinary"
    LEAK_SLAB_WINDOW_WALL = "leak_slab_window_wall"
    LEAK_BATHROOM = "leak_bathroom"
    BLOCKED_DRAIN = "blocked_drain"
    CONCEALED = "concealed"


class Channel(StrEnum):
    """How somebody came to us; it never changes the procedure (RM-4.7)."""

    HOTLINE = "hotline"
    COUNTER = "counter"
    PHONE = "phone"
    APP = "app"
    FORUM = "forum"
    LETTER = "letter"
    SUGGESTION_BOX = "suggestion_box"
    EMAIL = "email"
    VISIT = "visit"
    MEETING = "meeting"
    EVENT = "event"
    COMMITTEE = "committee"
    AUTHORITY_HOTLINE = "authority_hotline"
    SYSTEM = "system"


class ContactChannel(StrEnum):
    """Every way in which somebody comes to us: the channels that the rules list (RM-4.2, HV-4.1)."""

    HOTLINE = "hotline"
    COUNTER = "counter"
    FACE_TO_FACE = "face_to_face"
    PHONE = "phone"
    APP = "app"
    WEBSITE = "website"
    FORUM = "forum"
    LETTER = "letter"
    SUGGESTION_BOX = "suggestion_box"
    EMAIL = "email"
    VISIT = "visit"
    FOLLOWUP = "followup"
    MEETING = "meeting"
    EVENT = "event"
    QUESTIONNAIRE = "questionnaire"
    NOTICE = "notice"
    NOTICE_BOARD = "notice_board"
    SIGNAGE = "signage"
    COMMITTEE = "committee"
    AUTHORITY_HOTLINE = "authority_hotline"
    SYSTEM = "system"

    @property
    def nearest(self) -> Channel:
        """The nearest of the channels that released facts know."""
        match self:
            case ContactChannel.FACE_TO_FACE:
                return Channel.COUNTER
            case ContactChannel.WEBSITE:
                return Channel.APP
            case ContactChannel.FOLLOWUP:
                return Channel.PHONE
            case (
                ContactChannel.QUESTIONNAIRE
                | ContactChannel.NOTICE
                | ContactChannel.NOTICE_BOARD
                | ContactChannel.SIGNAGE
            ):
                return Channel.LETTER
            case _:
                return Channel(self.value)


class Party(StrEnum):
    """Who speaks."""

    HOUSEHOLD = "household"
    COMMITTEE = "committee"
    AUTHORITY = "authority"
    ANONYMOUS = "anonymous"
    STAFF = "staff"


class Area(StrEnum):
    """Whose the place is where a matter is; what is in a common area is no household's own."""

    HOUSEHOLD = "household"
    COMMON_AREA = "common_area"


class Part(StrEnum):
    """How a case concerns a household beside the one whose case it is."""

    COMPLAINANT = "complainant"
    """It complains too, and is told what the first is told."""
    COUNTERPART = "counterpart"
    """It is complained of, and never learns by whom."""
    AFFECTED = "affected"


class Role(StrEnum):
    """Roles of the ladder, from the door to the top; `quality` stands outside it."""

    FRONTLINE = "frontline"
    CS_SUPERVISOR = "cs_supervisor"
    DEPARTMENT_HEAD = "department_head"
    ENGINEERING_SUPERVISOR = "engineering_supervisor"
    DEPUTY_MANAGER = "deputy_manager"
    CENTRE_MANAGER = "centre_manager"
    COMPANY_LEADER = "company_leader"
    GENERAL_MANAGER = "general_manager"
    QUALITY = "quality"


class Mode(StrEnum):
    """How a follow-up or visit is made (FU-4.1.1, HV-4.3.1)."""

    PHONE = "phone"
    ON_SITE = "on_site"
    LETTER = "letter"
    OUTDOORS = "outdoors"
    OFFICE = "office"
    QUESTIONNAIRE = "questionnaire"
    OTHER = "other"


class Topic(StrEnum):
    """What a visit was about (HV-4.2.1..10)."""

    SAFETY = "safety"
    ENVIRONMENT = "environment"
    REPAIRS = "repairs"
    LEISURE_FACILITIES = "leisure_facilities"
    STAFF_ATTITUDE = "staff_attitude"
    CONVENIENCE_SERVICES = "convenience_services"
    SPECIAL_HARDSHIP = "special_hardship"
    COMMUNITY_CULTURE = "community_culture"
    OTHER = "other"


class Language(StrEnum):
    """The languages in which Steward speaks to people."""

    CHINESE = "zh"
    ENGLISH = "en"


class ErasureReason(StrEnum):
    """Why a subject's personal data is erased."""

    ASKED = "asked"
    """By the person themselves."""
    NO_LONGER_NEEDED = "no_longer_needed"
    WRONGLY_KEPT = "wrongly_kept"
    ORDERED = "ordered"
    """By an authority or a court."""


class Value(BaseModel):
    """A small frozen shape inside facts."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Suggested(Value):
    """What the pack's table suggested when a person decided, and by which rows."""

    policy: PolicyName
    rows: Several[tuple[Word, ...]] = ()
    rule: Several[tuple[Word, ...]] = ()
    """The rules that these rows carry out."""
    in_doubt: Several[tuple[Word, ...]] = ()
    """Of what is suggested that for which an input was lacking."""
    topic: Word | None = None
    validity: Validity | None = None
    ground: Word | None = None
    severity: Severity | None = None
    work_category: WorkCategory | None = None


class IssuedDocument(Value):
    """A document that was issued to owners, and who wrote it."""

    document_id: Id | None = None
    title: Word = ""
    issued_on: Day | None = None
    author: Id
    """The member of staff who answers for its content."""


class Concern(Value):
    """Another household that a case concerns."""

    household_id: Id
    part: Part


class External(Value):
    """Where a case stands in the system that it came from."""

    source: Annotated[str, StringConstraints(min_length=1, max_length=300)]
    subject: Annotated[str, StringConstraints(min_length=1, max_length=300)]


def instant(text: str) -> datetime:
    """Read an ISO instant with offset; raises ValueError for one without."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"“{text}” has no offset: write it like 2026-10-01T08:00:00+08:00.")
    return at
