"""Policy packs: versioned, effective-dated rules as data.

A group overrides entries of a built-in pack, a project those of its group; the most specific wins,
entry by entry. What comes out is `Rules`, immutable, and named by its version in every fact that
was decided under it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from functools import cached_property, lru_cache
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from steward_events.vocabulary import LONGEST_WORD, Mode, Role
from steward_policy import calendars as working_calendars
from steward_policy.calendars import Calendar, CalendarError, Day
from steward_policy.case_rules import DEFAULTS, CaseRules
from steward_policy.catalogue import BY_ID
from steward_policy.classification import ClassificationRow
from steward_policy.documents import Document, DocumentError, Place, read
from steward_policy.durations import Counting, Duration, Roll
from steward_policy.targets import (
    ALWAYS,
    Basis,
    Condition,
    Entry,
    FactName,
    Identifier,
    Target,
)

Version = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"), BeforeValidator(str)]
AnyEntry = TypeVar("AnyEntry", bound=Entry)
Kind = Literal["targets", "followups", "quotas", "duties", "tells", "classification"]
KINDS: dict[Kind, str] = {
    "targets": "target",
    "followups": "follow-up",
    "quotas": "quota",
    "duties": "duty",
    "tells": "tell",
    "classification": "row",
}
"""The lists of a pack, with the word for one entry of each."""
_OF_THE_RULE: dict[str, tuple[str, ...]] = {
    "targets": ("within", "due"),
    "followups": ("within", "rate"),
    "quotas": ("households",),
    "classification": ("when", "gives"),
    "cases": tuple(name for name in CaseRules.model_fields if name != "basis"),
}
"""The keys by which an entry says what its rule says, where its basis is `rule`."""
_MOST_HOUSEHOLDS = 1_000_000
"""Far more than anybody visits in a month, and no more than a table's number holds."""
_MOST_TOLD = 20
"""So many problems are named; each takes a while, and nobody reads more."""
_Problem = tuple[Place, str]
"""Where it is, and what is wrong."""


class PackError(ValueError):
    """A pack that is refused; each problem names file, line and entry in one sentence.

    Of very many the first are told, and at the end how many more there are.
    """

    def __init__(self, problems: list[str], number: int | None = None) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
        self.number = number or len(problems)

    @property
    def where(self) -> str:
        """File and line of the first problem, and how many there are: nothing of the text."""
        file, line, _ = self.problems[0].split(":", 2)
        first = f", the first of {self.number:,} problems" if self.number > 1 else ""
        return f"{file}:{line}{first}"


def _listed(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


class FollowUpRule(Entry):
    """A follow-up that is owed to the household after a fact about its case.

    `mode`: how it may be made, one or a list, the expected one first; one made on site always
    counts. `role`: who makes it, one or a list; whoever stands above counts too.
    """

    id: Identifier
    rule: Annotated[tuple[str, ...], Field(min_length=1)]
    basis: Basis
    when: Condition = ALWAYS
    after: FactName = "case_handled"
    mode: Annotated[tuple[Mode, ...], BeforeValidator(_listed), Field(min_length=1)]
    role: Annotated[tuple[Role, ...], BeforeValidator(_listed)] = ()
    within: Duration
    calendar: Identifier | None = None
    rate: Annotated[float, Field(gt=0, le=1)] = 1.0

    @property
    def calendars(self) -> Iterator[tuple[Place, str]]:
        """Every calendar that it names, with the place where."""
        if self.calendar:
            yield ("calendar",), self.calendar


class QuotaRule(Entry):
    """So many households that each holder of a role visits in a calendar month, at least."""

    id: Identifier
    rule: Annotated[tuple[str, ...], Field(min_length=1)]
    basis: Basis
    role: Annotated[tuple[Role, ...], BeforeValidator(_listed), Field(min_length=1)]
    households: Annotated[int, Field(gt=0, le=_MOST_HOUSEHOLDS)]

    @property
    def calendars(self) -> Iterator[tuple[Place, str]]:
        """None: a month is a month of the project's zone."""
        return iter(())


class DutyRule(Entry):
    """What holders of a role see to once in every week, Monday to Sunday of the project's zone."""

    id: Identifier
    rule: Annotated[tuple[str, ...], Field(min_length=1)]
    basis: Basis
    role: Role
    every: Literal["week"]
    met_by: Literal["box_opened"]
    """Of each box that hangs there."""

    @property
    def calendars(self) -> Iterator[tuple[Place, str]]:
        """None: a week is a week of the project's zone."""
        return iter(())


class Tell(Entry):
    """Of which fact about their case owners are told, by a text that bears its name."""

    id: Identifier
    rule: Annotated[tuple[str, ...], Field(min_length=1)]
    basis: Basis
    when: Condition = ALWAYS
    """What must hold of the case and of the fact."""
    after: Literal[
        "case_received",
        "case_accepted",
        "appointment_made",
        "extension_approved",
        "owner_message_requested",
        "owner_date_declined",
        "case_refused",
        "case_closed",
    ]
    at_night: bool = False
    """Whether it goes in the quiet hours as well."""

    @property
    def calendars(self) -> Iterator[tuple[Place, str]]:
        """It names none: owners are told at home."""
        return iter(())


AnyRule = Target | FollowUpRule | QuotaRule | DutyRule | Tell | ClassificationRow
"""One entry of a pack."""


def _local_time(value: object) -> object:
    # One with an offset is no local time, and a bare number would be read as seconds.
    if isinstance(value, time) and value.tzinfo is None:
        return value
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9](:00)?", str(value)):
        raise ValueError(f"{value!r} is not a local time of day such as 21:00")
    return value


