"""Digest authentication of clients: who sent this request.

Nonces carry their own proof (issue time, node, HMAC), so nothing is stored for a client that only
asked. What is stored is the highest nonce count seen of each nonce in use, to refuse replays.
Source: RFC 7616, RFC 8760, RFC 3261 §22; design, "Digest".
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from callctl.model.cluster import Cluster
from callctl.model.user import User
from sipstack.digest.challenge import Challenge
from sipstack.digest.compute import ha1, response_of
from sipstack.digest.credentials import Credentials
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request
from sipstack.timing import SECOND, Instant

MAC_HEX: Final = 16  # 64 bits: a forged nonce gains nothing without the password


@dataclass(frozen=True, slots=True)
class Authenticated:
    """The request was made with this user's password."""

    user_id: str
    asked_at: Instant  # when it first asked: with the request that was challenged, if there was one


@dataclass(frozen=True, slots=True)
class Challenged:
    """Answer with this challenge: no credentials, or not good ones."""

    status: int  # 401 or 407
    header: tuple[str, str]


Verdict: TypeAlias = Authenticated | Challenged


class Authenticator:
    """Checks digest credentials for one node."""

    __slots__ = ("_ha1", "_node", "_realm", "_secret", "_seen", "_users", "cluster", "issued")

    def __init__(
        self,
        cluster: Cluster,
        node: str,
        secret: bytes,
        users: Mapping[str, User] | None = None,
    ) -> None:
        """`users`: who may prove themselves, if not the users of the cluster."""
        self.cluster = cluster
        self._users = cluster.users if users is None else users
        self._node = node
        self._realm = cluster.domain
        self._secret = secret
        self._ha1: dict[str, str] = {}
        self._seen: dict[str, int] = {}  # nonce to highest nonce count, oldest nonce first
        self.issued = 0

    def check(self, request: Request, now: Instant) -> Verdict:
        """Judge the credentials of one request. A wrong user looks like a wrong password."""
        parameters = self.cluster.service_parameters
        status = 401 if request.method == "REGISTER" else parameters.invite_challenge_code
        field = "authorization" if status == 401 else "proxy-authorization"
        for text in request.headers.all(field):
            try:
                credentials = Credentials.parse(text)
            except SipSyntaxError:
                continue
            if credentials is None or credentials.realm != self._realm:
                continue
            age = self._nonce_age(credentials.nonce, now)
            if age is None or age > parameters.nonce_lifetime_s * SECOND:
                return self._challenge(status, now, stale=self._proves(request, credentials))
            if not self._proves(request, credentials):
                return self._challenge(status, now)
            if not self._count(credentials, now):
                return self._challenge(status, now, stale=True)
            # A nonce that is used for the first time was made for the request before this one.
            first = credentials.nc is not None and int(credentials.nc, 16) == 1
            return Authenticated(credentials.username, Instant(now - age) if first else now)
        return self._challenge(status, now)

    def _challenge(self, status: int, now: Instant, *, stale: bool = False) -> Challenged:
        challenge = Challenge(
            realm=self._realm,
            nonce=self._nonce(now),
            algorithm=self.cluster.service_parameters.digest_algorithm,
            qop=("auth",),
            stale=stale,
        )
        name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        return Challenged(status, (name, challenge.header_value()))

    def _proves(self, request: Request, credentials: Credentials) -> bool:
        algorithm = self.cluster.service_parameters.digest_algorithm
        if (credentials.algorithm or "MD5").upper() != algorithm.upper():
            return False
        user = self._users.get(credentials.username)
        # An unknown user costs the same work as a known one, so that time tells nothing.
        known = self._ha1_of(credentials.username if user is not None else "")
        expected = response_of(
            known,
            request.method,
            credentials.uri,
            credentials.nonce,
            qop=credentials.qop,
            nc=credentials.nc,
            cnonce=credentials.cnonce,
            algorithm=algorithm,
        )
        same = hmac.compare_digest(expected.encode(), credentials.response.encode())
        return same and user is not None

    def _ha1_of(self, user_id: str) -> str:
        known = self._ha1.get(user_id)
        if known is None:
            user = self._users.get(user_id)
            secret = user.password.get_secret_value() if user is not None else self._secret.hex()
            algorithm = self.cluster.service_parameters.digest_algorithm
            known = self._ha1[user_id] = ha1(user_id, self._realm, secret, algorithm)
        return known

    def _nonce(self, now: Instant) -> str:
        self.issued += 1
        body = f"{now:x}.{self.issued:x}"
        return f"{body}.{self._mac(body)}"

    def _mac(self, body: str) -> str:
        # The node is part of it: counts are kept by the node that issued the nonce, so another
        # node must not accept it, or a replay there would pass.
        return hmac.digest(self._secret, f"{self._node} {body}".encode(), "sha256").hex()[:MAC_HEX]

    def _nonce_age(self, nonce: str, now: Instant) -> int | None:
        """Nanoseconds since this node issued the nonce; None if it did not."""
        body, _, mac = nonce.rpartition(".")
        try:
            issued = int(body.partition(".")[0], 16)
        except ValueError:
            return None
        if not mac.isascii() or not hmac.compare_digest(mac, self._mac(body)):
            return None
        return now - issued

    def _count(self, credentials: Credentials, now: Instant) -> bool:
        """True if the nonce count is higher than any before (RFC 7616 §3.4). Gaps are fine."""
        if credentials.qop is None or credentials.nc is None:
            return True  # RFC 2069 clients know no count; the nonce's short life protects them
        count = int(credentials.nc, 16)
        nonce = credentials.nonce
        if count <= self._seen.get(nonce, 0):
            return False
        self._seen[nonce] = count
        lifetime_ns = self.cluster.service_parameters.nonce_lifetime_s * SECOND
        for oldest in self._seen:
            if now - int(oldest.partition(".")[0], 16) <= lifetime_ns:
                break
            del self._seen[oldest]
            break  # one out for each one in keeps the table bounded without a timer
        return True
