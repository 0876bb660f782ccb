"""A mobile phone in virtual time: three scripted nodes, a caller behind them, and its pushes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from callctl.model.device import Platform
from callctl.phone.phone import Phone
from callctl.phone.phone_event import PushArrived, SignedIn, SignIn
from callctl.phone.phone_settings import PhoneSettings
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from callctl.phone.user_agent import UserAgent
from callctl.push.content import ActiveNode, CallContent
from callctl.push.envelope import CONTENT_FREE, seal
from callctl.push.kind import PushKind
from helpers.phone_wire import PhoneWire, Seeded
from helpers.pushes import FULL
from sipstack.digest.challenge import Challenge
from sipstack.digest.compute import ha1, response_of
from sipstack.digest.credentials import Credentials
from sipstack.message.message import Request
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.timing import SECOND, Instant
from sipstack.transport.flow import BytesReceived, Send

PHONE = ("192.0.2.50", 5060)
NODES = tuple(Registrar(f"192.0.2.{n}", 5060, f"ucm{n}.example.com") for n in (1, 2, 3))
UNIX_MS = 1_720_602_000_000
UUID = "5f1c2a34-0000-4000-8000-000000000001"

AGENT = UserAgentSettings(
    user="2001",
    domain="example.com",
    registrars=NODES,
    local_host=PHONE[0],
    local_port=PHONE[1],
    auth_user="alice",
    password="secret",
    device_name="TCTALICE",
)
IPHONE = PhoneSettings(AGENT, unix_ms_at_zero=UNIX_MS)
ANDROID = replace(
    IPHONE,
    platform=Platform.ANDROID,
    os_version="14",
    subscriber_service="FCM",
    app="callctl-phone",
)


@dataclass(slots=True)
class Node:
    """One node by script: it registers whoever knows the password, and passes calls on."""

    address: Registrar
    caller: UserAgent  # who calls the phone through this node
    silent: bool = False  # crashed: takes nothing, says nothing
    status: int = 200  # what a REGISTER with good credentials gets
    expires_s: int = 3600
    min_expires_s: int = 0
    registers: list[Request] = field(default_factory=list)  # with good credentials
    nonces: int = 0

    def receive(self, event: BytesReceived, now: Instant) -> tuple[Any, ...]:
        if self.silent:
            return ()
        if not event.data.startswith(b"REGISTER"):
            return self.caller.receive(event, now)
        request = parse_message(event.data)
        assert isinstance(request, Request)
        return (Send(event.flow, self._answer(request)),)

    def advance(self, now: Instant) -> tuple[Any, ...]:
        return self.caller.advance(now)

    def next_deadline(self) -> Instant | None:
        return self.caller.next_deadline()

    def _answer(self, request: Request) -> bytes:
        text = request.headers.first("authorization")
        credentials = None if text is None else Credentials.parse(text)
        if credentials is None or not _proves(credentials):
            self.nonces += 1
            challenge = Challenge("example.com", f"n{self.nonces}").header_value()
            return respond(
                request, 401, to_tag="r", headers=(("WWW-Authenticate", challenge),)
            ).to_bytes()
        self.registers.append(request)
        if 0 < (request.expires or 0) < self.min_expires_s:
            brief = (("Min-Expires", str(self.min_expires_s)),)
            return respond(request, 423, to_tag="r", headers=brief).to_bytes()
        if self.status != 200:
            return respond(request, self.status, to_tag="r").to_bytes()
        if request.expires == 0:
            return respond(request, 200, to_tag="r").to_bytes()
        contact = request.contacts[0].with_param("expires", str(self.expires_s))
        return respond(request, 200, to_tag="r", headers=(("Contact", str(contact)),)).to_bytes()


def _proves(credentials: Credentials) -> bool:
    known = ha1("alice", "example.com", "secret")
    expected = response_of(
        known,
        "REGISTER",
        credentials.uri,
        credentials.nonce,
        qop=credentials.qop,
        nc=credentials.nc,
        cnonce=credentials.cnonce,
    )
    return expected == credentials.response


class Rig:
    """The phone and its world; times in ms."""

    def __init__(self, settings: PhoneSettings = IPHONE, plan: AnswerPlan | None = None) -> None:
        if plan is not None:
            settings = replace(settings, agent=replace(settings.agent, answer=plan))
        self.wire = PhoneWire()
        self.phone = Phone(settings, Seeded(7))
        self.wire.add("phone", *PHONE, self.phone)
        self.nodes: list[Node] = []
        for number, address in enumerate(NODES, 1):
            caller = UserAgent(
                UserAgentSettings(
                    "1001",
                    "example.com",
                    (Registrar(*PHONE),),
                    address.host,
                    address.port,
                    display_name="Carol",
                ),
                Seeded(number),
            )
            node = Node(address, caller)
            self.nodes.append(node)
            self.wire.add(f"node{number}", address.host, address.port, node)
        self._pushes = 0

    def start(self) -> None:
        """Switch on, sign in, register; the app is on the screen."""
        self.wire.at(0, "phone", self.phone.start)
        self.wire.at(0, "phone", lambda now: self.phone.receive(SignedIn(), now))
        self.wire.run(500)
        assert self.wire.events("phone", SignIn) or not self.phone.settings.managed

    def sleep(self) -> None:
        """As `start`, then the phone is locked and the app suspended; the time is 10 s."""
        self.start()
        self.wire.at(1_000, "phone", lambda now: self.phone.set_screen(now, locked=True))
        self.wire.run(10_000)

    def push(
        self,
        ms: int,
        kind: PushKind = PushKind.INCOMING,
        *,
        uuid: str = UUID,
        node: int | None = None,
        transport: str = "udp",
        sent_at_ms: int | None = None,
        tracking_id: str | None = None,
        push_type: str | None = None,
        caller: tuple[str, str] = ("Carol", "1001"),
    ) -> None:
        """A push of a call arrives; `node` is the number of the active node it names."""
        self._pushes += 1
        tracking_id = tracking_id or f"CPNS_{self._pushes}"
        active = None
        if node is not None:
            address = NODES[node - 1]
            role = ("primary", "backup", "tertiary")[node - 1]
            active = ActiveNode(address.fqdn, address.host, address.port, transport, role)
        content = CallContent(kind, uuid, *caller, None, False, active)
        identity = self.phone.identity
        android = self.phone.settings.platform is Platform.ANDROID
        push_type = push_type or ("data" if android else "voip")
        target = identity.voip_token
        if push_type == "alert":
            target = identity.message_token or ""
        key_id, key = next(reversed(identity.keys.items()))
        envelope = seal(
            content.plaintext(FULL, UNIX_MS + (ms if sent_at_ms is None else sent_at_ms)),
            key=key,
            key_id=key_id,
            iv=self._pushes.to_bytes(12),
            tracking_id=tracking_id,
            target=target,
        )
        fields: dict[str, Any] = {"trackingId": tracking_id}
        fields |= envelope.payload() if android else {"payload": envelope.payload()}
        collapse_id = f"collapses {uuid}" if push_type == "alert" else None
        self.arrive(ms, PushArrived(target, push_type, fields, collapse_id))

    def push_without_content(self, ms: int) -> None:
        """What a device without a key gets (OP-01)."""
        fields = {"trackingId": "CPNS_0", "payload": CONTENT_FREE}
        self.arrive(ms, PushArrived(self.phone.identity.voip_token, "voip", fields))

    def arrive(self, ms: int, push: PushArrived) -> None:
        self.wire.at(ms, "phone", lambda now: self.phone.receive(push, now))

    def invite(self, ms: int, *, node: int = 1, uuid: str | None = UUID) -> None:
        """The node sends the INVITE of the call, as it would after the REGISTER."""
        headers = () if uuid is None else (("X-Push-Call-UUID", uuid),)
        caller = self.nodes[node - 1].caller
        self.wire.at(
            ms,
            f"node{node}",
            lambda now: caller.invite("sip:2001@192.0.2.50", now, headers=headers)[1],
        )

    def registers(self) -> list[int]:
        """How many good REGISTERs each node has seen."""
        return [len(node.registers) for node in self.nodes]

    def assert_at_rest(self) -> None:
        """Let every timer run out; nothing must be left."""
        self.wire.run()
        assert set(self.phone.counts().values()) == {0}
        for node in self.nodes:
            assert set(node.caller.counts().values()) == {0}


def s(seconds: float) -> int:
    """Seconds in ns."""
    return int(seconds * SECOND)
