"""The command line's way to a running cluster: its admin API, found by the state directory."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn
from urllib.parse import quote, urlsplit

from cyclopts import Parameter

from callctl.cli.errors import Refused, Unreachable
from callctl.io.state_dir import StateDir, default_path

TIMEOUT_S: Final = 10.0
SLOW_S: Final = 90.0  # for what waits for a service to restart, or for the cloud
PIECE_MAX: Final = 64 * 1024


@Parameter(name="*")
@dataclass(frozen=True, slots=True)
class Where:
    """Which cluster is meant, and how to print. Shared by every command that asks a cluster."""

    json: Annotated[bool, Parameter(negative="", help="Print JSON, for scripts.")] = False
    state: Annotated[
        Path | None,
        Parameter(help="State directory of the cluster.", env_var="CALLCTL_STATE"),
    ] = None
    url: Annotated[
        str | None,
        Parameter(help="Its admin API, if not the one announced in the state directory."),
    ] = None


HERE: Final = Where()
"""The cluster of the user's own state directory."""


class AdminClient:
    """Asks the admin API. Plain HTTP of the standard library: the command line must start fast."""

    def __init__(self, where: Where) -> None:
        """Raises: Unreachable if no cluster has announced itself there."""
        state = StateDir(where.state or default_path())
        running = state.running()
        token = state.token()
        if token is None or (running is None and where.url is None):
            raise Unreachable(f"no cluster runs here (looked in {state.path}); try callctl lab")
        self.url = where.url or (running.url if running is not None else "")
        parts = urlsplit(self.url)
        if parts.scheme != "http" or not parts.hostname:
            raise Unreachable(f"{self.url} is not an http URL")
        self._host, self._port = parts.hostname, parts.port or 80
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    def get(self, *path: str, **query: str | float | bool) -> Any:  # noqa: ANN401  (what JSON holds)
        """The answer to a GET. Raises: Unreachable, Refused."""
        return self._ask("GET", path, query)

    def post(
        self, *path: str, body: dict[str, Any] | None = None, timeout_s: float = TIMEOUT_S
    ) -> Any:  # noqa: ANN401
        """The answer to a POST. Raises: Unreachable, Refused."""
        return self._ask("POST", path, {}, body, timeout_s=timeout_s)

    def delete(self, *path: str) -> Any:  # noqa: ANN401
        """The answer to a DELETE. Raises: Unreachable, Refused."""
        return self._ask("DELETE", path, {})

    def stream(self, *path: str, **query: str | float | bool) -> Iterator[bytes]:
        """The pieces of an answer that grows, as they come. Raises: Unreachable, Refused."""
        with self._exchange("GET", path, query, None, timeout_s=None) as answer:
            while piece := answer.read1(PIECE_MAX):
                yield piece

    def _ask(
        self,
        method: str,
        path: tuple[str, ...],
        query: dict[str, str | float | bool],
        body: dict[str, Any] | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> Any:  # noqa: ANN401
        with self._exchange(method, path, query, body, timeout_s=timeout_s) as answer:
            return json.loads(answer.read())

    @contextmanager
    def _exchange(
        self,
        method: str,
        path: tuple[str, ...],
        query: dict[str, str | float | bool],
        body: dict[str, Any] | None,
        *,
        timeout_s: float | None,
    ) -> Iterator[http.client.HTTPResponse]:
        target = "/" + "/".join(quote(part, safe="") for part in path)
        if query:
            target += "?" + "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
        headers, data = dict(self._headers), None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body)
        connection = http.client.HTTPConnection(
            self._host, self._port, timeout=TIMEOUT_S if timeout_s is None else timeout_s
        )
        with closing(connection):
            try:
                connection.request(method, target, data, headers)
                answer = connection.getresponse()
                if timeout_s is None and connection.sock is not None:
                    connection.sock.settimeout(None)
                with answer:  # one that ends the connection is not closed with it
                    if answer.status >= 400:
                        _refuse(answer.status, answer.read())
                    yield answer
            except (OSError, http.client.HTTPException) as error:
                why = str(error) or type(error).__name__
                raise Unreachable(f"{self.url} does not answer: {why}") from error


def _refuse(status: int, body: bytes) -> NoReturn:
    try:
        detail = json.loads(body)["detail"]
    except (ValueError, KeyError, TypeError):
        detail = f"status {status}"
    if status == 401:
        raise Unreachable("the cluster does not know our token: is it another state directory's?")
    if isinstance(detail, list):  # a value that the API does not take
        detail = "; ".join(str(each.get("msg", each)) for each in detail)
    raise Refused(str(detail))
