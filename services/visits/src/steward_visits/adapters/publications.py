"""Which policy version is in force at a project: what was published, in memory."""

from collections.abc import Sequence
from datetime import UTC, date

import asyncpg
from sqlalchemy import select

from steward_events.recorded import Recorded
from steward_events.registry import PolicyPublished
from steward_policy.packs import Publication, Rules, in_force
from steward_service.policies import Policies
from steward_service.queries import fetch
from steward_visits.adapters.read_models import POLICIES, PUBLICATIONS


class Publications:
    """The policies that were heard, with the order and the days of their publication.

    Filled like `Policies`, from the tables at the start and from what is heard.
    """

    def __init__(self) -> None:
        self.rules = Policies()
        self._published: dict[str, dict[str, Publication]] = {}

    async def load(self, pool: asyncpg.Pool) -> None:
        """Read what was heard before."""
        await self.rules.load(pool, POLICIES)
        columns = PUBLICATIONS.c
        for row in await fetch(
            pool, select(PUBLICATIONS).order_by(columns.published_at, columns.version)
        ):
            self._put(
                row["pack"],
                Publication(
                    row["version"],
                    row["effective_from"].astimezone(UTC).date(),
                    row["group_id"],
                    row["project_id"],
                ),
            )

    async def heard(self, facts: Sequence[Recorded]) -> None:
        """Take note of policies among the facts that were heard."""
        await self.rules.heard(facts)
        for recorded in facts:
            if isinstance(recorded.fact, PolicyPublished):
                fact = recorded.fact
                if self.rules.get(f"{fact.pack}@{fact.version}") is None:
                    continue  # it was parked, with the reason
                day = fact.effective_from.astimezone(UTC).date()
                self._put(fact.pack, Publication(fact.version, day, fact.group_id, fact.project_id))

    def in_force(self, pack: str, day: date, group_id: str | None, project_id: str) -> Rules | None:
        """Give the rules of a day at a project; raises `UnknownVersion` for unreadable ones."""
        published = self._published.get(pack, {}).values()
        version = in_force(published, day, group_id or "", project_id)
        return None if version is None else self.rules[f"{pack}@{version}"]

    def _put(self, pack: str, publication: Publication) -> None:
        self._published.setdefault(pack, {}).setdefault(publication.version, publication)
