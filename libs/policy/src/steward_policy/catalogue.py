"""The service rules themselves: their IDs, services, readings and original wording.

`rules.tsv` lists every rule once. A rule keeps its ID for ever; an ID such as `RM-4.3.1a..g`
stands for its whole range and is named as it is written.
"""

import csv
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule as the procedures word it and as Steward reads it."""

    id: str
    service: str
    kind: str
    planned: bool
    reading: str
    original: str


def _read() -> tuple[RuleText, ...]:
    text = (resources.files("steward_policy") / "rules.tsv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return tuple(
        RuleText(
            row["id"],
            row["service"],
            row["kind"],
            bool(row["planned"]),
            row["reading"],
            row["original"],
        )
        for row in rows
    )


RULES = _read()
"""Every rule in the order of the procedures."""

BY_ID = {rule.id: rule for rule in RULES}
