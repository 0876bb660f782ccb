"""Sign-in of managed clients: who they are, how to wake them, and what they need to know.

The key that seals pushes travels here and nowhere else (SEC-02, OP-01). A client signs in again to
renew its tokens or key, and signs out to get no more pushes (MODE-18).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from typing import Annotated, Final, Protocol, TypeAlias

import msgspec

from callctl.model.device import MOBILE, SUBSCRIBER_SERVICES, ClientType, Platform
from callctl.push.envelope import KEY_ID_MAX, KEY_OCTETS, b64url_octets
from callctl.registration.push_binding import PushBinding
from sipstack.timing import SECOND, Instant

# Wrong passwords within a window. An address may be a whole house behind a NAT, or a simulator.
USER_FAILURES_MAX: Final = 5
ADDRESS_FAILURES_MAX: Final = 50
WINDOW_NS: Final = 60 * SECOND
WATCHED_MAX: Final = 10_000  # user ids and addresses with a failure that are remembered

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Token = Annotated[str, msgspec.Meta(max_length=4096, pattern="^[A-Za-z0-9_.:=~-]+$")]


class SignInRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """Body of `POST /sign-in`."""

    user_id: _Text
    password: _Text
    device_name: _Text
    platform: Platform
    os_version: _Text
    client: ClientType
    client_version: _Text
    subscriber_service: str
    key: str  # base64url, 32 octets
    key_id: Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_ID_MAX)]
    voip_token: _Token | None = None
    message_token: _Token | None = None
    custom_region: bool = False
    local_push_capable: bool = False

    def __repr__(self) -> str:
        return f"SignInRequest(user_id={self.user_id!r}, device_name={self.device_name!r})"


class SignOutRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """Body of `POST /sign-out`."""

    user_id: _Text
    password: _Text
    device_name: _Text

    def __repr__(self) -> str:
        return f"SignOutRequest(user_id={self.user_id!r}, device_name={self.device_name!r})"


class NodeAddress(msgspec.Struct, rename="camel", frozen=True):
    """One way to one node."""

    transport: str  # "UDP", "TCP" or "TLS"
    host: str
    port: int


class NodeFacts(msgspec.Struct, rename="camel", frozen=True):
    """A node of the device's CM group."""

    name: str
    fqdn: str
    role: str  # "primary", "backup", "tertiary"
    addresses: tuple[NodeAddress, ...]


class LineFacts(msgspec.Struct, rename="camel", frozen=True):
    """A line of the device."""

    dn: str
    display_name: str


class ClusterFacts(msgspec.Struct, rename="camel", frozen=True):
    """What a client must know to register: the answer to a sign-in."""

    domain: str
    digest_user: str
    nodes: tuple[NodeFacts, ...]  # in the order of the CM group
    lines: tuple[LineFacts, ...]  # the primary one first


class SignInDirectory(Protocol):
    """What the cluster knows of users and devices."""

    def password_of(self, user_id: str) -> str | None:
        """None for an unknown user."""

    def facts_for(self, user_id: str, device_name: str) -> ClusterFacts | None:
        """None unless this device belongs to this user."""


@dataclass(frozen=True, slots=True)
class ClientSignedIn:
    """A managed client gave its push data, for the first time or anew."""

    binding: PushBinding  # the stamp is left to who keeps it
    user_id: str


@dataclass(frozen=True, slots=True)
class ClientSignedOut:
    """No more pushes to this device until it signs in again (MODE-18)."""

    device_name: str
    user_id: str


SignInEvent: TypeAlias = ClientSignedIn | ClientSignedOut


@dataclass(frozen=True, slots=True)
class SignInAnswer:
    """What to answer over HTTP, and what happened, if anything did."""

    status: int
    facts: ClusterFacts | None = None
    reason: str = ""
    retry_after_s: int | None = None
    event: SignInEvent | None = field(default=None)


