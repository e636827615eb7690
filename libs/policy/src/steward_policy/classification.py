"""What a case is, as the pack's decision table suggests it; a person decides.

A row gives one thing. Of the rows that give a thing the first that holds is taken, and the things are
found one after the other, so that a row may ask for what was found before it. What is not known makes
nothing milder: the row that might hold is named, and what is suggested instead is in doubt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from steward_events.vocabulary import OutsideParty, Severity, Validity, Word, WorkCategory
from steward_policy.documents import Place
from steward_policy.targets import ALWAYS, Basis, Condition, Entry, Identifier

GROUNDS: Mapping[Validity, str] = {
    Validity.VALID: "abcdefg",
    Validity.COORDINATION: "abcde",
    Validity.EXCESSIVE: "abc",
}
"""The grounds that the rules name: RM-4.3.1a..g, RM-4.3.2a..e, RM-4.3.3a..c."""

Thing = Literal["topic", "validity", "severity", "work_category"]
THINGS: Mapping[Thing, tuple[str, ...]] = {
    "topic": ("topic",),
    "validity": ("validity", "ground", "outside_party"),
    "severity": ("severity",),
    "work_category": ("work_category",),
}
"""What a row gives, with its fields, in the order in which it is found."""

INPUTS = frozenset(
    {
        *("kind", "channel", "party", "topic", "complained_of", "rework_of", "in_writing"),
        *("grievance", "injury", "claimed_loss", "company_at_fault", "easily_remedied"),
        *("households_concerned", "authority_or_media", "harm_ongoing"),
        *("validity", "ground", "earlier_mentions", "duty_unmet"),
    }
)
"""What a row may ask for.

`earlier_mentions` counts earlier cases and chases on the matter; `duty_unmet` says that nothing was
done yet; `validity` and `ground` are as found, else as a person has decided.
"""


class Gives(Entry):
    """What a row suggests."""

    validity: Validity | None = None
    ground: str | None = None
    outside_party: OutsideParty | None = None
    severity: Severity | None = None
    topic: Annotated[Word, Field(min_length=1)] | None = None
    work_category: WorkCategory | None = None

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if len([thing for thing in THINGS if getattr(self, thing) is not None]) != 1:
            raise ValueError(
                "A row gives one thing: a validity, a severity, a topic or a work_category."
            )
        if self.ground is not None:
            problem = "A ground belongs to a validity."
            if self.validity is not None:
                problem = wrong_ground(self.validity, self.ground)
            if problem:
                raise ValueError(problem)
        if (self.outside_party is None) == (self.validity is Validity.COORDINATION):
            raise ValueError("A coordination matter, and nothing else, names its outside_party.")
        return self

    @property
    def thing(self) -> Thing:
        """Which one it is."""
        return next(thing for thing in THINGS if getattr(self, thing) is not None)

    @property
    def fields(self) -> dict[str, str]:
        """The thing with all that belongs to it."""
        return {name: str(value) for name, value in self if value is not None}


def wrong_ground(validity: Validity, ground: str) -> str:
    """Say in a sentence why there is no such ground; nothing where there is one."""
    grounds = GROUNDS[validity]
    if len(ground) == 1 and ground in grounds:
        return ""
    what = {
        Validity.VALID: "A valid complaint",
        Validity.COORDINATION: "A coordination matter",
        Validity.EXCESSIVE: "An excessive demand",
    }[validity]
    if not ground:
        return f"{what} names its ground, one of {grounds[0]} to {grounds[-1]}."
    return f"{what} has no ground “{ground}”; there are {grounds[0]} to {grounds[-1]}."


class ClassificationRow(Entry):
    """One row of the table: when it holds, and what it gives.

    `only_if_sure`: it is not taken while one above it might hold too if more were known.
    """

    id: Identifier
    rule: Annotated[tuple[str, ...], Field(min_length=1)]
    basis: Basis
    when: Condition = ALWAYS
    gives: Gives
    only_if_sure: bool = False

    @property
    def calendars(self) -> Iterator[tuple[Place, str]]:
        """It names none: a class has no hours."""
        return iter(())


@dataclass(frozen=True, slots=True)
class Missed:
    """A row of which nobody knows whether it holds, and the inputs that are lacking."""

    row: ClassificationRow
    lacks: frozenset[str]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the table makes of a case."""

    found: Mapping[str, str]
    """Fields and their values, such as `validity`, `ground` and `severity`."""
    held: tuple[ClassificationRow, ...]
    """Every row that holds, whether or not one above it was taken."""
    taken: frozenset[str]
    """The IDs of the rows to which `found` is owed."""
    missed: tuple[Missed, ...]
    in_doubt: Mapping[str, frozenset[str]]
    """Each thing that might have been another if more were known, with the inputs that are lacking."""


def suggest(rows: Sequence[ClassificationRow], inputs: Mapping[str, object]) -> Suggestion:
    """Say what a case is, from what is known of it; an absent input is not known."""
    case = dict(inputs)
    found: dict[str, str] = {}
    held: list[ClassificationRow] = []
    taken: set[str] = set()
    missed: list[Missed] = []
    in_doubt: dict[str, frozenset[str]] = {}
    for thing, fields in THINGS.items():
        is_open = True
        for row in rows:
            if row.gives.thing != thing:
                continue
            verdict = row.when.verdict(case)
            if isinstance(verdict, frozenset):
                lacks = _inputs(verdict, in_doubt)
                missed.append(Missed(row, lacks))
                if is_open:
                    in_doubt[thing] = in_doubt.get(thing, frozenset()) | lacks
            elif verdict:
                held.append(row)
                if is_open and not (row.only_if_sure and thing in in_doubt):
                    is_open = False
                    taken.add(row.id)
                    given = row.gives.fields
        if not is_open:
            found |= given
            case |= {name: given.get(name) for name in fields}
    return Suggestion(found, tuple(held), frozenset(taken), tuple(missed), in_doubt)


def _inputs(lacking: frozenset[str], in_doubt: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Name what somebody could say where a row lacks a ground that the table did not find."""
    found_by_table, why_not = lacking & {*THINGS["validity"]}, in_doubt.get("validity")
    return (lacking - found_by_table) | why_not if found_by_table and why_not else lacking
