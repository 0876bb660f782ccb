"""A few nodes in virtual time, driven by literal messages: for tests of the engine.

No network: what a node sends to another node's listener is handed over at once, cluster events too;
everything else stays in `sent`, to be looked at. Chance is counted, so that runs are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from callctl.cluster.membership import Publish
from callctl.engine.engine import Engine
from callctl.engine.event import (
    ClusterEventReceived,
    DeviceSignedIn,
    EngineAction,
    FaultContained,
    LookUp,
    SendPush,
)
from callctl.model.cluster import Cluster
from callctl.model.device import Device
from callctl.push.events import Outcome, PushOutcome
from callctl.push.intent import PushIntent
from callctl.push.kind import Channel, target_of
from callctl.registration.push_binding import PushBinding, mark_of
from sipstack.digest.compute import ha1, response_of
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.timing import MS, Instant
from sipstack.transport.flow import BytesReceived, Flow, FlowClosed, Send

START = Instant(0)


class CountedEntropy:
    """Chance that is the same in every run and never repeats."""

    def __init__(self, salt: int) -> None:
        self._salt = salt
        self._count = 0

    def octets(self, count: int) -> bytes:
        self._count += 1
        block = self._count.to_bytes(4, "big") + bytes([self._salt]) + b"\x00" * 3
        return (block * (count // len(block) + 1))[:count]

    def below(self, limit: int) -> int:
        self._count += 1
        return self._count % limit


@dataclass(slots=True)
class Sent:
    """One message that left a node."""

    node: str
    at: Instant
    flow: Flow
    message: Request | Response


@dataclass(slots=True)
class EngineRig:
    """Nodes, a clock, and what they sent and pushed."""

    cluster: Cluster
    now: Instant = START
    engines: dict[str, Engine] = field(default_factory=dict)
    sent: list[Sent] = field(default_factory=list)
    pushes: list[PushIntent] = field(default_factory=list)
    lookups: list[LookUp] = field(default_factory=list)
    faults: list[FaultContained] | None = None
    """Faults of the nodes that were contained; None where a test expects none: they are raised."""
    cut: set[str] = field(default_factory=set)
    """Nodes that neither hear nor reach the others."""

    def __post_init__(self) -> None:
        for index, name in enumerate(self.cluster.nodes):
            engine = Engine(self.cluster, name, CountedEntropy(index + 1), key=b"k" * 32)
            self.engines[name] = engine
        for name, engine in self.engines.items():
            self.perform(name, engine.start(self.now))

    def flow(self, node: str, remote: str, *, transport: str = "UDP", connection: int = 0) -> Flow:
        """The flow from `remote` ("192.0.2.50:5060") to a node's listener."""
        listener = self.cluster.nodes[node].listener(transport)
        assert listener is not None
        host, _, port = remote.rpartition(":")
        return Flow(transport, listener.host, listener.port, host, int(port), connection)

    def feed(self, node: str, text: str, flow: Flow) -> list[Sent]:
        """Give one message (lines separated by LF) to a node; what leaves because of it."""
        head, _, body = text.strip("\n").partition("\n\n")
        data = head.strip().replace("\n", "\r\n") + "\r\n\r\n" + body
        return self.feed_bytes(node, data.encode(), flow)

    def feed_bytes(self, node: str, data: bytes, flow: Flow) -> list[Sent]:
        before = len(self.sent)
        actions = self.engines[node].receive(BytesReceived(flow, data), self.now)
        self.perform(node, actions)
        return self.sent[before:]

    def close(self, node: str, flow: Flow) -> None:
        """A stream connection is gone."""
        self.perform(node, self.engines[node].receive(FlowClosed(flow, "closed"), self.now))

    def sign_in(self, binding: PushBinding, node: str = "") -> None:
        """A managed client signs in at a node."""
        name = node or next(iter(self.engines))
        self.perform(name, self.engines[name].receive(DeviceSignedIn(binding), self.now))

    def kill(self, node: str) -> None:
        """A node dies without a word."""
        del self.engines[node]

    def run_to(self, at_ms: float) -> list[Sent]:
        """Let time pass to `at_ms` after the start; what leaves meanwhile."""
        target = Instant(round(at_ms * MS))
        before = len(self.sent)
        while True:
            deadlines = [
                (deadline, name)
                for name, engine in self.engines.items()
                if (deadline := engine.next_deadline()) is not None and deadline <= target
            ]
            if not deadlines:
                break
            deadline, name = min(deadlines)
            self.now = max(self.now, deadline)
            self.perform(name, self.engines[name].advance(self.now))
        self.now = target
        return self.sent[before:]

    def outcome(self, intent: PushIntent, outcome: Outcome) -> None:
        """The push service tells a node how a push ended; all nodes hear, one cares."""
        token = target_of(Channel.VOIP, intent.binding)
        mark = mark_of(token) if token and outcome is Outcome.REFUSED_TOKEN else ""
        ended = PushOutcome(intent.intent_id, outcome, target_mark=mark)
        for name, engine in tuple(self.engines.items()):
            self.perform(name, engine.receive(ended, self.now))

    def counts(self) -> dict[str, int]:
        """What is alive in all nodes, streams not counted."""
        total: dict[str, int] = {}
        for engine in self.engines.values():
            for key, value in engine.counts().items():
                if key != "streams":
                    total[key] = total.get(key, 0) + value
        return total

    def perform(self, name: str, actions: tuple[EngineAction, ...]) -> None:
        """Do what a node wants done."""
        for action in actions:
            if isinstance(action, Send):
                self._deliver(name, action)
            elif isinstance(action, Publish):
                for other, engine in tuple(self.engines.items()):
                    if other != name and not self.cut.intersection((name, other)):
                        event = ClusterEventReceived(action.event)
                        self.perform(other, engine.receive(event, self.now))
            elif isinstance(action, SendPush):
                self.pushes.append(action.intent)
            elif isinstance(action, LookUp):
                self.lookups.append(action)
            elif isinstance(action, FaultContained):
                if self.faults is None:
                    raise action.error
                self.faults.append(action)

    def _deliver(self, name: str, send: Send) -> None:
        if send.data.startswith(b"\r\n"):
            return
        self.sent.append(Sent(name, self.now, send.flow, parse_message(send.data)))
        for other, engine in self.engines.items():
            for listener in self.cluster.nodes[other].listeners:
                if (listener.transport, listener.host, listener.port) == (
                    send.flow.transport,
                    send.flow.remote_host,
                    send.flow.remote_port,
                ):
                    connection = 0 if send.flow.transport == "UDP" else 900
                    back = Flow(
                        send.flow.transport,
                        listener.host,
                        listener.port,
                        send.flow.local_host,
                        send.flow.local_port,
                        connection,
                    )
                    self.perform(other, engine.receive(BytesReceived(back, send.data), self.now))
                    return


