"""Locks that a session of the database holds, by which of several processes one does a thing."""

import contextlib
from collections.abc import AsyncIterator

from steward_eventstore.postgres import Connected

_TAKE = "SELECT pg_try_advisory_lock($1)"
_GIVE_BACK = "SELECT pg_advisory_unlock($1)"


@contextlib.asynccontextmanager
async def session_lock(connection: Connected, lock: int) -> AsyncIterator[bool]:
    """Hold a lock while inside; gives False where another holds it.

    It goes with the session, also when the process is killed.
    """
    held = await _asked(connection, _TAKE, lock)
    try:
        yield held
    finally:
        if held and not connection.is_closed():
            await _asked(connection, _GIVE_BACK, lock)


async def _asked(connection: Connected, statement: str, lock: int) -> bool:
    try:
        return bool(await connection.fetchval(statement, lock))
    except BaseException:
        # The session may hold the lock, and would take it along into its pool.
        connection.terminate()
        raise
