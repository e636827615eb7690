"""Where each service rule is carried out: found in pack, facts and tests, never kept by hand."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from steward_events.jsonschema import published_facts
from steward_policy import packs
from steward_policy.catalogue import RULES, RuleText

Found = Mapping[str, list[str]]

_PROCEDURES = {
    "FU": "回访规程 Follow-up procedure",
    "RM": "关系维护 Relationship maintenance",
    "CV": "客户拜访 Customer visits",
    "RC": "接待流程 Reception flow",
    "HV": "业户走访 Household visits",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One rule and all that carries it out."""

    rule: RuleText
    policy: tuple[str, ...]
    facts: tuple[str, ...]
    tests: tuple[str, ...]

    @property
    def state(self) -> str:
        """Carried out, when pack or facts name it and a test proves it; else planned, or a hole."""
        if self.tests and (self.policy or self.facts):
            return "carried out"
        return "planned" if self.rule.planned else "hole"


def places(project: Path) -> list[Place]:
    """Find the place of every rule, in the order of the procedures."""
    policy, facts, tests = _in_policy(), in_facts(), in_tests(project)
    return [
        Place(
            rule,
            *(tuple(sorted(found.get(rule.id, ()))) for found in (policy, facts, tests)),
        )
        for rule in RULES
    ]


def _in_policy() -> Found:
    found = defaultdict(list)
    for _, _, entry in packs.built_in().pack.entries():
        for rule_id in entry.rule:
            found[rule_id].append(entry.id)
    return found


def in_facts() -> Found:
    """Find the facts that name rules."""
    found = defaultdict(list)
    for fact in published_facts():
        for rule_id in fact.rules:
            found[rule_id].append(fact.wire_type)
    return found


def in_tests(project: Path) -> Found:
    """Find the tests marked with `@rule(…)`, without running any of them."""
    found = defaultdict(list)
    for file in sorted((project / "tests").rglob("*.py")):
        path = file.relative_to(project).as_posix()
        for name, rule_id in _marks(ast.parse(file.read_text(encoding="utf-8"), path)):
            found[rule_id].append(f"{path}::{name}")
    return found


def _marks(tree: ast.AST, around: str = "") -> Iterator[tuple[str, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{around}{node.name}"
            for decorator in node.decorator_list:
                match decorator:
                    case ast.Call(func=ast.Name(id="rule"), args=args):
                        for argument in args:
                            yield name, str(ast.literal_eval(argument))
            if isinstance(node, ast.ClassDef):
                yield from _marks(node, f"{name}::")


def page(found: list[Place]) -> str:
    """Write `docs/rules.md`."""
    counts = {
        state: sum(place.state == state for place in found)
        for state in ("carried out", "planned", "hole")
    }
    lines = [
        "# The rules and where they are carried out",
        "",
        "Made by `make rules` from the pack `residential-cn`, the facts and the marked tests; not edited by hand.",
        "A rule is *carried out* when a policy entry or a fact names it and a test proves it,",
        "*planned* while it is on the list of what comes next, and otherwise an open *hole*.",
        "",
        "; ".join(f"{count} {state}" for state, count in counts.items())
        + f"; {len(found)} in all.",
    ]
    for prefix, title in _PROCEDURES.items():
        lines += [
            "",
            f"## {prefix}: {title}",
            "",
            "| ID | Reading | Service | State | Policy | Facts | Tests |",
            "|---|---|---|---|---|---|---|",
        ]
        lines += [_row(place) for place in found if place.rule.id.startswith(f"{prefix}-")]
    return "\n".join(lines) + "\n"


def _row(place: Place) -> str:
    tests = (f"[{test.rpartition('::')[2]}](../{test.partition('::')[0]})" for test in place.tests)
    cells = (
        place.rule.id,
        place.rule.reading,
        place.rule.service,
        place.state,
        ", ".join(f"`{entry}`" for entry in place.policy),
        ", ".join(f"`{fact}`" for fact in place.facts),
        ", ".join(tests),
    )
    return f"| {' | '.join(cells)} |"
