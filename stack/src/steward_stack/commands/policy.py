"""`steward policy`: what the packs say, whether they are sound, and how a due time is counted."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from steward_policy import packs
from steward_policy.explanation import explain as explained
from steward_policy.lint import lint as doubts_of
from steward_policy.packs import PackError, Rules
from steward_stack import due_times
from steward_stack.errors import StewardError
from steward_stack.jsonlines import answer_lines
from steward_stack.options import JsonOption, print_json

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
    for kind, _, entry in rules.pack.entries():
        word = packs.KINDS[kind]
        named = ", ".join(entry.rule)
        out.print(
            f"{word} {entry.id}  {named}  basis {entry.basis}",
            soft_wrap=True,
            highlight=False,
            markup=False,
        )


@app.command(epilog="Example: steward policy explain minor-resolve")
def explain(
    entry: Annotated[
        str,
        typer.Argument(
            help="The ID of a target, a follow-up, a quota, a tell or a row of the table."
        ),
    ],
    *,
    pack: PackOption = None,
    override: OnOption = None,
) -> None:
    """Explain one entry: its rules in their own words, its basis, and what is due when or suggested."""
    rules = _rules(pack, override)
    for _, _, found in rules.pack.entries():
        if found.id == entry:
            out.print(explained(found, rules), soft_wrap=True, highlight=False, markup=False)
            return
    known = ", ".join(found.id for _, _, found in rules.pack.entries())
    raise StewardError(f"{rules.version} has no entry '{entry}'; it has {known}.")


@app.command(
    epilog="""Example: echo '{"id":"1","facts":[{"type":"case_received","time":"2026-09-29T10:00:00+08:00","kind":"complaint"},{"type":"case_classified","time":"2026-09-29T10:05:00+08:00","severity":"minor"}]}' | steward policy due"""
)
def due() -> None:
    """Answer what is due when: JSON lines on standard input, a line for each."""
    answer_lines(due_times.answer)


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
