"""A pytest plugin: the built-in pack is read from STEWARD_PACK, so that a test runs on a mutant.

Loaded before any test module with `-p tests.support.mutated_pack`; no product code knows of it.
"""

import os
from pathlib import Path

from steward_policy import packs

_TEXT = Path(os.environ["STEWARD_PACK"]).read_text(encoding="utf-8")


def _text(name: str = "residential-cn") -> str:
    return _TEXT


packs.built_in_text = _text  # type: ignore[assignment]
packs.built_in.cache_clear()
