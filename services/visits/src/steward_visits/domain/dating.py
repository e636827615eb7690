"""How far back what was done may be dated, which the policy says."""

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from steward_decider import Refused
from steward_events.vocabulary import Role
from steward_policy.case_rules import CaseRules


def demand_recent(
    what: str,
    at: datetime,
    said_at: datetime,
    allowed: CaseRules,
    zone: ZoneInfo,
    roles: Iterable[Role],
) -> None:
    """Refuse what is dated further back than the rules let whoever made it, by the roles they hold."""
    since = allowed.dated_since(said_at, zone, roles)
    if at < since:
        raise Refused(
            f"Only a {what} since {since.isoformat()} is written down here.", code="bad_data"
        )
