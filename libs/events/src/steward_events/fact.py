"""What a fact is, and the catalogue of all facts by their wire names."""

import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json

_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")

Upcast = Callable[[dict[str, Any]], dict[str, Any]]


class NewerVersion(Exception):
    """A known name with a version newer than ours: the producer was rolled first. Park it."""


class Unreadable(Exception):
    """The content does not fit its type. Park it."""


def plain_name(name: str) -> str:
    """Give a name that others chose as a reason may tell it: one that is no plain name is left out."""
    return name if _PLAIN_NAME.fullmatch(name) else "…"


def plain_place(parts: Iterable[str | int]) -> str:
    """Name a place in a content, or a type by its parts, in plain names with dots between."""
    return ".".join(str(part) if isinstance(part, int) else plain_name(part) for part in parts)


def plain_type(wire_type: str) -> str:
    """Give a wire type as a reason may tell it."""
    return plain_place(wire_type[:200].split("."))


class Fact(BaseModel):
    """Something that happened. A released fact never changes; a new shape is a new version.

    `class CaseReceived(Fact, name="intake.case_received")` declares `intake.case_received.v1`.
    `rules` names the rules (docs/rules.md) that this fact helps to carry out.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    wire_name: ClassVar[str] = ""
    wire_version: ClassVar[int] = 1
    wire_type: ClassVar[str] = ""
    rules: ClassVar[tuple[str, ...]] = ()

    @property
    def carries_out(self) -> tuple[str, ...]:
        """The rules that this very fact carries out: of its kind, and of the entry that made it."""
        return (*self.rules, *getattr(self, "rule", ()))

    def __init_subclass__(cls, *, name: str | None = None, version: int = 1, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)  # name and version are taken below

    @classmethod
    def __pydantic_init_subclass__(
        cls, *, name: str | None = None, version: int = 1, **kwargs: Any
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if name is None:
            return
        cls.wire_name, cls.wire_version = name, version
        cls.wire_type = f"{name}.v{version}"
        known = _latest.get(name)
        if cls.wire_type in _by_type and _by_type[cls.wire_type].__module__ != cls.__module__:
            raise TypeError(f"The fact {cls.wire_type} is declared twice.")
        _by_type[cls.wire_type] = cls
        if known is None or known.wire_version <= version:
            _latest[name] = cls


_by_type: dict[str, type[Fact]] = {}
_latest: dict[str, type[Fact]] = {}
_upcasters: dict[tuple[str, int], Upcast] = {}


def upcaster(name: str, version: int) -> Callable[[Upcast], Upcast]:
    """Register the pure step that turns the content of `name.v<version>` into the next version."""

    def register(step: Upcast) -> Upcast:
        _upcasters[name, version] = step
        return step

    return register


def known_facts() -> list[type[Fact]]:
    """Give every declared fact, of every version, by wire type."""
    return [_by_type[wire_type] for wire_type in sorted(_by_type)]


def split_type(wire_type: str) -> tuple[str, int]:
    """Split `owner.fact.v2` into name and version; raises `Unreadable`."""
    name, dot, version = wire_type.rpartition(".v")
    if not dot or not version.isascii() or not version.isdigit() or len(version) > 6:
        raise Unreadable(
            f"“{plain_type(wire_type)}” is not the type of a fact: it must end in .v<number>."
        )
    return name, int(version)


def read_fact(wire_type: str, data: bytes | str) -> Fact | None:
    """Read a fact's JSON as the newest version of its type; None for a name that nobody declared.

    Raises `NewerVersion` and `Unreadable`.
    """
    declared = _by_type.get(wire_type)
    if declared is not None and _latest[declared.wire_name] is declared:
        return _validate(declared, wire_type, data)
    name, version = split_type(wire_type)
    newest = _latest.get(name)
    if newest is None:
        return None
    if version > newest.wire_version:
        raise NewerVersion(
            f"{wire_type} is newer than {newest.wire_type}, the newest that this program knows."
        )
    content = _upcast(name, version, newest.wire_version, data)
    try:
        return newest.model_validate(content)
    except ValidationError as error:
        raise Unreadable(f"{wire_type} cannot be read: {_first(error)}") from error


def _validate(declared: type[Fact], wire_type: str, data: bytes | str) -> Fact:
    try:
        return declared.model_validate_json(data)
    except ValidationError as error:
        raise Unreadable(f"{wire_type} cannot be read: {_first(error)}") from error


def _upcast(name: str, version: int, newest: int, data: bytes | str) -> dict[str, Any]:
    try:
        content = from_json(data)
    except ValueError as error:
        raise Unreadable(f"{name}.v{version} cannot be read: it is not JSON.") from error
    if not isinstance(content, dict):
        raise Unreadable(f"{name}.v{version} cannot be read: it is not a JSON object.")
    for step in range(version, newest):
        if (name, step) not in _upcasters:
            raise Unreadable(f"{name}.v{step} has no upcaster to the next version.")
        try:
            content = _upcasters[name, step](content)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # A step expects what was released; what is broken must not stop the reader.
            raise Unreadable(f"{name}.v{step} cannot be read: it is not what it was.") from error
    return dict(content)


def _first(error: ValidationError) -> str:
    # The value itself is left out: it may be personal.
    problem = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = plain_place(problem["loc"]) or "the content"
    return f"{place}: {problem['msg']}"
