"""The example: two weeks of one property group, made anew from a seed."""

from steward_stack.example.fortnight import BOUNDARY, END, ZONE, Fortnight
from steward_stack.scenario import Scenario


def example(seed: int = 2026) -> Scenario:
    """Make the play: twelve days of history, two days live."""
    fortnight = Fortnight(seed)
    return Scenario(
        name="example",
        begins=BOUNDARY,
        ends=END,
        registers=fortnight.registers,
        history=list(fortnight.history()),
        live=list(fortnight.live()),
        zone=ZONE.key,
    )
