"""What another version of the rules says otherwise, entry by entry, in words."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from steward_policy.explanation import explain
from steward_policy.packs import KINDS, AnyRule, Kind, Rules

_WHOLE = (
    *("calendar", "duty_calendar", "effective_from"),
    *("acknowledge", "messages", "cases", "calendars"),
)
"""What a pack says beside its entries."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One entry, or a key of the pack itself, that is not the same.

    `keys` names what was changed; `before` and `after` are the sentences that differ.
    """

    what: Literal["added", "removed", "changed"]
    kind: str
    id: str
    rule: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def differences(one: Rules, other: Rules) -> Iterator[Difference]:
    """Give all that `other` says otherwise than `one`: the pack itself, then its entries."""
    ours, theirs = (rules.pack.model_dump(mode="json", by_alias=True) for rules in (one, other))
    for key in _WHOLE:
        if ours[key] != theirs[key]:
            said = (f"{key}: {_plain(ours[key])}",), (f"{key}: {_plain(theirs[key])}",)
            yield Difference("changed", "pack", one.pack.pack, (), (key,), *said)
    before, after = _entries(one), _entries(other)
    for place in dict.fromkeys([*before, *after]):
        kind, name = place
        old, new = before.get(place), after.get(place)
        word = KINDS[kind]
        if old is None and new is not None:
            yield Difference("added", word, name, new.rule, after=_words(new, other))
        elif new is None and old is not None:
            yield Difference("removed", word, name, old.rule, before=_words(old, one))
        elif old is not None and new is not None and old != new:
            yield _changed(word, old, new, one, other)


def _changed(word: str, old: AnyRule, new: AnyRule, one: Rules, other: Rules) -> Difference:
    ours, theirs = (entry.model_dump(mode="json", by_alias=True) for entry in (old, new))
    keys = tuple(key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key))
    before, after = _words(old, one), _words(new, other)
    lost = tuple(line for line in before if line not in after)
    gained = tuple(line for line in after if line not in before)
    if not lost and not gained:  # nothing that is put into sentences
        lost = tuple(f"{key}: {_plain(ours.get(key))}" for key in sorted(keys))
        gained = tuple(f"{key}: {_plain(theirs.get(key))}" for key in sorted(keys))
    return Difference("changed", word, new.id, new.rule, tuple(sorted(keys)), lost, gained)


def _entries(rules: Rules) -> Mapping[tuple[Kind, str], AnyRule]:
    return {(kind, entry.id): entry for kind, _, entry in rules.pack.entries()}


def _words(entry: AnyRule, rules: Rules) -> tuple[str, ...]:
    _, *lines = explain(entry, rules).splitlines()
    return tuple(line.strip() for line in lines)


def _plain(value: Any) -> str:
    return "nothing" if value in (None, {}, []) else str(value)
