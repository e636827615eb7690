"""Marks a test with the rules that it proves; `docs/rules.md` is made from these marks."""

import pytest


def rule(*ids: str) -> pytest.MarkDecorator:
    """Say which rules of docs/rules.md a test proves."""
    return pytest.mark.rule(*ids)
