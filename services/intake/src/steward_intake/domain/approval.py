"""Who may confirm what another asks for (RM-4.8, READINGS 1)."""

from collections.abc import Set
from dataclasses import dataclass

from steward_decider import Refused
from steward_policy.ladder import TITLES, Role, may_act


@dataclass(frozen=True, slots=True)
class Approver:
    """A person with the roles in which they may act at the case's project."""

    person_id: str
    roles: frozenset[Role] = frozenset()


def demand_role(approver: Approver | None, role: Role, rule: str) -> None:
    """Refuse unless somebody is named who may act in a role: in it, or in one above it."""
    title = TITLES[role][1]
    if approver is None:
        raise Refused(f"Say by person_id who acts as {title}.", code="bad_data", rule=rule)
    if not may_act(approver.roles, role):
        raise Refused(
            f"“{approver.person_id}” does not act as {title} or above at the case's project.",
            rule=rule,
        )


def refuse_own(
    approver: Approver | None,
    asker: str | None,
    rule: str | None = None,
    hands: Set[str] = frozenset(),
) -> None:
    """Refuse an approver who asked for it or handled it, also where nobody has to confirm it."""
    if approver is not None and approver.person_id in {asker, *hands}:
        raise Refused("Whoever asked for it or handled the case cannot confirm it.", rule=rule)


def demand_second(
    approver: Approver | None,
    asker: str | None,
    rule: str | None = None,
    *,
    least: Role | None = None,
    hands: Set[str] = frozenset(),
    named: str = "approved_by",
) -> None:
    """Refuse unless somebody confirms who neither asked nor handled it, and is high enough.

    `named` is the field that names them.
    """
    if asker is None:
        raise Refused("Say who asks for it, by person_id.", rule=rule)
    if approver is None:
        who = f"a {TITLES[least][1]} of this project, or somebody above" if least else "another"
        raise Refused(f"A second person has to confirm this: name by {named} {who}.", rule=rule)
    refuse_own(approver, asker, rule, hands)
    if least is not None and not may_act(approver.roles, least):
        raise Refused(
            f"Only a {TITLES[least][1]} of this project, or somebody above, may confirm this.",
            rule=rule,
        )
