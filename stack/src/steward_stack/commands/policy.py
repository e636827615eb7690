"""`steward policy`: what packs say and how they differ, why a clock is due, and what would move it."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from steward_policy import packs
from steward_policy.differences import Difference, differences
from steward_policy.explanation import explain as explained
from steward_policy.explanation import explain_cases
from steward_policy.lint import lint as doubts_of
from steward_policy.packs import PackError, Rules, whole
from steward_policy.targets import Entry
from steward_stack import due_times, policy_work
from steward_stack.door import Door, progress_on, through_door
from steward_stack.errors import StewardError
from steward_stack.jsonlines import answer_lines
from steward_stack.options import STATE, JsonOption, StateOption, print_json
from steward_stack.story import case_id_of

app = typer.Typer(help="Policy packs: the rules as data.", no_args_is_help=True)
out = Console()
err = Console(stderr=True)

PackFile = Annotated[Path, typer.Argument(help="The pack's YAML file.", show_default=False)]
PackOption = Annotated[
    Path | None, typer.Option("--pack", help="A pack's YAML file instead of the built-in one.")
]
OnOption = Annotated[
    list[Path] | None,
    typer.Option("--override", help="An override upon the pack; the most specific last."),
]


ProjectsOption = Annotated[
    list[str] | None, typer.Option("--project", help="Only this project; may be repeated.")
]
_VERSION = "A file, a built-in pack, or a published version as residential-cn@2026.4."


@app.command(epilog="Example: steward policy lint our-group.yaml")
def lint(file: PackFile, *, override: OnOption = None, as_json: JsonOption = False) -> None:
    """Name all that is wrong or doubtful in a pack; the exit status is 1 when there is any."""
    overrides = [(_text(path), str(path)) for path in override or []]
    findings = doubts_of(_text(file), str(file), *overrides)
    if as_json:
        print_json({"file": str(file), "findings": findings})
    else:
        for finding in findings:
            out.print(finding, soft_wrap=True, highlight=False, markup=False)
        if not findings:
            err.print(f"{file} is sound.", soft_wrap=True, highlight=False)
    if findings:
        raise typer.Exit(1)


@app.command(epilog="Example: steward policy show --override our-group.yaml")
def show(
    *, pack: PackOption = None, override: OnOption = None, as_json: JsonOption = False
) -> None:
    """Show what a pack comes to once all overrides are laid upon it."""
    rules = _rules(pack, override)
    if as_json:
        resolved = rules.pack.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        print_json({"version": rules.version, "sha256": rules.sha256, "pack": resolved})
        return
    out.print(f"{rules.version}  sha256 {rules.sha256}", soft_wrap=True, highlight=False)
    out.print(f"cases  basis {rules.cases.basis}", highlight=False)
    for kind, _, entry in rules.pack.entries():
        word = packs.KINDS[kind]
        named = ", ".join(entry.rule)
        out.print(
            f"{word} {entry.id}  {named}  basis {entry.basis}",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )


@app.command(
    epilog="Examples: steward policy explain minor-resolve;"
    " steward policy explain minor-resolve --case 0199b1c2-5d3e-7c41-9d0a-2f6b8e4a1c77"
)
def explain(
    entry: Annotated[
        str | None,
        typer.Argument(
            help="The ID of an entry (target, follow-up, quota, duty, tell, row), or of a rule;"
            " `cases` is what the desk allows of a case."
        ),
    ] = None,
    *,
    case: Annotated[
        str | None,
        typer.Option(
            "--case",
            help="The clocks of this running case, by its ID or number, or its one that is named.",
        ),
    ] = None,
    pack: PackOption = None,
    override: OnOption = None,
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Explain an entry, or a case's clocks: rules in their own words, basis, what counted and why.

    Of a rule, each entry that carries it out. JSON is a line for each entry or clock.
    """
    if case is not None:
        _explain_case(case, entry, state, as_json=as_json)
        return
    if entry is None:
        raise StewardError("Name an entry of the pack, or a case with --case.")
    rules = _rules(pack, override)
    found = [one for _, _, one in rules.pack.entries() if entry in (one.id, *one.rule)]
    told = [(_fields(one), explained(one, rules)) for one in found]
    if not told and entry == "cases":
        told = [(_fields(rules.cases), explain_cases(rules))]
    if not told:
        known = ", ".join(["cases", *(one.id for _, _, one in rules.pack.entries())])
        raise StewardError(f"{rules.version} has no entry '{entry}'; it has {known}.")
    for said, words in told:
        if as_json:
            print_json({"entry": said, "words": words.splitlines()})
        else:
            out.print(words, soft_wrap=True, highlight=False, markup=False)


