"""The rules of a policy version, read from the text that was published."""

from functools import lru_cache

import structlog

from steward_policy.packs import PackError, Rules, load

_LOG = structlog.get_logger(__name__)


def read_rules(text: str | None, policy: str) -> Rules | None:
    """Read a version's text; None where there is none, or where it can no longer be read."""
    if text is None:
        return None
    try:
        return _read(text, policy)
    except PackError as error:
        # Another release took it. What hangs on it goes on without.
        _LOG.error("A policy cannot be read.", version=policy, where=error.where)
        return None


@lru_cache(maxsize=64)
def _read(text: str, policy: str) -> Rules:
    return load(text, policy)
