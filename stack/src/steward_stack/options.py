"""What the commands have in common: their options, and JSON as their answer."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

StateOption = Annotated[
    Path, typer.Option("--state", help="The folder that keeps what the stack needs.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON alone on standard output.")]
STATE = Path(".steward")
WIDEST = 10_000
"""Columns of a console that cuts nothing off: what it shows is there to be copied whole."""


def print_json(value: object) -> None:
    """Print one line of JSON, at once."""
    sys.stdout.write(f"{json.dumps(value, ensure_ascii=False)}\n")
    sys.stdout.flush()
