"""A small service on the real shell, for tests that start, kill and stop whole processes.

`python -m tests.support.example_service NAME OWN_TOPIC HEARD_TOPIC`: what it hears on one topic it
notes in streams of its own, which its relay publishes on the other. A sweep `note` notes its payload
in every stream that it reaches. With the variable EXAMPLE_LOSES the database goes away while it starts.
"""

import os
import sys
from collections.abc import Iterable

from tests.support.eventstore import START, ClockDecider, Note

from steward_events.recorded import Recorded
from steward_eventstore.execute import To
from steward_eventstore.port import Sweep
from steward_service.runtime import Service
from steward_service.settings import ServiceSettings


def note(heard: Recorded) -> Iterable[To]:
    """Note what was heard."""
    stream = heard.stream.replace("case-", "clock-")
    yield To(stream, heard.key, Note(heard.occurred_at, f"{heard.stream}/{heard.version}"))


def note_everywhere(sweep: Sweep, stream: str) -> Iterable[To]:
    """Note what a sweep brings."""
    yield To(stream, "p-1", Note(START, sweep.payload))


async def lose_the_database(starting: Service) -> None:
    """Have the server end the connection under the service's hands."""
    await starting.store.pool.execute("SELECT pg_terminate_backend(pg_backend_pid())")


def service(name: str, topic: str, heard: str) -> Service:
    """Put the service together."""
    return Service(
        name=name,
        settings=ServiceSettings(),
        deciders={"clock": ClockDecider()},
        topic=topic,
        listens={heard: note} if heard else {},
        sweeps={"note": note_everywhere},
        prepare=lose_the_database if "EXAMPLE_LOSES" in os.environ else None,
    )


if __name__ == "__main__":
    service(*sys.argv[1:]).run()
