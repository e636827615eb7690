"""Who stands above whom in a service centre."""

from collections.abc import Iterable

from steward_events.vocabulary import Role

__all__ = ["LADDER", "TITLES", "Role", "may_act", "next_above", "role_at_least"]

LADDER: tuple[tuple[Role, ...], ...] = (
    (Role.FRONTLINE,),
    (Role.CS_SUPERVISOR, Role.DEPARTMENT_HEAD, Role.ENGINEERING_SUPERVISOR),
    (Role.DEPUTY_MANAGER,),
    (Role.CENTRE_MANAGER,),
    (Role.COMPANY_LEADER,),
    (Role.GENERAL_MANAGER,),
)
"""Rungs from the lowest to the highest; roles on one rung are equals and not above each other."""

_RUNG: dict[str, int] = {role: rung for rung, roles in enumerate(LADDER) for role in roles}

TITLES: dict[Role, tuple[str, str]] = {
    Role.FRONTLINE: ("客服专员、管家", "front-line clerk or steward"),
    Role.CS_SUPERVISOR: ("客服部主管", "customer-service supervisor"),
    Role.DEPARTMENT_HEAD: ("部门负责人", "head of the department"),
    Role.ENGINEERING_SUPERVISOR: ("工程部主管", "engineering supervisor"),
    Role.DEPUTY_MANAGER: ("副经理", "deputy manager"),
    Role.CENTRE_MANAGER: ("物业服务中心经理", "service-centre manager"),
    Role.COMPANY_LEADER: ("公司分管领导", "company leader"),
    Role.GENERAL_MANAGER: ("公司总经理", "general manager"),
    Role.QUALITY: ("品质部", "quality department"),
}
"""The title of each role in Chinese and English, for texts that people read."""


def role_at_least(role: str, other: str) -> bool:
    """Whether `role` is `other` or above it; never between equals, nor outside the ladder."""
    if role == other:
        return True
    mine, theirs = _RUNG.get(role), _RUNG.get(other)
    return mine is not None and theirs is not None and mine > theirs


def may_act(roles: Iterable[str], role: str) -> bool:
    """Say whether who acts in these roles may act in a role: in it, or in one above it."""
    return any(role_at_least(own, role) for own in roles)


def next_above(role: str) -> Role | None:
    """Who is told next when nobody answers; None at the top and for `quality`.

    The three equals on the second rung and the deputy manager lead to one chain.
    """
    rung = _RUNG.get(role)
    if rung is None or rung + 1 >= len(LADDER):
        return None
    return LADDER[rung + 1][0]
