"""The target language of a policy pack: what a rule demands, as data.

Every model refuses keys that it does not know. Conditions are data, never code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from steward_policy.documents import DocumentError, read
from steward_policy.durations import Duration, Ending
from steward_policy.ladder import Role, role_at_least

Scalar = bool | int | float | str | None
Basis = Literal["rule", "default"]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]
"""Facts name a clock by its target's and the value that it has a clock for: together 200 characters."""
FactName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Entry(BaseModel):
    """A part of a pack: immutable, and strict about its keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )


class Condition(Entry):
    """What must hold of a case or of a fact.

    Written as a mapping: `{field: value}` or `{field: [one, of, these]}`, `all`, `any`, `not`,
    `at_least: {field: number}`, and `role_at_least` for the field `role`. All parts must hold; an
    empty condition always does.
    """

    fields: Mapping[str, tuple[Scalar, ...]] = {}
    all: tuple[Condition, ...] = ()
    any: tuple[Condition, ...] = ()
    not_: Condition | None = Field(None, alias="not")
    at_least: Mapping[str, float] = {}
    role_at_least: Role | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            if isinstance(data, cls):
                return data
            raise ValueError("A condition is a mapping such as {kind: complaint}.")
        known = {"all", "any", "not", "at_least", "role_at_least"}
        if isinstance(data.get("fields"), dict):
            return data
        for key in ("all", "any"):
            if key in data and not data[key]:
                raise ValueError(f"'{key}' needs at least one condition.")
        fields = {
            str(key): tuple(value) if isinstance(value, list | tuple) else (value,)
            for key, value in data.items()
            if key not in known
        }
        for key, values in fields.items():
            if not all(value is None or isinstance(value, str | int | float) for value in values):
                raise ValueError(f"'{key}' is compared with a plain value or a list of them.")
        return {"fields": fields} | {key: data[key] for key in known & data.keys()}

    def holds(self, fields: Mapping[str, object]) -> bool:
        """Whether it holds of these fields; an absent field counts as null."""
        for name, values in self.fields.items():
            if fields.get(name) not in values:
                return False
        for name, least in self.at_least.items():
            number = fields.get(name)
            if not isinstance(number, int | float) or number < least:
                return False
        if self.role_at_least is not None:
            role = fields.get("role")
            if not isinstance(role, str) or not role_at_least(role, self.role_at_least):
                return False
        if self.not_ is not None and self.not_.holds(fields):
            return False
        for part in self.all:
            if not part.holds(fields):
                return False
        return not self.any or any(part.holds(fields) for part in self.any)

    def verdict(self, fields: Mapping[str, object]) -> bool | frozenset[str]:
        """Whether it holds; where that hangs on fields that nobody knows, the names of these.

        An absent field is not known, unless it is asked for as null.
        """
        parts: list[bool | frozenset[str]] = []
        for name, values in self.fields.items():
            known = fields.get(name) is not None or None in values
            parts.append(fields.get(name) in values if known else frozenset({name}))
        for name, least in self.at_least.items():
            number = fields.get(name)
            known = number is not None
            reached = isinstance(number, int | float) and number >= least
            parts.append(reached if known else frozenset({name}))
        if self.role_at_least is not None:
            role = fields.get("role")
            reached = isinstance(role, str) and role_at_least(role, self.role_at_least)
            parts.append(reached if role is not None else frozenset({"role"}))
        if self.not_ is not None:
            part = self.not_.verdict(fields)
            parts.append(not part if isinstance(part, bool) else part)
        parts += [part.verdict(fields) for part in self.all]
        if self.any:
            parts.append(_decided([part.verdict(fields) for part in self.any], by=True))
        return _decided(parts, by=False)

    @property
    def asked(self) -> frozenset[str]:
        """The fields that it asks for."""
        found = {*self.fields, *self.at_least, *(("role",) if self.role_at_least else ())}
        inner = (self.not_,) if self.not_ is not None else ()
        return frozenset(found).union(*(part.asked for part in (*self.all, *self.any, *inner)))

    def in_words(self) -> str:
        """The condition as a person reads it."""
        parts = [
            f"{name} is {' or '.join(_word(value) for value in values)}"
            for name, values in self.fields.items()
        ]
        parts += [f"{name} is {least:g} or more" for name, least in self.at_least.items()]
        if self.role_at_least is not None:
            parts.append(f"role is {self.role_at_least} or above")
        parts += [part.in_words() for part in self.all]
        if self.any:
            parts.append("(" + " or ".join(part.in_words() for part in self.any) + ")")
        if self.not_ is not None:
            parts.append(f"not ({self.not_.in_words()})")
        return " and ".join(parts) or "always"


def _decided(parts: Sequence[bool | frozenset[str]], *, by: bool) -> bool | frozenset[str]:
    """Give what one part alone decides, else what is lacking, else the other."""
    if by in parts:
        return by
    lacking = [part for part in parts if isinstance(part, frozenset)]
    return frozenset().union(*lacking) if lacking else not by


def _word(value: Scalar) -> str:
    match value:
        case None:
            return "not given"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


ALWAYS = Condition()


class FactPattern(Entry):
    """A fact, with a condition on its fields, and the field that says when.

    Written as `case_handled`, `case_accepted{role_at_least: centre_manager}`,
    `{case_accepted: {role_at_least: centre_manager}}` or `{fact: case_received, at: posted_at}`.
    """

    fact: FactName
    when: Condition = ALWAYS
    at: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        match data:
            case str():
                with_condition = re.fullmatch(r"\s*(\w+)\s*(\{.*\})\s*", data)
                if with_condition is None:
                    return {"fact": data}
                return {"fact": with_condition[1], "when": _condition(with_condition[2])}
            case dict() if "fact" not in data and len(data) == 1:
                ((fact, when),) = data.items()
                return {"fact": fact, "when": when}
            case _:
                return data

    def matches(self, fact: str, fields: Mapping[str, object]) -> bool:
        """Whether a fact with this short name (`case_handled`) and these fields is meant."""
        return fact == self.fact and self.when.holds(fields)

    def in_words(self) -> str:
        """The pattern as a person reads it."""
        words = self.fact
        if self.when != ALWAYS:
            words += f" ({self.when.in_words()})"
        return f"{words}, at its {self.at}" if self.at else words


def _condition(text: str) -> object:
    try:
        return read(text, "condition").data
    except DocumentError:
        raise ValueError(f"{text!r} is not a condition such as {{role: frontline}}.") from None


def _as_list(value: object) -> object:
    return value if isinstance(value, list | tuple) else [value]


FactPatterns = Annotated[tuple[FactPattern, ...], BeforeValidator(_as_list)]


class DueField(Entry):
    """A due time that the start names itself, such as a promise's `promised_at`, and some grace."""

    field: str
    grace: Duration | None = None


