"""The built-in pack with a few of its targets: for what holds of clocks whatever the pack says."""

from dataclasses import replace

from steward_policy import packs
from steward_policy.packs import Rules


def only(*ids: str) -> Rules:
    """Give the built-in rules with these targets and no others, under the same version."""
    rules = packs.built_in()
    targets = tuple(target for target in rules.targets if target.id in ids)
    return replace(rules, pack=rules.pack.model_copy(update={"targets": targets}))