LocalTime = Annotated[time, BeforeValidator(_local_time)]


class Quiet(Entry):
    """Between which local times owners are told nothing, unless `unless` holds of the case."""

    since: Annotated[LocalTime, Field(alias="from")] = time(21)
    until: LocalTime = time(8)
    unless: Condition = Condition(
        any=(
            Condition(fields={"urgency": ("emergency",)}),
            Condition(fields={"harm_ongoing": (True,)}),
        )
    )


def _elapsed(term: Duration) -> Duration:
    others = (term.months, term.ending, term.at_least, term.late_start)
    if (
        any(other is not None for other in others)
        or term.counting is Counting.WORKING
        or term.roll is not Roll.NONE
    ):
        raise ValueError("It is minutes, hours or days of elapsed time, and says nothing else.")
    return term


Channels = Literal["both", "sms_first"]


class Messages(Entry):
    """Over which channels people are told: by SMS and email, or by email only where SMS fails.

    It fails when it is refused for good, or has no receipt after `email_after`.
    """

    at_once: Channels = "both"
    duty_hours: Channels = "both"
    owners: Channels = "sms_first"
    email_after: Annotated[Duration, AfterValidator(_elapsed)] = Duration(minutes=10)
    quiet: Quiet = Quiet()


class Acknowledgement(Entry):
    """How long who is told of an escalation has to acknowledge it before the next role is told.

    Working time is that of the pack's `duty_calendar`.
    """

    within: Duration
    emergency: Duration


class PolicyPack(Entry):
    """A whole pack, as a YAML file gives it.

    `duty_calendar` says when people are told what is not urgent; `calendars` are the pack's own.
    """

    pack: Identifier
    version: Version
    calendar: Identifier
    duty_calendar: Identifier = "service-centre"
    effective_from: Day | None = None
    acknowledge: Acknowledgement = Acknowledgement(
        within=Duration(hours=4, counting=Counting.WORKING), emergency=Duration(minutes=15)
    )
    messages: Messages = Messages()
    cases: CaseRules = DEFAULTS
    calendars: Mapping[Identifier, Calendar] = {}
    targets: tuple[Target, ...] = ()
    followups: tuple[FollowUpRule, ...] = ()
    quotas: tuple[QuotaRule, ...] = ()
    duties: tuple[DutyRule, ...] = ()
    tells: tuple[Tell, ...] = ()
    classification: tuple[ClassificationRow, ...] = ()

    def entries(self) -> Iterator[tuple[Kind, int, AnyRule]]:
        """Every entry with its list and its place in it."""
        for index, target in enumerate(self.targets):
            yield "targets", index, target
        for index, followup in enumerate(self.followups):
            yield "followups", index, followup
        for index, quota in enumerate(self.quotas):
            yield "quotas", index, quota
        for index, duty in enumerate(self.duties):
            yield "duties", index, duty
        for index, tell in enumerate(self.tells):
            yield "tells", index, tell
        for index, row in enumerate(self.classification):
            yield "classification", index, row


