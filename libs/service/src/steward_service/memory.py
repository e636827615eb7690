"""Keeps Python's garbage collector from stopping everything for a tenth of a second."""

import gc

_YOUNG = 50_000
"""Objects made and not freed before the youngest are looked through."""


def settle() -> None:
    """Leave all that is in memory now out of later collections; call it once all is imported.

    A service has some 400,000 objects of modules, classes and schemas. A full collection walks over
    all of them: measured 0.1 s, every few seconds under load, in which no alarm rings.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
