"""Feeds decoders with bytes that cover more and more of them, in this process, until one falls.

`python -m tests.chaos.decoders RUNS SEED` ends with 0 if nothing was raised but what each decoder says that
it raises, and says `inputs RUNS` once it has fed so many. Atheris decides what to try next by the lines
that the last input reached; where there is none, chance does.
"""

import contextlib
import json
import random
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any, Protocol

try:
    import atheris
except ImportError:  # it is not made for every platform
    atheris = None

with (
    atheris.instrument_imports(
        include=["steward_events", "steward_intake.application", "steward_notify.adapters"]
    )
    if atheris
    else contextlib.nullcontext()
):
    from steward_events import cloudevents, fact, intake, notify, registry
    from steward_intake.application import register_files, spreadsheets, tickets
    from steward_notify.adapters import sms_aliyun

from tests.support.receipts import RECEIPT

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


class Data(Protocol):
    """Where an input takes what it is made of; the names are atheris' own."""

    def ConsumeBool(self) -> bool: ...  # noqa: N802
    def ConsumeBytes(self, count: int) -> bytes: ...  # noqa: N802
    def ConsumeInt(self, size: int) -> int: ...  # noqa: N802
    def ConsumeIntInRange(self, least: int, most: int) -> int: ...  # noqa: N802
    def ConsumeRegularFloat(self) -> float: ...  # noqa: N802
    def ConsumeUnicodeNoSurrogates(self, count: int) -> str: ...  # noqa: N802
    def PickValueInList(self, values: list[Any]) -> Any: ...  # noqa: N802


class Chance:
    """Makes inputs by chance alone."""

    def __init__(self, luck: random.Random) -> None:
        self._luck = luck

    def ConsumeBool(self) -> bool:  # noqa: N802
        return self._luck.random() < 0.5

    def ConsumeBytes(self, count: int) -> bytes:  # noqa: N802
        made = self._luck.randbytes(self._luck.randint(0, count))
        return self._luck.choice((made, json.dumps(value(self)).encode()[:count]))

    def ConsumeInt(self, size: int) -> int:  # noqa: N802
        return int.from_bytes(self._luck.randbytes(size), signed=True)

    def ConsumeIntInRange(self, least: int, most: int) -> int:  # noqa: N802
        return self._luck.randint(least, most)

    def ConsumeRegularFloat(self) -> float:  # noqa: N802
        return self._luck.uniform(-1e300, 1e300)

    def ConsumeUnicodeNoSurrogates(self, count: int) -> str:  # noqa: N802
        most = self._luck.choice((0x7F, 0xD7FF))
        return "".join(chr(self._luck.randint(0, most)) for _ in range(count))

    def PickValueInList(self, values: Sequence[Any]) -> Any:  # noqa: N802
        return self._luck.choice(values)


def own_fact(data: Data) -> None:
    """One of Steward's own facts, with some of its headers replaced."""
    headers = headers_of(data)
    key = data.ConsumeBytes(4) if data.ConsumeBool() else None
    try:
        cloudevents.from_kafka(headers, key, data.ConsumeBytes(4096))
    except (fact.Unreadable, fact.NewerVersion):
        cloudevents.place_of(headers)


def content(data: Data) -> None:
    """The content alone."""
    with contextlib.suppress(fact.Unreadable, fact.NewerVersion):
        fact.read_fact(data.PickValueInList(list(TYPES)), data.ConsumeBytes(4096))


def foreign(data: Data) -> None:
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


def structured(data: Data) -> None:
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


def register_file(data: Data) -> None:
    """A table that somebody sends."""
    kind = data.PickValueInList([None, *register_files.KINDS])
    try:
        sheets = spreadsheets.sheets_of(data.ConsumeBytes(4096))
    except spreadsheets.NoTable:
        return
    found = register_files.read(sheets, kind, KNOWN)
    assert len(found.refused) <= len(found.places)


def receipts(data: Data) -> None:
    """What an SMS provider says of texts."""
    line = {name: value(data) if data.ConsumeBool() else good for name, good in RECEIPT.items()}
    said = json.dumps([line]).encode() if data.ConsumeBool() else data.ConsumeBytes(4096)
    try:
        found = sms_aliyun.parse_receipts(said)
    except sms_aliyun.ReceiptsRefused as error:
        if "\n" in str(error):
            raise AssertionError("This is no sentence.") from error
        return
    for receipt in found:
        if receipt.message_id:
            notify.MessageDelivered(message_id="m", channel="sms", provider_id=receipt.provider_id)
            notify.MessageFailed(message_id="m", channel="sms", attempt=1, code=receipt.code)


DECODERS: tuple[Callable[[Data], None], ...] = (
    own_fact, content, foreign, structured, register_file, receipts,
)  # fmt: skip


def headers_of(data: Data) -> list[tuple[str, bytes]]:
    """Give good headers of which some are left out, replaced or doubled."""
    headers = dict(GOOD)
    for _ in range(data.ConsumeIntInRange(0, 3)):
        name = data.PickValueInList(list(OWN))
        if data.ConsumeBool():
            headers[name] = data.ConsumeBytes(data.ConsumeIntInRange(0, 60))
        else:
            headers.pop(name, None)
    return [*headers.items(), *list(headers.items())[: data.ConsumeIntInRange(0, 1)]]


def value(data: Data, depth: int = 0) -> object:
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


def one_input(data: Data) -> None:
    """Give one input to one decoder."""
    DECODERS[data.ConsumeIntInRange(0, len(DECODERS) - 1)](data)


def main(runs: int, seed: str) -> None:
    """Feed so often; with atheris the process ends here."""
    if not atheris:
        for n in range(runs):
            one_input(Chance(random.Random(f"{seed}/{n}")))
        print(f"inputs {runs}", flush=True)
        return
    fed = count(1)

    def feed(content: bytes) -> None:
        one_input(atheris.FuzzedDataProvider(content))
        if next(fed) == runs:
            print(f"inputs {runs}", flush=True)

    name, longest = sys.argv[0], "-max_len=6000"
    atheris.Setup([name, f"-runs={runs}", f"-seed={seed}", longest, "-verbosity=0"], feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