class Take(StrEnum):
    """Which of the limit and the date that a field names governs."""

    LATER = "later"
    EARLIER = "earlier"
    REPLACE = "replace"


class OrBy(Entry):
    """A date that may move the limit, named on the case or, with `fact`, by that fact.

    A date ends at its 24:00; so does an instant with `ending: end_of_day`. With `take: later` an
    earlier one governs where `earlier_if` holds of the case; the owner is told where it does not.
    """

    field: str
    take: Take
    fact: FactName | None = None
    ending: Literal[Ending.SAME_TIME, Ending.END_OF_DAY] = Ending.SAME_TIME
    if_: Condition = Field(ALWAYS, alias="if")
    earlier_if: Condition | None = None

    @model_validator(mode="after")
    def _is_later(self) -> Self:
        if self.earlier_if is not None and self.take is not Take.LATER:
            raise ValueError("An 'earlier_if' belongs to 'take: later'.")
        return self

    @property
    def asked(self) -> frozenset[str]:
        """The fields of the case that it asks for."""
        earlier = self.earlier_if.asked if self.earlier_if is not None else frozenset()
        return frozenset({self.field, *self.if_.asked, *earlier})

    def takes(self, case: Mapping[str, Any]) -> Take:
        """Which governs of such a case: its date alone where an earlier one was accepted."""
        accepted = self.earlier_if is not None and self.earlier_if.holds(case)
        return Take.REPLACE if accepted else self.take


class PauseLimit(Entry):
    """For how long one reason may pause a clock."""

    max: Duration