def authorization(
    challenge: Response,
    method: str,
    uri: str,
    user: str,
    password: str,
    *,
    nc: int = 1,
    algorithm: str = "MD5",
) -> str:
    """The header line that answers a 401 or 407."""
    proxy = challenge.status == 407
    field_key = "proxy-authenticate" if proxy else "www-authenticate"
    value = challenge.headers.first(field_key) or ""
    nonce = value.split('nonce="')[1].split('"')[0]
    realm = value.split('realm="')[1].split('"')[0]
    count = f"{nc:08x}"
    answer = response_of(
        ha1(user, realm, password, algorithm),
        method,
        uri,
        nonce,
        qop="auth",
        nc=count,
        cnonce="c",
        algorithm=algorithm,
    )
    name = "Proxy-Authorization" if proxy else "Authorization"
    return (
        f'{name}: Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
        f'response="{answer}", qop=auth, nc={count}, cnonce="c", algorithm={algorithm}'
    )


def iphone_binding(device: Device) -> PushBinding:
    """What a managed iPhone signs in with."""
    return PushBinding(
        device_name=device.name,
        platform=device.platform,
        os_version=device.os_version or "17.0",
        client=device.client,
        client_version=device.client_version or "14.3",
        subscriber_service="APNS",
        voip_token=f"voip-{device.name}",
        message_token=f"message-{device.name}",
        key_id="k1",
        key=b"\x01" * 32,
    )
