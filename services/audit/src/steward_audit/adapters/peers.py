"""The services that are audited, over HTTP."""

from collections.abc import Mapping
from typing import Any

import httpx2
from pydantic import SecretStr

from steward_audit.application.ports import Counters, PeerSilent, Timers

_PAGE = 2_000
"""Streams at a time, so that what is in memory does not grow with how many there are."""


class HttpPeers:
    """`Peers` at these addresses, with a key that may read counters."""

    def __init__(self, addresses: Mapping[str, str], key: SecretStr) -> None:
        self._addresses = addresses
        self._key = key
        self._tls = httpx2.create_ssl_context()  # 50 ms of work, each time it is made

    async def counters(self) -> Mapping[str, Counters]:
        """Ask each service but ourselves: audit owns no facts."""
        found = {}
        for service in self._addresses.keys() - {"audit"}:
            said = await self._get(service, "/v1/counters", {})
            found[service] = Counters(said["appended"], said["unrelayed"], said.get("unhandled", 0))
        return found

    async def timers(self, service: str, after: str) -> Timers:
        """Ask for one page."""
        said = await self._get(service, "/v1/timers", {"after": after, "limit": str(_PAGE)})
        streams: list[str] = said["streams"]
        return Timers(frozenset(streams), streams[-1] if len(streams) == _PAGE else None)

    async def _get(self, service: str, path: str, parameters: Mapping[str, str]) -> Any:
        headers = {"Authorization": f"Bearer {self._key.get_secret_value()}"}
        try:
            async with httpx2.AsyncClient(verify=self._tls, timeout=30, trust_env=False) as client:
                answer = await client.get(
                    self._addresses[service] + path, params=parameters, headers=headers
                )
                answer.raise_for_status()
                return answer.json()
        except (httpx2.HTTPError, ValueError, KeyError) as error:
            raise PeerSilent(
                f"The service {service} does not say what it has stored ({type(error).__name__})."
            ) from error
