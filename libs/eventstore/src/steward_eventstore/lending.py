"""A pool whose connections go from hand to hand while there is more than one to use them.

asyncpg's own takes some 40 µs to lend a connection and to take it back, a quarter of what an append
costs Python. So what one has used well goes to whoever comes next; the last gives all back.
"""

from collections.abc import Generator
from typing import Any

import asyncpg
from asyncpg import Connection, InterfaceError, Record
from asyncpg.pool import PoolAcquireContext, PoolConnectionProxy


class LendingPool(asyncpg.Pool):
    """asyncpg's pool, but for how its connections are lent; what met an error it cleans as ever."""

    def __init__(self, dsn: str, *, min_size: int, max_size: int, **settings: Any) -> None:
        super().__init__(
            dsn,
            min_size=min_size,
            max_size=max_size,
            max_queries=50_000,
            max_inactive_connection_lifetime=300.0,
            loop=None,
            connection_class=Connection,
            record_class=Record,
            **settings,
        )
        self._at_hand: list[PoolConnectionProxy] = []
        self._used = 0
        self._asking = 0

    def acquire(self, *, timeout: float | None = None) -> "_Lent":
        """Lend a connection, for `async with`; one that is at hand, else one of the pool's."""
        return _Lent(self, timeout)

    async def release(
        self,
        connection: PoolConnectionProxy,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - asyncpg's own signature
    ) -> None:
        """Take back a connection for good, and clean it."""
        self._used -= 1
        try:
            await super().release(connection, timeout=timeout)
        finally:
            await self._rest()

    async def close(self) -> None:
        """Wait until all are released, then close them."""
        await self._rest()
        await super().close()

    async def take(
        self,
        timeout: float | None,  # noqa: ASYNC109 - handed through
    ) -> PoolConnectionProxy:
        """Give a connection to a user; its way back is `hand_on` or, after any error, `release`."""
        self._used += 1
        try:
            while self._at_hand:
                connection = self._at_hand.pop()
                if _is_well(connection):
                    return connection
                await super().release(connection)
            self._asking += 1
            try:
                return await super().acquire(timeout=timeout)
            finally:
                self._asking -= 1
        except BaseException:
            self._used -= 1
            raise

    async def hand_on(self, connection: PoolConnectionProxy) -> None:
        """Keep a connection at hand that was used well, unless nobody else is under way."""
        # Whoever waits for one of the pool's gets what is given back to it.
        if self._used > 1 and not self._asking and _is_well(connection):
            self._used -= 1
            self._at_hand.append(connection)
        else:
            await self.release(connection)

    async def _rest(self) -> None:
        while self._at_hand and not self._used:
            await super().release(self._at_hand.pop())


class _Lent(PoolAcquireContext):
    """A connection for the time of an `async with`."""

    pool: LendingPool

    def __await__(self) -> Generator[Any, None, PoolConnectionProxy]:
        return self.pool.take(self.timeout).__await__()

    async def __aenter__(self) -> PoolConnectionProxy:
        self.connection = await self.pool.take(self.timeout)
        return self.connection

    async def __aexit__(self, *error: object) -> None:
        lent, self.connection = self.connection, None
        if lent is not None and not any(error):
            await self.pool.hand_on(lent)
        elif lent is not None:
            await self.pool.release(lent)


def _is_well(connection: PoolConnectionProxy) -> bool:
    try:
        return not (connection.is_closed() or connection.is_in_transaction())
    except InterfaceError:  # it broke, and the pool has taken it back by itself
        return False
