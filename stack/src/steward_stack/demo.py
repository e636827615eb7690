"""The main job of `make run`: a scenario is played on the stepped clock and summed up."""

from collections.abc import Mapping
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

from aiokafka import AIOKafkaProducer
from httpx2 import AsyncClient
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table
from rich.text import Text

from steward_service.clocks import SteppedDriver
from steward_stack.door import Door
from steward_stack.errors import StewardError
from steward_stack.interrupting import run_until_interrupted
from steward_stack.playing import Player
from steward_stack.scenario import Scenario
from steward_stack.supervisor import Stack

Summary = dict[str, Any]

FORMATS = ("nyc311",)
_TICKERS = ("sla", "visits", "notify")
_EXPLAINED = {
    "silent": "silent, being history",
    "settings": "settings with admin_key",
}


class Reader(Protocol):
    """A module that turns a file of another system's tickets into a scenario."""

    def scenario(self, file: Path) -> Scenario: ...


def run(stack: Stack, scenario: Scenario, console: Console) -> Summary:
    """Play a scenario in its own world, and give the figures."""
    return run_until_interrupted(_run(stack, scenario, console))


def scenario_of(tickets: Path | None, ticket_format: str | None) -> Scenario:
    """Give the built-in example, or read another system's tickets; raises StewardError."""
    known = " or ".join(f"FORMAT={name} of make (--format {name})" for name in FORMATS)
    if tickets is None:
        if ticket_format is not None:
            raise StewardError(
                "A form of tickets was named and no file of tickets: name it by TICKETS=file of "
                "make (--tickets file) as well, or leave the form out to play the example."
            )
        from steward_stack.example import example

        return example()
    if ticket_format not in FORMATS:
        said = f"is unknown: {ticket_format}" if ticket_format else "must be named"
        raise StewardError(f"The form of the tickets {said}; known is {known}.")
    reader: Any = import_module(f"steward_stack.imports.{ticket_format}")
    scenario: Scenario = reader.scenario(tickets)
    return scenario


async def _run(stack: Stack, scenario: Scenario, console: Console) -> Summary:
    driver = await SteppedDriver.connect(stack.endpoints.database("clock"), scenario.begins)
    # The same play again is harmless: every request repeats its key and is answered as before.
    producer = AIOKafkaProducer(
        bootstrap_servers=stack.endpoints.kafka.split(","), enable_idempotence=True
    )
    await producer.start()
    door = Door(stack.endpoints.services, stack.settings.admin_key)
    try:
        await Player(door, driver, producer, console).play(scenario)
        for sentence in door.refusals[:5]:
            console.print(f"Refused: {sentence}", soft_wrap=True, highlight=False)
        return await _summary(stack, scenario, door)
    finally:
        await door.close()
        await producer.stop()
        await driver.close()


async def _summary(stack: Stack, scenario: Scenario, door: Door) -> Summary:
    services = stack.endpoints.services
    headers = {"Authorization": f"Bearer {stack.settings.admin_key}"}
    async with AsyncClient(headers=headers, timeout=60, trust_env=False) as client:
        summary: Summary = (await client.get(f"{services['audit']}/v1/summary")).json()
        texts = [(await client.get(f"{services[name]}/metrics")).text for name in _TICKERS]
    summary["timer_lateness_ms"] = _lateness(texts)
    if scenario.figures:
        summary["import"] = scenario.figures
    summary["requests"] = {
        "sent": door.counts["request"],
        "tickets": door.counts["ticket"],
        "refused": door.counts["refused"],
    }
    summary["where"] = {
        **services,
        "openapi": {name: f"{url}/v1/openapi.json" for name, url in services.items()},
        "settings": str(stack.state.folder / "settings.json"),
        "kafka": stack.endpoints.kafka,
        "texts": f"{stack.endpoints.sms}/texts",
        "mails": str(stack.world / "mails"),
        "logs": stack.endpoints.logs,
    }
    return summary


def _lateness(texts: list[str]) -> dict[str, float]:
    """Give quantiles, in ms, of the lateness that all tickers measured; bounds of their buckets."""
    buckets: dict[float, float] = {}
    for text in texts:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name == "steward_timer_lateness_seconds_bucket":
                    bound = float(sample.labels["le"])
                    buckets[bound] = buckets.get(bound, 0.0) + sample.value
    ordered = [(0.0, 0.0), *sorted(buckets.items())]
    total = ordered[-1][1]
    return {f"p{share}": _quantile(ordered, total * share / 100) for share in (50, 99)}


def _quantile(ordered: list[tuple[float, float]], wanted: float) -> float:
    for (low, before), (high, count) in pairwise(ordered):
        if count >= wanted and count > before:
            if high == float("inf"):
                return round(low * 1000, 1)
            return round((low + (high - low) * (wanted - before) / (count - before)) * 1000, 1)
    return 0.0


def show(summary: Summary, console: Console) -> None:
    """Print the figures for people, in aligned columns that a pipe takes as they are."""
    for title, figures in summary.items():
        match figures:
            case {"by_kind": rows, "by_status": total} | {"by_rule": rows, "by_status": total}:
                table = _crossed({**rows, "all": total})
            case list():
                table = _crossed({line["rule"]: _counts(line) for line in figures})
            case {"sms": _, "email": _}:
                table = _crossed(figures)
            case _:
                table = _listed(figures)
        console.print(f"\n[bold]{_words(title).capitalize()}[/bold]", highlight=False)
        console.print(table)


def _crossed(rows: Mapping[str, Mapping[str, int]]) -> Table:
    """Give a line for each name, and a column for each kind of its counts and for all of them."""
    columns = list(dict.fromkeys(name for counts in rows.values() for name in counts))
    table = Table("", box=None)
    for name in (*columns, "all"):
        table.add_column(_words(name), justify="right")
    for row, counts in rows.items():
        figures = (*(counts.get(name, 0) for name in columns), sum(counts.values()))
        table.add_row(_words(row), *map(str, figures))
    return table


def _listed(figures: Mapping[str, Any]) -> Table:
    """Give a line for each figure; what lies deeper is named by its whole way."""
    table = Table(box=None, show_header=False)
    for name, figure in figures.items():
        if isinstance(figure, Mapping):
            for deeper, inner in figure.items():
                table.add_row(f"{_words(name)} {_words(deeper)}", Text(str(inner)))
        else:
            said = {True: "yes", False: "no"}[figure] if isinstance(figure, bool) else str(figure)
            table.add_row(_EXPLAINED.get(name, _words(name)), Text(said))
    return table


def _counts(line: Mapping[str, Any]) -> dict[str, int]:
    return {name: count for name, count in line.items() if name != "rule"}


def _words(name: str) -> str:
    return name.replace("_", " ")