class Additions(Entry):
    """Entries that an override adds to the pack below it; rows of the table stand above its own."""

    targets: tuple[dict[str, Any], ...] = ()
    followups: tuple[dict[str, Any], ...] = ()
    quotas: tuple[dict[str, Any], ...] = ()
    duties: tuple[dict[str, Any], ...] = ()
    tells: tuple[dict[str, Any], ...] = ()
    classification: tuple[dict[str, Any], ...] = ()


class Override(Entry):
    """What a group or a project changes: keys of entries by their ID, entries added or dropped."""

    overrides: Identifier
    version: Version
    effective_from: Day | None = None
    calendar: Identifier | None = None
    duty_calendar: Identifier | None = None
    acknowledge: dict[str, Any] | None = None
    messages: dict[str, Any] | None = None
    cases: dict[str, Any] | None = None
    calendars: dict[str, Any] = {}
    targets: tuple[dict[str, Any], ...] = ()
    followups: tuple[dict[str, Any], ...] = ()
    quotas: tuple[dict[str, Any], ...] = ()
    duties: tuple[dict[str, Any], ...] = ()
    tells: tuple[dict[str, Any], ...] = ()
    classification: tuple[dict[str, Any], ...] = ()
    add: Additions = Additions()
    drop: tuple[Identifier, ...] = ()


@dataclass(frozen=True)
class Rules:
    """The rules of one version, resolved and immutable; what deciders are built with.

    `version` is how facts name it: `residential-cn@2026.4`, with `+…` for every override.
    """

    version: str
    sha256: str
    pack: PolicyPack
    source: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets in the pack's order."""
        return self.pack.targets

    @property
    def followups(self) -> tuple[FollowUpRule, ...]:
        """The follow-up rules in the pack's order."""
        return self.pack.followups

    @property
    def quotas(self) -> tuple[QuotaRule, ...]:
        """The monthly quotas in the pack's order."""
        return self.pack.quotas

    @property
    def duties(self) -> tuple[DutyRule, ...]:
        """What is seen to every week, in the pack's order."""
        return self.pack.duties

    @property
    def tells(self) -> tuple[Tell, ...]:
        """Of what owners are told, in the pack's order."""
        return self.pack.tells

    @property
    def classification(self) -> tuple[ClassificationRow, ...]:
        """The rows of the table that says what a case is, in the pack's order."""
        return self.pack.classification

    @property
    def cases(self) -> CaseRules:
        """What the desk allows and counts of a case."""
        return self.pack.cases

    @property
    def effective_from(self) -> date | None:
        """The first local date on which it decides; None means always."""
        return self.pack.effective_from

    @cached_property
    def by_id(self) -> Mapping[str, Target]:
        """The targets by their ID."""
        return {target.id: target for target in self.pack.targets}

    @cached_property
    def calendars(self) -> Mapping[str, Calendar]:
        """Every calendar that an entry may name."""
        built_in = {name: working_calendars.built_in(name) for name in working_calendars.BUILT_IN}
        return built_in | dict(self.pack.calendars)

    def calendar(self, name: str | None = None) -> Calendar:
        """Give the named calendar, the pack's own without a name."""
        wanted = name or self.pack.calendar
        try:
            return self.calendars[wanted]
        except KeyError:
            raise CalendarError(f"The calendar '{wanted}' is unknown.") from None

    @property
    def duty_calendar(self) -> Calendar:
        """When people are told what is not urgent: `duty_calendar.next_open(at)`."""
        return self.calendar(self.pack.duty_calendar)


