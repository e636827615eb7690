"""What sla does about a fact of a case: its clocks hear it, whatever it is.

Which facts start, stop or move a clock is said by the policy pack, not here.
"""

from collections.abc import Iterable
from datetime import timedelta
from functools import lru_cache
from typing import get_args

from steward_events.fact import Fact
from steward_events.recorded import Recorded
from steward_events.sealed import Sealed
from steward_eventstore.execute import To
from steward_sla.domain.clocks import HearCaseFact

AT_ONCE = timedelta(minutes=1)
"""What is said within this time of its happening was known when it happened."""


def stream_of(case_id: str) -> str:
    """Name the stream with the clocks of a case."""
    return f"clocks-{case_id}"


def follow(heard: Recorded) -> Iterable[To]:
    """Follow a case of intake."""
    fact = heard.fact
    case_id = getattr(fact, "case_id", None)
    if fact is None or case_id is None:
        return
    was_later = heard.known_at - heard.occurred_at > AT_ONCE or getattr(fact, "moved_from", None)
    command = HearCaseFact(
        at=heard.occurred_at,
        case_id=case_id,
        project_id=heard.key,
        name=fact.wire_name.partition(".")[2],
        version=heard.version,
        fields=fact.model_dump(mode="json", include=_open_fields(type(fact)), exclude_none=True),
        history=heard.history,
        known_at=heard.known_at if was_later else None,
    )
    yield To(stream_of(case_id), heard.key, command)


@lru_cache
def _open_fields(kind: type[Fact]) -> set[str]:
    """The fields that conditions may ask for: sealed ones are nobody's business here."""
    return {
        name
        for name, field in kind.model_fields.items()
        if Sealed not in (field.annotation, *get_args(field.annotation)) and name != "case_id"
    }
