"""The `steward` command."""

import asyncio
import base64
import json
import logging
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from steward_stack import commands
from steward_stack.detaching import detach
from steward_stack.errors import StewardError, problem_of
from steward_stack.interrupting import interrupt_once
from steward_stack.options import STATE, WIDEST, JsonOption, StateOption, print_json
from steward_stack.state import RunningAlreadyError, State

DOWN_SECONDS = 20.0
NOT_UP = 3
"""The exit status of `steward status` then, as of systemctl."""

# What its connections meet is said by the commands.
logging.getLogger("aiokafka").addHandler(logging.NullHandler())

app = typer.Typer(
    help="Steward (管家) carries out the service rules of residential property groups.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)

ServiceArgument = Annotated[str, typer.Argument(help="A service, such as sla.", show_default=False)]
PathArgument = Annotated[
    str,
    typer.Argument(
        help="A path, as /v1/late; in quotation marks if it has a #.", show_default=False
    ),
]
ShowOption = Annotated[
    str | None,
    typer.Option("--show", help="Columns, with commas; one alone is shown without its name."),
]
RowsOption = Annotated[
    str | None, typer.Option("--rows", help="What of the answer are the rows, if not its items.")
]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Forget what this world holds.")]


@app.command(epilog="Example: steward up --detach && steward status")
def up(
    *,
    state: StateOption = STATE,
    fresh: FreshOption = False,
    detached: Annotated[bool, typer.Option("--detach", help="Return once all is ready.")] = False,
    servers_only: Annotated[
        bool, typer.Option("--servers-only", help="Kafka and PostgreSQL, no services.")
    ] = False,
) -> None:
    """Start Kafka, PostgreSQL and all services; they run until Ctrl-C or `steward down`."""
    if detached:
        detach(State(state), err, fresh=fresh, servers_only=servers_only)
        return
    from steward_stack.supervisor import running_stack

    with (
        _refused_while_running(asked=fresh),
        _until_interrupted() as task,
        running_stack(State(state), err, services=not servers_only, fresh=fresh) as stack,
        stack.mended(),
    ):
        task.done = True
        if err.is_terminal:
            err.print("Steward is up; Ctrl-C ends it.")
        _wait_for_ever()


@app.command(epilog="Example: steward down")
def down(
    *,
    state: StateOption = STATE,
    wipe: Annotated[bool, typer.Option("--wipe", help="Also remove all that the state holds.")] = (
        False
    ),
) -> None:
    """End a stack, also what a killed one has left running."""
    folder = State(state)
    if not folder.exists:
        err.print("Steward is not running: there is no state.", soft_wrap=True)
        return
    ended = folder.stop(DOWN_SECONDS)
    err.print("Steward has ended." if ended else "Steward is not running.")
    if wipe:
        folder.remove()


@app.command(epilog="Example: steward status --json | jq .endpoints")
def status(*, state: StateOption = STATE, as_json: JsonOption = False) -> None:
    """Say what runs and where it is reached.

    The exit status is 3 while Steward is not up.
    """
    from steward_stack.supervisor import endpoints_of, ready

    folder = State(state)
    endpoints = endpoints_of(folder) if folder.supervisor else None
    urls = endpoints.services if endpoints else {}
    processes = [
        {
            "name": process.name,
            "pid": process.pid,
            "alive": process.alive,
            "ready": process.alive and (process.name not in urls or ready(urls[process.name])),
        }
        for process in folder.processes.recorded()
    ]
    if as_json:
        print_json(
            {
                "running": endpoints is not None,
                "supervisor": folder.supervisor,
                "state": str(folder.folder),
                "processes": processes,
                "endpoints": asdict(endpoints) if endpoints else None,
            }
        )
    elif endpoints is None:
        out.print("Steward is not running." if not processes else "Steward is not up.")
    if endpoints is None:
        raise typer.Exit(NOT_UP)
    if as_json:
        return
    table = Table("process", "pid", "state", box=None)
    for process in processes:
        state_of = "ready" if process["ready"] else "alive" if process["alive"] else "ended"
        table.add_row(str(process["name"]), str(process["pid"]), state_of)
    out.print(table)
    for name, url in urls.items():
        out.print(f"{name}: {url}/v1/openapi.json", soft_wrap=True)
    out.print(f"Kafka: {endpoints.kafka}", soft_wrap=True)
    out.print(f"PostgreSQL: {endpoints.postgres}", soft_wrap=True)
    out.print(f"Logs: {endpoints.logs}", soft_wrap=True)
    out.print(f"Keys and ports: {folder.folder / 'settings.json'}", soft_wrap=True)


@app.command(epilog="Example: steward doctor --json | jq '.[] | select(.ok | not)'")
def doctor(*, state: StateOption = STATE, as_json: JsonOption = False) -> None:
    """Look for what is most likely amiss, on this machine and in a stack that runs.

    Each finding says what to do about it; the exit status is 1 when something is amiss.
    """
    from steward_stack.diagnosis import diagnose
    from steward_stack.examination import examine
    from steward_stack.supervisor import endpoints_of

    folder = State(state)
    findings = examine(folder)
    if folder.is_up and (endpoints := endpoints_of(folder)) is not None and endpoints.services:
        settings = folder.settings(())
        master = base64.b64decode(settings.master_key)
        findings += asyncio.run(diagnose(endpoints, settings.admin_key, master))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = "[green]ok[/green]" if finding.ok else "[red]amiss[/red]"
            out.print(f"{mark}  {finding.check}: {finding.says}", soft_wrap=True, highlight=False)
            if finding.cure:
                out.print(f"       {finding.cure}", soft_wrap=True, highlight=False, markup=False)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command(epilog="Example: steward verify --json")
def verify(*, state: StateOption = STATE, as_json: JsonOption = False) -> None:
    """Rebuild every read model from the facts and compare it with the live one.

    The exit status is 1 when one differs; nothing is changed.
    """
    from steward_stack.door import progress_on
    from steward_stack.supervisor import SERVICES, endpoints_of_running
    from steward_stack.verifying import verify as compared

    endpoints = endpoints_of_running(State(state))
    with progress_on(err) as progress:
        verdicts = asyncio.run(compared(endpoints, SERVICES, progress))
    equal = all(verdict.equal for verdict in verdicts)
    if as_json:
        print_json({"equal": equal, "models": [asdict(verdict) for verdict in verdicts]})
    else:
        table = Table("service", "read model", "rows", "rebuilt", box=None)
        for verdict in verdicts:
            rebuilt = "the same" if verdict.equal else f"differs: {', '.join(verdict.differing)}"
            table.add_row(verdict.service, verdict.model, str(verdict.rows), rebuilt)
        out.print(table)
    if not equal:
        raise typer.Exit(1)


@app.command(epilog="Example: steward case lakeside-2026-00012 --json | jq '.facts[].type'")
def case(
    case_id: Annotated[
        str, typer.Argument(metavar="CASE", help="Its ID or number.", show_default=False)
    ],
    *,
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Tell all that the services have told of one case, each fact with its rules, in one order.

    `steward policy explain --case` explains its clocks; JSON has them as `clocks`.
    """
    from steward_stack import story
    from steward_stack.door import Door
    from steward_stack.supervisor import endpoints_of_running

    folder = State(state)
    services = endpoints_of_running(folder).services

    async def told() -> dict[str, Any]:
        door = Door(services, folder.settings(()).admin_key)
        try:
            return await story.story_of(door, case_id)
        finally:
            await door.close()

    found = asyncio.run(told())
    if as_json:
        print_json(found)
        return
    row = found["case"]
    out.print(f"{row['number']}  {row['kind']}  {row['status']}", soft_wrap=True, highlight=False)
    Console(width=WIDEST).print(story.lines(found["facts"]))


@app.command(epilog="Example: steward demo --tickets tickets.csv.gz --format nyc311")
def demo(
    *,
    state: StateOption = STATE,
    fresh: FreshOption = False,
    tickets: Annotated[
        Path | None, typer.Option(help="Tickets to play instead of the example.")
    ] = None,
    ticket_format: Annotated[
        str | None, typer.Option("--format", help="The form of the tickets, such as nyc311.")
    ] = None,
    exit_when_done: Annotated[
        bool, typer.Option("--exit-when-done", help="End the stack after the summary.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start the stack on a stepped clock, play two weeks of an estate's life, and sum up."""
    play = _demo()
    from steward_stack.supervisor import running_stack

    if tickets is not None and not tickets.is_file():
        raise StewardError(f"There is no file {tickets}.")
    scenario = play.scenario_of(tickets, ticket_format)
    world = scenario.name
    with (
        _refused_while_running(asked=fresh or exit_when_done or as_json),
        _until_interrupted() as task,
        running_stack(State(state), err, clock="stepped", world=world, fresh=fresh) as stack,
        stack.mended(),
    ):
        summary = play.run(stack, scenario, err)
        if as_json:
            print_json(summary)
        else:
            play.show(summary, Console(width=WIDEST))
        task.done = True
        if not exit_when_done:
            err.print("Steward stays up; Ctrl-C ends it.")
            _wait_for_ever()


@app.command(
    epilog="Example: steward get sla /v1/late project_id=lakeside hours=4 --show number,target,due_at"
)
def get(
    service: ServiceArgument,
    path: PathArgument,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="What is asked, as hours=4 or since=-2h."),
    ] = None,
    *,
    show: ShowOption = None,
    rows: RowsOption = None,
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Ask a service of the running stack what stands at a path of its OpenAPI document."""
    from steward_stack import asking
    from steward_stack.door import through_door

    answer = through_door(state, lambda door: asking.asked(door, service, path, words or []))
    _answer(answer, show, rows, as_json=as_json)


@app.command(
    epilog="Example: steward post intake /v1/cases project_id=lakeside kind=complaint channel=hotline"
    " occurred_at=-2h summary=电梯停运"
)
def post(
    service: ServiceArgument,
    path: PathArgument,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE]...",
            help="What is said: name=text, name:=JSON, name=@file; -90m, -2h and +3d are instants.",
        ),
    ] = None,
    *,
    key: Annotated[
        str | None,
        typer.Option("--key", help="The Idempotency-Key; the same for the same write again."),
    ] = None,
    show: ShowOption = None,
    rows: RowsOption = None,
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Tell a service of the running stack something, once."""
    from steward_stack import asking
    from steward_stack.door import through_door

    answer = through_door(state, lambda door: asking.told(door, service, path, words or [], key))
    _answer(answer, show, rows, as_json=as_json)


def _answer(answer: Any, show: str | None, rows: str | None, *, as_json: bool) -> None:
    from steward_stack import asking

    if as_json:
        print_json(answer)
        return
    if show is None and rows is None:
        out.print_json(data=answer, ensure_ascii=False)
        return
    found = asking.rows_of(answer, rows)
    columns = (
        show.split(",") if show else list(dict.fromkeys(name for row in found for name in row))
    )
    if not found:
        err.print("There is nothing.")
        return
    Console(width=WIDEST).print(asking.table_of(asking.shown(found, columns), columns))


def _mount_commands(asked: str) -> None:
    """Add the commands that live in modules of their own; `import_` is `steward import`.

    When the one that is asked for is known, the others are left out: they are slow to import.
    """
    modules = {module.name.rstrip("_"): module.name for module in iter_modules(commands.__path__)}
    own = {command.callback.__name__ for command in app.registered_commands if command.callback}
    for name, module in modules.items():
        if asked == name or asked not in {*modules, *own}:
            app.add_typer(import_module(f"{commands.__name__}.{module}").app, name=name)


def _demo() -> ModuleType:
    try:
        return import_module("steward_stack.demo")
    except ModuleNotFoundError as error:
        raise StewardError("This version has no demo.") from error


@dataclass
class _Task:
    """What the user asked for; Ctrl-C after it was done is not a failure."""

    done: bool = False


@contextmanager
def _refused_while_running(*, asked: bool) -> Iterator[None]:
    """Make it a failure that the stack runs already, when more was asked for than that it runs."""
    try:
        yield
    except RunningAlreadyError as running:
        if asked:
            raise StewardError(str(running)) from running
        raise


@contextmanager
def _until_interrupted() -> Iterator[_Task]:
    """Take Ctrl-C, SIGTERM and the terminal's end alike: as the wish to end in order."""
    interrupt_once()
    task = _Task()
    try:
        yield task
    except KeyboardInterrupt:
        err.print("Steward has ended.")
        if not task.done:
            raise typer.Exit(130) from None


def _wait_for_ever() -> None:
    while True:
        signal.pause()


def main() -> None:
    """Run the command; what goes wrong is told in one sentence, with --json as one problem."""
    _mount_commands(sys.argv[1] if len(sys.argv) > 1 else "")
    as_json = "--json" in sys.argv
    try:
        # By itself the command line words what was typed wrongly for people alone, and ends.
        status = app(standalone_mode=not as_json)
    except RunningAlreadyError as running:
        err.print(str(running), soft_wrap=True, highlight=False)
        return
    except StewardError as error:
        if as_json:
            _tell(error.problem or problem_of("Not possible", "无法进行", str(error)))
        else:
            err.print(str(error), soft_wrap=True, highlight=False, markup=False)
        sys.exit(1)
    except typer.TyperException as error:
        _tell(problem_of("Typed wrongly", "命令有误", error.format_message()))
        sys.exit(error.exit_code)
    except typer.Abort:
        _tell(problem_of("Given up", "已放弃", "Nothing was done."))
        sys.exit(1)
    sys.exit(status if isinstance(status, int) else 0)


def _tell(problem: Mapping[str, Any]) -> None:
    sys.stderr.write(f"{json.dumps(problem, ensure_ascii=False)}\n")


if __name__ == "__main__":
    main()