class UnknownVersion(KeyError):
    """A fact names a policy version that has not been heard yet: park it, it mends itself."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self.version = version

    def __str__(self) -> str:
        return f"The policy version '{self.version}' is not known here yet."


@dataclass(frozen=True, slots=True)
class Publication:
    """A version that was published for all, for a group or for a project, and from when it decides."""

    version: str
    effective_from: date
    group_id: str | None = None
    project_id: str | None = None

    def has_begun(self, day: date) -> bool:
        """Say whether it decides on a local day of those for whom it is meant."""
        return self.effective_from <= day

    def narrowness(self, group_id: str, project_id: str | None) -> int | None:
        """Say how closely it is meant for this project or group; None where it is not."""
        if self.project_id is not None:
            return 2 if self.project_id == project_id else None
        if self.group_id is not None:
            return 1 if self.group_id == group_id else None
        return 0


def in_force(
    published: Iterable[Publication], day: date, group_id: str, project_id: str | None = None
) -> str | None:
    """Give the version that decides on a local day, of those given in the order of publication.

    The most specific that has begun wins, of these the one that began last, of these the one
    published last. None where none has begun.
    """
    begun = [
        ((narrowness, publication.effective_from, place), publication.version)
        for place, publication in enumerate(published)
        if publication.has_begun(day)
        and (narrowness := publication.narrowness(group_id, project_id)) is not None
    ]
    return max(begun)[1] if begun else None


def load(text: str, name: str = "pack.yaml", *overrides: tuple[str, str]) -> Rules:
    """Read a pack and the overrides upon it, each a (text, file name), the most specific last.

    An override that comes first lies upon the built-in pack that it names. Raises `PackError` with
    the problems found.
    """
    (text, name), *others = standing_on_a_pack(text, name, *overrides)
    documents = [read_document(text, name)]
    data: dict[str, Any] = documents[0].data
    pack = _resolve(data, documents)
    version = f"{pack.pack}@{pack.version}"
    digest = hashlib.sha256(text.encode())
    for other_text, other_name in others:
        above = read_document(other_text, other_name)
        override = _validate(Override, above.data, [above])
        documents.append(above)
        data = _merge(data, override, above)
        pack = _resolve(data, documents)
        version += f"+{override.version}"
        digest.update(b"\0" + other_text.encode())
    if len(version) > LONGEST_WORD:
        line = documents[-1].line_of(("version",))
        raise PackError(
            [
                f"{documents[-1].name}:{line}: the name of the version, with the pack's and that of"
                f" every override, is longer than {LONGEST_WORD} characters."
            ]
        )
    return Rules(version, digest.hexdigest(), pack, data)


def read_override(text: str, name: str = "override.yaml") -> Override | None:
    """Read an override by itself, None where the text is a pack; raises `PackError`."""
    document = read_document(text, name)
    return _validate(Override, document.data, [document]) if "overrides" in document.data else None


def whole(rules: Rules) -> str:
    """Write rules with their overrides as one pack, which loads as the same version."""
    _, _, version = rules.version.partition("@")
    return yaml.safe_dump(
        {**rules.source, "version": version}, allow_unicode=True, sort_keys=False, width=100
    )


def standing_on_a_pack(
    text: str, name: str, *overrides: tuple[str, str]
) -> tuple[tuple[str, str], ...]:
    """Give the texts from the pack up: below an override that comes first, its built-in pack."""
    texts = ((text, name), *overrides)
    if "overrides" not in text:  # most are packs, and reading one takes a while
        return texts
    document = read_document(text, name)
    below = document.data.get("overrides")
    if not isinstance(below, str):
        return texts
    try:
        return ((built_in_text(below), f"{below}.yaml"), *texts)
    except PackError as error:
        line = document.line_of(("overrides",))
        raise PackError([f"{name}:{line}: {problem}" for problem in error.problems]) from error


def read_targets(entries: object, rules: Rules) -> tuple[Target, ...]:
    """Read targets as a pack lists them, for a question that brings its own.

    They may name the calendars of `rules` and any rule, also one of the house's own. Raises
    `PackError`.
    """
    data = {"targets": entries}
    document = Document("targets", data, {})
    listed = _validate(_Targets, data, [document]).targets
    problems: list[_Problem] = [
        (("targets", index, *where), f"the calendar '{name}' is unknown")
        for index, target in enumerate(listed)
        for where, name in target.calendars
        if name not in rules.calendars
    ]
    seen: set[str] = set()
    for index, target in enumerate(listed):
        if target.id in seen:
            problems.append((("targets", index, "id"), f"the ID '{target.id}' is used twice"))
        seen.add(target.id)
    if problems:
        raise _refused([document], data, problems)
    return listed


class _Targets(Entry):
    targets: tuple[Target, ...]


def _resolve(data: dict[str, Any], documents: list[Document]) -> PolicyPack:
    pack = _validate(PolicyPack, data, documents)
    _check_entries(pack, data, documents)
    return pack


def read_document(text: str, name: str) -> Document:
    """Read the YAML of a pack or an override; raises `PackError`."""
    try:
        document = read(text, name)
    except DocumentError as error:
        raise PackError([str(error)]) from error
    if not isinstance(document.data, dict):
        raise PackError([f"{name}:1: a policy pack is a mapping that begins with 'pack:'."])
    return document


def _validate(model: type[AnyEntry], data: Any, documents: list[Document]) -> AnyEntry:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems: list[_Problem] = [
            (problem["loc"], _reason(problem["msg"], problem["type"]))
            for problem in error.errors(include_url=False)
        ]
        raise _refused(documents, data, problems) from error


def _refused(documents: list[Document], data: Any, problems: Sequence[_Problem]) -> PackError:
    told = _told(problems, lambda problem: problem_at(documents, data, *problem))
    return PackError(told, len(problems))


def _told(problems: Sequence[_Problem], name: Callable[[_Problem], str]) -> list[str]:
    """Name the first problems, and say how many more there are."""
    told = [name(problem) for problem in problems[:_MOST_TOLD]]
    more = len(problems) - len(told)
    return [*told, f"And {more:,} more."] if more else told


def _reason(message: str, kind: str) -> str:
    match kind:
        case "missing":
            return "this key is missing"
        case "extra_forbidden":
            return "this key is unknown"
        case "model_type" | "dict_type" | "mapping_type":
            return "a mapping is wanted here"
        case "tuple_type":
            return "a list is wanted here"
        case "date_type" | "date_parsing" | "date_from_datetime_parsing":
            return "a date is wanted here, such as 2026-10-01"
        case _:
            return message.removeprefix("Value error, ").rstrip(".")


def problem_at(
    documents: list[Document], data: Any, loc: tuple[str | int, ...], reason: str
) -> str:
    """One sentence that begins with file, line and entry."""
    match loc:
        case (str(kind), int(index), *rest) if kind in KINDS:
            entry = data[kind][index]
            entry_id = entry.get("id") if isinstance(entry, dict) else None
            found = _written(documents, kind, entry_id, index)
            document, place = found or (documents[0], (kind, index))
            line = document.line_of((*place, *rest))
            what = f"{KINDS[kind]} {_label(entry, index)}"
        case _:
            document = next(
                (document for document in reversed(documents) if loc[:1] in document.lines),
                documents[-1],
            )
            line, rest, what = document.line_of(loc), list(loc), "the pack"
    key = ".".join(str(part) for part in rest)
    return f"{document.name}:{line}: {what}{f', {key}' if key else ''}: {reason}."


def _label(entry: Any, index: int) -> str:
    if not isinstance(entry, dict) or "id" not in entry:
        return f"number {index + 1}"
    rules = entry.get("rule", [])
    named = ", ".join(str(rule) for rule in rules) if isinstance(rules, list) else str(rules)
    return f"'{entry['id']}'" + (f" ({named})" if named else "")


def _written(
    documents: list[Document], kind: str, entry_id: Any, index: int
) -> tuple[Document, Place] | None:
    """Where an entry was written last; of two with one ID the one in its own place."""
    for document in reversed(documents):
        for place in ((kind,), ("add", kind)):
            entries: Any = document.data
            for part in place:
                entries = entries.get(part, {}) if isinstance(entries, dict) else {}
            named = [
                position
                for position, entry in enumerate(entries)
                if isinstance(entry, dict) and entry.get("id") == entry_id
            ]
            if named:
                return document, (*place, index if index in named else named[0])
    return None


def _check_entries(pack: PolicyPack, data: Any, documents: list[Document]) -> None:
    """Refuse what single entries cannot know: doubled IDs, unknown rules and calendars."""
    known = {*pack.calendars, *working_calendars.BUILT_IN}
    problems: list[_Problem] = [
        ((key,), f"the calendar '{name}' is unknown")
        for key, name in (("calendar", pack.calendar), ("duty_calendar", pack.duty_calendar))
        if name not in known
    ]
    seen: set[str] = set()
    for kind, index, entry in pack.entries():

        def refuse(reason: str, *rest: str | int, kind: Kind = kind, index: int = index) -> None:
            problems.append(((kind, index, *rest), reason))

        if entry.id in seen:
            refuse(f"the ID '{entry.id}' is used twice", "id")
        seen.add(entry.id)
        for place, rule_id in enumerate(entry.rule):
            if rule_id not in BY_ID:
                refuse(f"the rule '{rule_id}' is unknown", "rule", place)
        for where, name in entry.calendars:
            if name not in known:
                refuse(f"the calendar '{name}' is unknown", *where)
    if problems:
        raise _refused(documents, data, problems)


def _merge(base: dict[str, Any], override: Override, above: Document) -> dict[str, Any]:
    """Lay an override upon a pack, entry by entry and key by key."""
    problems: list[_Problem] = []

    def refuse(place: Place, reason: str) -> None:
        problems.append((place, reason))

    def named(problem: _Problem) -> str:
        place, reason = problem
        return f"{above.name}:{above.line_of(place)}: {reason}"

    if override.overrides != base["pack"]:
        refuse(
            ("overrides",),
            f"it overrides the pack '{override.overrides}', but lies upon '{base['pack']}'.",
        )
    merged = dict(base)
    for key in ("calendar", "duty_calendar", "effective_from"):
        if key in above.data:
            merged[key] = above.data[key]
    for key in ("acknowledge", "messages", "cases"):
        if key in above.data:
            merged[key] = _changed(key, base.get(key) or {}, above.data[key] or {})
    merged["calendars"] = {**base.get("calendars", {}), **override.calendars}
    known = {entry["id"] for kind in KINDS for entry in base.get(kind, [])}
    gone = frozenset(override.drop)
    for index, dropped in enumerate(override.drop):
        if dropped not in known:
            refuse(("drop", index), f"the entry '{dropped}' is unknown, so it cannot be dropped.")
    for kind, word in KINDS.items():
        below = {entry["id"]: entry for entry in base.get(kind, [])}
        changes: dict[str, dict[str, Any]] = {}
        for index, change in enumerate(getattr(override, kind)):
            match change.get("id"):
                case str(name) if name in changes:
                    refuse((kind, index), f"the {word} '{name}' is changed twice.")
                case str(name) if name in below:
                    changes[name] = change
                case str(name):
                    refuse(
                        (kind, index),
                        f"the {word} '{name}' is unknown in '{base['pack']}';"
                        " a new one stands under 'add'.",
                    )
                case _:
                    refuse((kind, index), f"it does not say by its 'id' which {word} it changes.")
        kept = [
            _changed(kind, entry, changes.get(name, {}))
            for name, entry in below.items()
            if name not in gone
        ]
        added = list(getattr(override.add, kind))
        # Of the table's rows the first that holds is taken: the most specific stand above.
        merged[kind] = added + kept if kind == "classification" else kept + added
    if problems:
        raise PackError(_told(problems, named), len(problems))
    return merged


def _changed(kind: str, entry: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """Lay a change upon an entry; a number that is not the rule's any longer has another basis."""
    basis = {"basis": "default"} if not_of_the_rule(kind, entry, change) else {}
    return {**entry, **change, **basis}


def not_of_the_rule(
    kind: str, entry: Mapping[str, Any], change: Mapping[str, Any]
) -> Sequence[str]:
    """Give the keys that a change takes from an entry's rule without saying on what basis."""
    if entry.get("basis") != "rule" or "basis" in change:
        return ()
    of_the_rule = _OF_THE_RULE.get(kind, ())
    return [key for key in of_the_rule if key in change and change[key] != entry.get(key)]


@lru_cache
def built_in_text(name: str = "residential-cn") -> str:
    """Give the YAML of a built-in pack; a `PackError` when there is none of that name."""
    file = resources.files("steward_policy") / "packs" / f"{name}.yaml"
    if not re.fullmatch(r"[a-z0-9-]+", name) or not file.is_file():
        raise PackError([f"There is no built-in pack '{name}'."])
    return file.read_text(encoding="utf-8")


@lru_cache
def built_in(name: str = "residential-cn") -> Rules:
    """Give the rules of a built-in pack."""
    return load(built_in_text(name), f"{name}.yaml")
