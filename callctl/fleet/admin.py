"""What the fleet asks the admin API of a cluster, and has it do."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote, urlsplit

import httpx2

from callctl.io.state_dir import StateDir

TIMEOUT_S: Final = 30.0  # a node that is busy with thousands of calls may take its time
LIST_MAX: Final = 2_000  # devices that the API lists at once


class NoAnswer(Exception):
    """The cluster is not there, or refuses; the text says how."""


class Admin:
    """A client of one cluster, found by its state directory. Use it as a context."""

    def __init__(self, state: Path) -> None:
        """Raises: NoAnswer if no cluster has announced itself there."""
        directory = StateDir(state)
        running, token = directory.running(), directory.token()
        if running is None or token is None:
            raise NoAnswer(f"no cluster runs in {state}")
        self.url = running.url
        self.pid = running.pid
        self._http = httpx2.AsyncClient(
            base_url=running.url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_S,
            trust_env=False,
        )

    @property
    def host(self) -> str:
        """Where it is."""
        return urlsplit(self.url).hostname or ""

    async def __aenter__(self) -> Admin:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def nodes(self) -> list[dict[str, Any]]:
        """Every node. Raises: NoAnswer."""
        return list(await self._ask("GET", "/nodes"))

    async def devices(self) -> list[dict[str, Any]]:
        """The first `LIST_MAX` devices of the cluster. Raises: NoAnswer."""
        return list(await self._ask("GET", f"/devices?all=true&limit={LIST_MAX}"))

    async def setup(self, device: str) -> dict[str, Any]:
        """What a phone needs to be this device. Raises: NoAnswer."""
        return dict(await self._ask("GET", f"/devices/{quote(device)}/setup"))

    async def story(self, call_id: str) -> dict[str, Any]:
        """A call, step by step. Raises: NoAnswer."""
        return dict(await self._ask("GET", f"/calls/{quote(call_id)}"))

    async def kill(self, node: str) -> None:
        """Let a node die without a word. Raises: NoAnswer."""
        await self._ask("POST", f"/nodes/{quote(node)}/kill")

    async def start(self, node: str) -> None:
        """Bring a node into service. Raises: NoAnswer."""
        await self._ask("POST", f"/nodes/{quote(node)}/start")

    async def _ask(self, method: str, path: str) -> Any:  # noqa: ANN401  (what JSON holds)
        try:
            answer = await self._http.request(method, path)
        except httpx2.HTTPError as error:
            raise NoAnswer(
                f"{self.url} does not answer: {error or type(error).__name__}"
            ) from error
        if answer.status_code >= 400:
            try:
                detail = answer.json()["detail"]
            except (ValueError, KeyError, TypeError):
                detail = f"status {answer.status_code}"
            raise NoAnswer(str(detail))
        return answer.json()
