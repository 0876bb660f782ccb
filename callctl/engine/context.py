"""What the parts of one node's engine share: who we are, what we know, how we send."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import takewhile
from typing import TypeAlias
from zlib import crc32

from callctl.cluster.active_node import active_node
from callctl.cluster.membership import Membership
from callctl.engine.address_book import AddressBook, is_stream
from callctl.engine.event import EngineAction, FaultContained
from callctl.engine.fault import FAULT, place_of
from callctl.engine.forwarding import Forwarder
from callctl.engine.route_token import RouteTokens
from callctl.model.cluster import Cluster
from callctl.model.device import ClientType, Device
from callctl.push.capability.capabilities import Capabilities
from callctl.push.capability.capability import Switches
from callctl.push.features import PushFeatures
from callctl.push.kind import PushKind, channel_of, target_of
from callctl.registration.binding import Binding, BindingTable
from callctl.registration.push_binding import PushBinding, PushBindingTable
from sipstack.entropy import Entropy
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request
from sipstack.message.uri import Uri
from sipstack.stack import Stack
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import Flow
from sipstack.transport.locate import Answers, LookupsNeeded, locate
from sipstack.transport.rules import may_send_to

Out: TypeAlias = list[EngineAction]
"""Actions of one door call, in order: passed down, as a tuple a layer would cost a copy each."""


@dataclass(slots=True)
class NodeContext:
    """One node's knowledge and tools. Its parts change; the context itself does not."""

    cluster: Cluster
    name: str
    incarnation: int
    entropy: Entropy
    stack: Stack
    book: AddressBook
    forwarder: Forwarder
    tokens: RouteTokens
    table: BindingTable
    push_bindings: PushBindingTable
    membership: Membership
    tag_salt: str
    ignored: dict[str, int]  # by reason
    capabilities: Capabilities = field(init=False)
    push_on: bool = field(init=False)  # pushes may leave the cluster (GEN-02, GEN-09)

    def __post_init__(self) -> None:
        cluster = self.cluster
        self.push_on = cluster.cloud.push_enabled
        self.capabilities = Capabilities(cluster.release, Switches.of(cluster.service_parameters))

    def ignore(self, reason: str, detail: str, out: Out) -> None:
        """Something goes no further: count it, and let the trace show it."""
        self.ignored[reason] = self.ignored.get(reason, 0) + 1
        out.append(Ignored(reason, detail))

    def fault(self, error: Exception, out: Out) -> None:
        """A fault of our own was contained: count it, and let the shell raise an alarm."""
        self.ignored[FAULT] = self.ignored.get(FAULT, 0) + 1
        out.append(FaultContained(place_of(error), error))

    def local_tag(self, request: Request) -> str:
        """Our To tag for one request: the same in every answer we make to it ourselves."""
        text = f"{self.tag_salt}{request.call_id}"
        return f"{crc32(text.encode('utf-8', 'surrogateescape')):08x}{self.tag_salt[:4]}"

    def lives(self, binding: Binding) -> bool:
        """True if an INVITE for the binding can leave now: its flow is up, or it can be dialled."""
        if not self.membership.is_up(binding.node):
            return False
        if self.flow_of(binding) is not None:
            return True
        return self.may_dial(binding)

    def may_dial(self, binding: Binding) -> bool:
        """True if the device may listen at its contact: neither behind a flow nor asleep.

        An app on a phone never does: without its flow, push is the only way to it, and if it
        cannot be pushed to there is none (GEN-06, AND-05).
        """
        if binding.outbound or binding.device_name in self.push_bindings:
            return False
        device = self.cluster.devices.get(binding.device_name)
        return device is None or not device.mobile or device.client is ClientType.STANDARD

    def flow_of(self, binding: Binding) -> Flow | None:
        """The flow of a binding; None if it was a connection that is gone, or of a former life."""
        flow = binding.flow
        if flow is None or not is_stream(flow):
            return flow
        same_life = self.membership.incarnation(binding.node) == binding.incarnation
        return flow if same_life else None

    def push_binding(self, device: Device) -> PushBinding | None:
        """How to wake the device for a call; None if it cannot be pushed to (GEN-09, REG-13)."""
        if not self.push_on or self.cluster.unrestricted:
            return None
        binding = self.push_bindings.get(device.name)
        if binding is None:
            return None
        features = self.features(binding)
        channel = channel_of(PushKind.INCOMING, binding, features)
        return binding if features.call_push and target_of(channel, binding) is not None else None

    def features(self, binding: PushBinding) -> PushFeatures:
        """What this release offers to the device (GEN-10)."""
        return self.capabilities.features(binding)

    def active_node(self, device: Device) -> str | None:
        """Where the device should register now (CMG-07)."""
        group = self.cluster.group_of(device).nodes
        return active_node(group, self.table.last_node(device.name), self.membership.in_service)

    def why_active(self, device: Device, node: str) -> str:
        """In words: why a push names this node (CMG-07)."""
        last = self.table.last_node(device.name)
        if node == last:
            return "it registered there last"
        group = self.cluster.group_of(device)
        role = group.role_of(node) or "first"
        before = [*takewhile(node.__ne__, group.nodes), last]
        gone = [it for it in group.nodes if it in before and not self.membership.in_service(it)]
        if not gone:
            return f"its {role} node"
        verb = "is" if len(gone) == 1 else "are"
        return f"its {role} node, as {' and '.join(gone)} {verb} out of service"

    def dial(self, contact: str) -> Flow | None:
        """The flow to a contact by its address; None if that is a name, or not to be sent to.

        A node of the cluster is not: the request would come back here, and go round.
        """
        try:
            uri = Uri.parse(contact)
            found = None if self.book.node_at(uri) is not None else self.locate(uri, {})
        except SipSyntaxError:
            return None
        return None if isinstance(found, LookupsNeeded) else found

    def locate(self, uri: Uri, answers: Answers) -> Flow | LookupsNeeded | None:
        """The flow to what a URI names, by what is known of the name service (RFC 3263 §4)."""
        found = locate(uri, answers, self.entropy, transports=self.book.transports)
        if isinstance(found, LookupsNeeded):
            return found
        for transport, host, port in found:
            if may_send_to(host, port):
                flow = self.book.flow_towards(host, port, transport)
                if flow is not None:
                    return flow
        return None
