"""Takes a guard out of a module, so that a test can show what it prevents."""

from pathlib import Path
from types import ModuleType


def without(module: ModuleType, *guards: tuple[str, str]) -> ModuleType:
    """Give a copy of a module in which each guard's text is replaced by another; for tests only."""
    source = Path(str(module.__file__)).read_text(encoding="utf-8")
    for guard, instead in guards:
        source = replaced(source, guard, instead)
    copy = ModuleType(f"{module.__name__}_without_a_guard")
    copy.__file__ = module.__file__
    exec(compile(source, copy.__name__, "exec"), copy.__dict__)  # noqa: S102
    return copy


def replaced(source: str, guard: str, instead: str) -> str:
    """Give a text in which a guard, which it must contain once, is replaced."""
    assert source.count(guard) == 1, "The guard's text has changed: change it here too."
    return source.replace(guard, instead)