class WarnBefore(Entry):
    """A warning ahead of the due time: a duration before it, or a share of the way to it."""

    before: Duration | None = None
    share: Annotated[float, Field(gt=0, lt=1)] | None = None
    calendar: Identifier | None = None

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data: Any) -> Any:
        if isinstance(data, str):
            share = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", data)
            if share is None:
                raise ValueError(f"{data!r} is neither a duration nor a share such as 50%.")
            return {"share": float(share[1]) / 100}
        if isinstance(data, dict) and not data.keys() & {"before", "share"}:
            calendar = {"calendar": data["calendar"]} if "calendar" in data else {}
            before = {key: value for key, value in data.items() if key != "calendar"}
            return {"before": before} | calendar
        return data

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.before is None) == (self.share is None):
            raise ValueError("A warning is either a duration before the due time or a share.")
        return self


class Overdue(Entry):
    """Who may let a target run past its limit, asked when, and how often."""

    approval: Role
    ask: Literal["before_due", "any_time"] = "before_due"
    decide_within: Duration | None = None
    max_times: Annotated[int, Field(ge=1)] | None = None
    max_total: Duration | None = None
    effective: Literal["owner_told", "approved"] = "approved"


class Deliver(StrEnum):
    """When people are told: at once, or in the pack's duty hours."""

    AT_ONCE = "at_once"
    DUTY_HOURS = "duty_hours"


class EscalationStep(Entry):
    """One step up: when, counted from start or breach, and to whom.

    With `when` it is gone only if that held of the case just before.
    """

    at: Literal["start", "breach"] = "breach"
    when: Condition = ALWAYS
    after: Duration | None = None
    to: Role
    deliver: Deliver = Deliver.DUTY_HOURS
    calendar: Identifier | None = None


class CountFrom(StrEnum):
    """From where a clock is counted after a reclassification."""

    START = "start"
    CHANGE = "change"


class OnReclassify(Entry):
    """From where a clock is counted, by the cause of the reclassification."""

    correction: CountFrom = CountFrom.START
    new_facts: CountFrom = CountFrom.CHANGE
    age: CountFrom = CountFrom.CHANGE


class OnReopen(StrEnum):
    """What a reopening does to a clock."""

    RESTART = "restart"
    CONTINUE = "continue"
    NONE = "none"


class OnBreach(Entry):
    """What a breach does to the case itself."""

    raise_severity: Literal["important", "major"]


class Target(Entry):
    """One duty with a clock: what starts it, what meets it, how long it may take, who is told.

    A clock that runs goes on while `when` or `stays_when` holds, and ends with the case, but for the
    endings of `stays_after`. `met_before: false` is for a call
    that nothing done before it can answer; `urgent` for one that is to be acknowledged at once.
    With `one_at_a_time` a start with another value of `per` ends the clock that ran.
    """

    id: Identifier
    rule: Annotated[tuple[str, ...], BeforeValidator(_as_list), Field(min_length=1)]
    basis: Basis
    when: Condition = ALWAYS
    stays_when: Condition | None = None
    starts: Annotated[FactPatterns, Field(min_length=1)]
    per: str | None = None
    one_at_a_time: bool = False
    met_by: FactPatterns = ()
    met_before: bool = True
    within: Duration | None = None
    due: DueField | None = None
    or_by: OrBy | None = None
    calendar: Identifier | None = None
    pauses_on: Mapping[str, PauseLimit] = {}
    warn_before: tuple[WarnBefore, ...] = ()
    on_reclassify: OnReclassify = OnReclassify()
    on_reopen: OnReopen = OnReopen.RESTART
    resets_on: FactPatterns = ()
    cancels_on: FactPatterns = ()
    stays_after: tuple[Literal["case_closed", "case_refused", "case_withdrawn"], ...] = ()
    overdue: Overdue | None = None
    escalate: tuple[EscalationStep, ...] = ()
    urgent: bool = False
    on_breach: OnBreach | None = None

    @model_validator(mode="after")
    def _has_one_limit(self) -> Self:
        if (self.within is None) == (self.due is None):
            raise ValueError("A target has either 'within' or 'due'.")
        if not self.met_by and not self.resets_on:
            raise ValueError("A target has 'met_by', or 'resets_on' when it comes again and again.")
        return self

    @property
    def calendars(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Every calendar that it names, with the place where."""
        if self.calendar:
            yield ("calendar",), self.calendar
        for index, warning in enumerate(self.warn_before):
            if warning.calendar:
                yield ("warn_before", index), warning.calendar
        for index, step in enumerate(self.escalate):
            if step.calendar:
                yield ("escalate", index), step.calendar
