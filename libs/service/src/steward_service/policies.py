"""The policy versions that a service has heard: their texts in a table, their rules in memory."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache

import asyncpg
import structlog
from sqlalchemy import Column, MetaData, Table, Text, select

from steward_decider import Refused
from steward_events.recorded import Recorded
from steward_events.registry import PolicyPublished
from steward_eventstore.port import Change, Upsert
from steward_policy.packs import PackError, Rules, UnknownVersion, load
from steward_service.queries import fetch

_LOG = structlog.get_logger(__name__)


def policies_table(metadata: MetaData) -> Table:
    """Declare the table in which a service keeps what it heard of policies."""
    return Table(
        "policies",
        metadata,
        Column("version", Text, primary_key=True),
        Column("text", Text, nullable=False, default=""),
    )


def keep_policy(table: Table, recorded: Recorded) -> Iterable[Change]:
    """Keep a published policy; the part of a projection that `Policies` reads.

    Raises `Refused` for one that cannot be read, so that it is parked.
    """
    if isinstance(recorded.fact, PolicyPublished):
        fact, version = recorded.fact, _named(recorded.fact)
        try:
            _read(fact.text, version)
        except PackError as error:
            reason = f"The policy {version} cannot be read: {error.where}."
            raise Refused(reason, code="unreadable") from error
        yield Upsert(table, {"version": version, "text": fact.text})


class Policies:
    """The rules by the name that facts give them, `pack@version`; what deciders ask.

    Filled from the table at the start and from what is heard: group-wide facts reach every
    partition, so every process hears a policy before any case that was decided under it.
    """

    def __init__(self) -> None:
        self._rules: dict[str, Rules] = {}

    def __getitem__(self, version: str) -> Rules:
        """Give the rules of a version; raises `UnknownVersion`."""
        try:
            return self._rules[version]
        except KeyError:
            raise UnknownVersion(version) from None

    def known(self) -> Iterable[Rules]:
        """Give the rules of all versions that were heard."""
        return self._rules.values()

    def get(self, version: str) -> Rules | None:
        """Give the rules of a version, None if it was not heard."""
        return self._rules.get(version)

    async def load(self, pool: asyncpg.Pool | asyncpg.Connection, table: Table) -> None:
        """Read what was heard before."""
        for row in await fetch(pool, select(table)):
            try:
                self._put(row["version"], row["text"])
            except PackError as error:
                # Another release took it. Its cases wait in their lines, and the reason is told here.
                _LOG.error("A policy cannot be read.", version=row["version"], where=error.where)

    async def heard(self, facts: Sequence[Recorded]) -> None:
        """Take note of policies among the facts that were heard."""
        for recorded in facts:
            if isinstance(recorded.fact, PolicyPublished):
                with suppress(PackError):  # it was parked, with the reason
                    self._put(_named(recorded.fact), recorded.fact.text)

    def put(self, rules: Rules) -> None:
        """Take note of a version that was read already."""
        self._rules[rules.version] = rules

    def _put(self, version: str, text: str) -> None:
        if version not in self._rules:
            self._rules[version] = _read(text, version)


@lru_cache(maxsize=64)
def _read(text: str, version: str) -> Rules:
    return load(text, version)


def _named(fact: PolicyPublished) -> str:
    return f"{fact.pack}@{fact.version}"