class SignInService:
    """Judges sign-ins. An unknown user and a wrong password look and take the same."""

    def __init__(self, directory: SignInDirectory) -> None:
        self._directory = directory
        # Times of failures within the window, by "user ..." and "address ..."; oldest first.
        self._failures: OrderedDict[str, list[Instant]] = OrderedDict()

    def sign_in(self, body: bytes, address: str, now: Instant) -> SignInAnswer:
        """Judge the body of `POST /sign-in` that came from `address`."""
        try:
            request = msgspec.json.decode(body, type=SignInRequest)
        except msgspec.DecodeError:  # its text may quote a secret
            return SignInAnswer(400, reason="Malformed")
        refused = self._authenticate(request.user_id, request.password, address, now)
        if refused is not None:
            return refused
        facts = self._directory.facts_for(request.user_id, request.device_name)
        if facts is None:
            return SignInAnswer(403, reason="NotYourDevice")
        try:
            binding = _binding(request)
        except ValueError as error:
            return SignInAnswer(400, reason=str(error))
        return SignInAnswer(200, facts, event=ClientSignedIn(binding, request.user_id))

    def sign_out(self, body: bytes, address: str, now: Instant) -> SignInAnswer:
        """Judge the body of `POST /sign-out` that came from `address`."""
        try:
            request = msgspec.json.decode(body, type=SignOutRequest)
        except msgspec.DecodeError:
            return SignInAnswer(400, reason="Malformed")
        refused = self._authenticate(request.user_id, request.password, address, now)
        if refused is not None:
            return refused
        if self._directory.facts_for(request.user_id, request.device_name) is None:
            return SignInAnswer(403, reason="NotYourDevice")
        return SignInAnswer(200, event=ClientSignedOut(request.device_name, request.user_id))

    def _authenticate(
        self, user_id: str, password: str, address: str, now: Instant
    ) -> SignInAnswer | None:
        watched = (
            (f"user {user_id}", USER_FAILURES_MAX),
            (f"address {address}", ADDRESS_FAILURES_MAX),
        )
        wait_ns = max(self._wait_ns(name, limit, now) for name, limit in watched)
        if wait_ns:
            seconds = -(-wait_ns // SECOND)
            return SignInAnswer(429, reason="TooManyAttempts", retry_after_s=seconds)
        expected = self._directory.password_of(user_id)
        # Always one comparison of two digests, whatever is known and however long it is.
        given_digest = sha256(password.encode(errors="replace")).digest()
        known_digest = sha256((expected or "").encode()).digest()
        if compare_digest(given_digest, known_digest) and expected is not None:
            return None
        for name, limit in watched:
            self._count_failure(name, limit, now)
        return SignInAnswer(401, reason="WrongUserOrPassword")

    def _wait_ns(self, name: str, limit: int, now: Instant) -> int:
        """How long `name` has to wait before it may try again."""
        failures = [at for at in self._failures.get(name, ()) if now - at < WINDOW_NS]
        return failures[-limit] + WINDOW_NS - now if len(failures) >= limit else 0

    def _count_failure(self, name: str, limit: int, now: Instant) -> None:
        failures = self._failures.pop(name, [])
        failures.append(now)
        self._failures[name] = failures[-limit:]
        if len(self._failures) > WATCHED_MAX:
            self._failures.popitem(last=False)


def _binding(request: SignInRequest) -> PushBinding:
    """Raises: ValueError, whose text goes into the answer and so names no value."""
    if request.platform not in MOBILE:
        raise ValueError("NoPushOnThisPlatform")
    if SUBSCRIBER_SERVICES.get(request.subscriber_service) is not request.platform:
        raise ValueError("UnknownSubscriberService")
    try:
        key = b64url_octets(request.key)
    except ValueError:
        key = b""
    if len(key) != KEY_OCTETS:
        raise ValueError("BadKey")
    if request.voip_token is None and request.message_token is None:
        raise ValueError("NoToken")
    return PushBinding(
        device_name=request.device_name,
        platform=request.platform,
        os_version=request.os_version,
        client=request.client,
        client_version=request.client_version,
        subscriber_service=request.subscriber_service,
        voip_token=request.voip_token,
        message_token=request.message_token,
        key_id=request.key_id,
        key=key,
        custom_region=request.custom_region,
        local_push=request.local_push_capable,
    )
