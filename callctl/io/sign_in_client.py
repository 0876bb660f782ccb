"""The sign-in of a simulated managed client."""

from __future__ import annotations

import ssl
from typing import Final

import httpx2
import msgspec

from callctl.io.sign_in_server import SIGN_IN_PATH, SIGN_OUT_PATH
from callctl.push.sign_in import ClusterFacts, SignInRequest, SignOutRequest

TIMEOUT_S: Final = 10.0


class SignInRefused(Exception):
    """The cluster said no."""

    def __init__(self, status: int, reason: str, retry_after_s: int | None) -> None:
        super().__init__(f"{status} {reason}")
        self.status = status
        self.reason = reason
        self.retry_after_s = retry_after_s


class SignInClient:
    """Signs clients in and out at one cluster; many phones may share it."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        self._http = httpx2.AsyncClient(
            base_url=url, verify=tls, timeout=TIMEOUT_S, trust_env=False, follow_redirects=False
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def sign_in(self, request: SignInRequest) -> ClusterFacts:
        """Sign in, or renew tokens and key.

        Raises: SignInRefused; httpx2.HTTPError if there is no answer.
        """
        return msgspec.json.decode(await self._post(SIGN_IN_PATH, request), type=ClusterFacts)

    async def sign_out(self, request: SignOutRequest) -> None:
        """Ask for no more pushes. Raises: as `sign_in`."""
        await self._post(SIGN_OUT_PATH, request)

    async def _post(self, path: str, request: SignInRequest | SignOutRequest) -> bytes:
        headers = {"content-type": "application/json"}
        content = msgspec.json.encode(request)
        answer = await self._http.post(path, content=content, headers=headers)
        if answer.status_code == 200:
            return answer.content
        retry_after = answer.headers.get("retry-after", "")
        raise SignInRefused(
            answer.status_code,
            _reason(answer.content),
            int(retry_after) if retry_after.isdigit() else None,
        )


def _reason(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body, type=dict[str, str]).get("error", ""))
    except msgspec.DecodeError:
        return ""
