"""The table in docs/guarantees.md, made from the registry of guards."""

from pathlib import Path

from tests.mutation.guards import GUARDS

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"
BEGIN = "<!-- The tables below are made by `make rules` from tests/mutation/guards. -->\n"
END = "<!-- Until here. -->\n"


def page() -> str:
    """Give the page as it should be: its own words, and the tables of today."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}{tables()}\n{END}{after}"


def tables() -> str:
    """Give a table for each subject."""
    made: list[str] = []
    for subject in dict.fromkeys(guard.section for guard in GUARDS):
        made += [f"\n### {subject}\n", "| guarantee | guard | test |", "|---|---|---|"]
        for guard in (guard for guard in GUARDS if guard.section == subject):
            path, _, test = guard.test.partition("::")
            file = guard.file.rpartition("/")[2]
            name = test.partition("[")[0].removeprefix("test_").replace("_", " ")
            made.append(
                f"| {guard.guarantee} | {guard.name} ([{file}](../{guard.file}))"
                f" | [{name}](../{path}) |"
            )
    return "\n".join(made) + "\n"
