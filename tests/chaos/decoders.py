"""Feeds decoders with bytes that cover more and more of them, in this process, until one falls.

`python -m tests.chaos.decoders RUNS SEED` ends with 0 if nothing was raised but what each decoder says that
it raises; atheris decides what to try next by the lines that the last input reached.
"""

import contextlib
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime

import atheris

with atheris.instrument_imports(include=["steward_events", "steward_intake.application"]):
    from steward_events import cloudevents, fact, intake, registry
    from steward_intake.application import register_files, spreadsheets, tickets

from steward_decider import Refused
from steward_events.tickets import TICKET_EVENTS

NOW = datetime(2026, 9, 28, 9, tzinfo=UTC)
KNOWN = register_files.Known(lambda text: text.encode().hex()[:64], {"湖畔花园": "lakeside"})
TYPES = (
    intake.CaseReceived.wire_type, registry.StaffRegistered.wire_type, "intake.case_received.v9",
    "intake.nobody_knows.v1", "no type at all",
)  # fmt: skip
OWN = (
    "ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "ce_subject", "ce_partitionkey",
    "ce_sequence", "ce_recordedtime", "ce_knowntime", "ce_history", "content-type",
)  # fmt: skip
GOOD = {
    "ce_specversion": b"1.0",
    "ce_id": b"01999a3c-0000-7000-8000-000000000001",
    "ce_type": TYPES[0].encode(),
    "ce_source": b"/steward/intake",
    "ce_time": NOW.isoformat().encode(),
    "ce_subject": b"case-1",
    "ce_partitionkey": b"p-1",
    "ce_sequence": b"1",
    "ce_recordedtime": NOW.isoformat().encode(),
    "ce_knowntime": NOW.isoformat().encode(),
}


def own_fact(data: atheris.FuzzedDataProvider) -> None:
    """One of Steward's own facts, with some of its headers replaced."""
    headers = headers_of(data)
    key = data.ConsumeBytes(4) if data.ConsumeBool() else None
    try:
        cloudevents.from_kafka(headers, key, data.ConsumeBytes(4096))
    except (fact.Unreadable, fact.NewerVersion):
        cloudevents.place_of(headers)


def content(data: atheris.FuzzedDataProvider) -> None:
    """The content alone."""
    with contextlib.suppress(fact.Unreadable, fact.NewerVersion):
        fact.read_fact(data.PickValueInList(list(TYPES)), data.ConsumeBytes(4096))


def foreign(data: atheris.FuzzedDataProvider) -> None:
    """Another system's event, in either mode, and its ticket."""
    headers = headers_of(data)
    if data.ConsumeBool():
        headers = [("content-type", b"application/cloudevents+json")]
    try:
        event = cloudevents.foreign_from_kafka(headers, None, data.ConsumeBytes(4096))
    except fact.Unreadable:
        return
    assert event.order > 0
    ticket(event.type, event.data)


def structured(data: atheris.FuzzedDataProvider) -> None:
    """A ticket whose values are anything."""
    said = {
        name: value(data)
        for name in ("project_id", "kind", "summary", "reporter", "facts", "sequence")
    }
    text = json.dumps({**said, "project_id": "p-1"} if data.ConsumeBool() else said)
    ticket(data.PickValueInList(list(TICKET_EVENTS)), json.loads(text))


def ticket(wire_type: str, said: object) -> None:
    try:
        tickets._kind_of(wire_type)
        model = TICKET_EVENTS[wire_type]
        told = tickets._read(model, said)
        if facts := getattr(told, "facts", None):
            tickets._validated(lambda: tickets._HAPPENINGS.validate_python(list(facts)))
    except Refused as error:
        if not error.reason or "\n" in error.reason:
            raise AssertionError("This is no sentence.") from error


def register_file(data: atheris.FuzzedDataProvider) -> None:
    """A table that somebody sends."""
    kind = data.PickValueInList([None, *register_files.KINDS])
    try:
        sheets = spreadsheets.sheets_of(data.ConsumeBytes(4096))
    except spreadsheets.NoTable:
        return
    found = register_files.read(sheets, kind, KNOWN)
    assert len(found.refused) <= len(found.places)


DECODERS: tuple[Callable[[atheris.FuzzedDataProvider], None], ...] = (
    own_fact, content, foreign, structured, register_file,
)  # fmt: skip


def headers_of(data: atheris.FuzzedDataProvider) -> list[tuple[str, bytes]]:
    """Give good headers of which some are left out, replaced or doubled."""
    headers = dict(GOOD)
    for _ in range(data.ConsumeIntInRange(0, 3)):
        name = data.PickValueInList(list(OWN))
        if data.ConsumeBool():
            headers[name] = data.ConsumeBytes(data.ConsumeIntInRange(0, 60))
        else:
            headers.pop(name, None)
    return [*headers.items(), *list(headers.items())[: data.ConsumeIntInRange(0, 1)]]


def value(data: atheris.FuzzedDataProvider, depth: int = 0) -> object:
    """Give anything that JSON can say."""
    match data.ConsumeIntInRange(0, 5 if depth > 3 else 7):
        case 0:
            return None
        case 1:
            return data.ConsumeBool()
        case 2:
            return data.ConsumeInt(9)
        case 3:
            return data.ConsumeRegularFloat()
        case 4 | 5:
            return data.ConsumeUnicodeNoSurrogates(data.ConsumeIntInRange(0, 40))
        case 6:
            return [value(data, depth + 1) for _ in range(data.ConsumeIntInRange(0, 4))]
        case _:
            return {
                data.ConsumeUnicodeNoSurrogates(12): value(data, depth + 1)
                for _ in range(data.ConsumeIntInRange(0, 4))
            }


def one_input(content: bytes) -> None:
    """Give one input to one decoder."""
    data = atheris.FuzzedDataProvider(content)
    DECODERS[data.ConsumeIntInRange(0, len(DECODERS) - 1)](data)


if __name__ == "__main__":
    atheris.Setup(
        [
            sys.argv[0],
            f"-runs={sys.argv[1]}",
            f"-seed={sys.argv[2]}",
            "-max_len=6000",
            "-verbosity=0",
        ],
        one_input,
    )
    atheris.Fuzz()