def _fields(entry: Entry) -> dict[str, Any]:
    """Give what an entry says otherwise than by default."""
    return entry.model_dump(mode="json", by_alias=True, exclude_defaults=True)


@app.command(
    epilog="""Example: echo '{"id":"1","facts":[{"type":"case_received","time":"2026-09-29T10:00:00+08:00","kind":"complaint"},{"type":"case_classified","time":"2026-09-29T10:05:00+08:00","severity":"minor"}]}' | steward policy due"""
)
def due() -> None:
    """Answer what is due when: JSON lines on standard input, a line for each."""
    answer_lines(due_times.answer)


@app.command(epilog="Example: steward policy diff residential-cn ours.yaml --running")
def diff(
    one: Annotated[str, typer.Argument(metavar="A", help=_VERSION, show_default=False)],
    other: Annotated[str, typer.Argument(metavar="B", help=_VERSION, show_default=False)],
    *,
    running: Annotated[
        bool, typer.Option("--running", help="Also say which running clocks would move.")
    ] = False,
    project: ProjectsOption = None,
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Say in words what B says otherwise than A; JSON lines with --json."""
    local = [_local(one), _local(other)]

    async def both(door: Door) -> tuple[Rules, Rules, list[dict[str, Any]]]:
        first, second = [
            rules or await policy_work.published(door, name)
            for name, rules in zip((one, other), local, strict=True)
        ]
        if not running:
            return first, second, []
        # Of a file it is not known whether what was published under its name is the same.
        which = {"text": whole(second)} if local[1] else {"policy": second.version}
        left = {} if local[0] else {"instead_of": first.version}
        body = {**which, **left, "projects": project or []}
        with progress_on(err) as progress:
            return first, second, await policy_work.looked(door, body, progress)

    first, second = local
    moves: list[dict[str, Any]] = []
    if running or first is None or second is None:
        first, second, moves = through_door(state, both)
    found = list(differences(first, second))
    if as_json:
        for difference in found:
            print_json(asdict(difference))
        for move in moves:
            print_json(move)
        return
    for difference in found:
        _tell_difference(difference)
    if not found:
        err.print(f"{first.version} and {second.version} say the same.", highlight=False)
    if running:
        _tell_moves(moves)


@app.command(
    epilog="Example: steward policy reapply residential-cn@2026.4 --reason 合同变更 --by m1 --carry-out"
)
def reapply(
    version: Annotated[str, typer.Argument(help="A published version.", show_default=False)],
    *,
    reason: Annotated[str | None, typer.Option("--reason", help="Why.")] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who decided it, of the staff.")] = None,
    instead_of: Annotated[
        str, typer.Option("--instead-of", help="Only what goes by this version now.")
    ] = "",
    project: ProjectsOption = None,
    group: Annotated[
        list[str] | None, typer.Option("--group", help="Only this group; may be repeated.")
    ] = None,
    target: Annotated[
        list[str] | None, typer.Option("--target", help="Only this target; may be repeated.")
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option("--case", help="Only this case; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run/--carry-out", help="Only say what would move, or ask and do it."),
    ] = True,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state: StateOption = STATE,
    as_json: JsonOption = False,
) -> None:
    """Let what runs go by another version, for a reason; by default only what would move is said.

    What has ended or is late stays as it was. JSON is a line for each clock that would move, and
    one of what was done.
    """
    body: dict[str, Any] = {
        "policy": version,
        "instead_of": instead_of,
        "projects": project or [],
        "targets": target or [],
        "cases": case or [],
    }

    async def whose(door: Door) -> dict[str, Any]:
        named = [await policy_work.projects_of(door, one) for one in group or []]
        return {**body, "projects": [*body["projects"], *chain(*named)]}

    async def look(door: Door) -> list[dict[str, Any]]:
        return await policy_work.looked(door, await whose(door), progress)

    async def carry_out(door: Door) -> dict[str, Any]:
        said = {"reason": reason, "asked_by": by}
        return await policy_work.carried_out(door, await whose(door) | said, progress)

    if not dry_run and (reason is None or by is None):
        raise StewardError("Say why by --reason, and who decided it by --by.")
    with progress_on(err) as progress:
        moves = through_door(state, look)
    if as_json:
        for move in moves:
            print_json(move)
    else:
        _tell_moves(moves)
    if dry_run:
        err.print("Nothing was changed; --carry-out does it.", highlight=False)
        return
    if not yes and not typer.confirm(f"Let what runs go by {version}?", err=True):
        raise StewardError("Nothing was changed.")
    with progress_on(err) as progress:
        done = through_door(state, carry_out)
    if as_json:
        print_json(done)
    else:
        said = f"{done['cases']} cases were asked to go by {version}: {done['reapply_id']}."
        err.print(said, soft_wrap=True, highlight=False, markup=False)


def _explain_case(case: str, entry: str | None, state: Path, *, as_json: bool) -> None:
    async def told(door: Door) -> dict[str, Any]:
        return await policy_work.asked(door, f"/v1/clocks/{await case_id_of(door, case)}/explain")

    clocks: Sequence[dict[str, Any]] = through_door(state, told)["clocks"]
    found = [clock for clock in clocks if entry in (None, clock["target"], clock["clock"])]
    if entry is not None and not found:
        known = ", ".join(clock["clock"] for clock in clocks)
        raise StewardError(f"The case has no clock {entry}; it has {known or 'none'}.")
    for clock in found:
        if as_json:
            print_json(clock)
            continue
        for line in _of_clock(clock):
            out.print(line, soft_wrap=True, highlight=False, markup=False)


def _of_clock(clock: dict[str, Any]) -> Sequence[str]:
    moved = f", approved until {clock['approved_due']}" if clock["approved_due"] else ""
    unsure = " (provisional)" if clock["provisional"] else ""
    calendar = clock["calendar"]
    return [
        f"{clock['clock']}  {clock['status']}  {clock['policy']}  basis {clock['basis']}",
        *(f"  {rule['id']}: {rule['zh']} / {rule['en']}" for rule in clock["rule"]),
        f"  limit: {clock['limit']}; calendar {calendar['name']} {calendar['version']}",
        f"  started {clock['started_at']}, due {clock['due']}{unsure}{moved}",
        *(
            f"    {part['from']} – {part['to']}  {part['zh']}  {part['en']}"
            for part in clock["intervals"]
        ),
    ]


def _tell_difference(difference: Difference) -> None:
    rules = f"  {', '.join(difference.rule)}" if difference.rule else ""
    keys = f"  ({', '.join(difference.keys)})" if difference.keys else ""
    lines = [f"{difference.what}: {difference.kind} {difference.id}{rules}{keys}"]
    lines += [f"  - {line}" for line in difference.before]
    lines += [f"  + {line}" for line in difference.after]
    for line in lines:
        out.print(line, soft_wrap=True, highlight=False, markup=False)


def _tell_moves(moves: Sequence[dict[str, Any]]) -> None:
    for move in moves:
        if "error" in move:
            said = f"{move['case_id']}: {move['error']}"
        else:
            said = f"{move['number'] or move['case_id']}  {move['clock']}  {move['what']}"
            said += f"  {move['old_due'] or '–'} → {move['new_due'] or '–'}"
        out.print(said, soft_wrap=True, highlight=False, markup=False)
    err.print(f"{len(moves)} running clocks would move, start or end.", highlight=False)


def _local(name: str) -> Rules | None:
    """Give the rules of a file or a built-in pack; None where a published version is meant."""
    if Path(name).exists():
        return _rules(Path(name), None)
    if "@" in name:
        return None
    if not re.fullmatch(r"[a-z0-9-]+", name):
        raise StewardError(f"There is no file {name}.")
    try:
        return packs.built_in(name)
    except PackError as error:
        raise StewardError(str(error)) from error


def _rules(pack: Path | None, overrides: list[Path] | None) -> Rules:
    text = _text(pack) if pack else packs.built_in_text()
    name = str(pack) if pack else "residential-cn.yaml"
    try:
        return packs.load(text, name, *((_text(path), str(path)) for path in overrides or []))
    except PackError as error:
        raise StewardError(str(error)) from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise StewardError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise StewardError(f"{path} is not UTF-8 text.") from error
