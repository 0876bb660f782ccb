"""What the admin API shows: plain records made from a running cluster."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, TypeAlias

from pydantic import BaseModel, Field

from callctl.call.story import CallRecord
from callctl.call.telling import call_fields, push_fields, story_fields
from callctl.engine.engine import Engine
from callctl.io.caller import Caller, Wish
from callctl.io.cluster_shell import ClusterShell
from callctl.io.node_shell import NodeShell
from callctl.io.parties import Parties
from callctl.io.phone_setup import PhoneSetup
from callctl.push.history import PushEntry
from callctl.push.kind import target_of
from callctl.registration.binding import Binding
from sipstack.timing import SECOND, Instant

INSECURE_TLS: Final = "cloud.insecure_skip_tls_verification"

PushState: TypeAlias = Literal["ready", "no target", "not offered", "none", "off"]


class HealthView(BaseModel):
    """The cluster as a whole."""

    status: Literal["ok", "degraded", "down"] = Field(
        description="degraded: some node does not run; down: none does."
    )
    cluster: str
    domain: str
    version: str
    nodes_up: int
    nodes: int
    uptime_s: float
    onboarding: str = Field(description="Status of the onboarding page.")
    pushes: bool = Field(description="Pushes may leave the cluster (GEN-02).")
    insecure: list[str] = Field(description="Options in force that give up security, by name.")


class TrunkView(BaseModel):
    """One destination of a trunk."""

    trunk: str
    destination: str = Field(description="`transport:address:port`.")
    state: Literal["up", "down"]
    reason: str = Field(description="Why it is down.")


class NodeView(BaseModel):
    """One node."""

    name: str
    state: Literal["up", "down"]
    cpns: Literal["up", "down"] = Field(description="Its push service.")
    incarnation: int = Field(description="Grows with each start.")
    publisher: bool
    listeners: list[str] = Field(description="`transport:address:port`.")
    sees: list[str] = Field(description="Other nodes that it holds for alive.")
    pending: int = Field(description="Calls that have no final answer yet.")
    connections: int
    trunks: list[TrunkView] = Field(description="Destinations of trunks, as this node finds them.")
    counters: dict[str, int] = Field(description="Since its start; names as in Unified CM.")
    ignored: dict[str, int] = Field(description="What had no effect, by reason.")
    restarts_due: list[str] = Field(description="Services that a change waits for (SVC-04).")


class RegistrationView(BaseModel):
    """One contact of one device."""

    device: str
    dn: str
    node: str = Field(description="Where it registered.")
    contact: str
    flow: str | None = Field(description="None: the connection is gone, the contact is not.")
    reachable: bool = Field(description="An INVITE can leave for it now.")
    expires_in_s: float


class DeviceView(BaseModel):
    """One device, and how it can be reached."""

    name: str
    owner: str | None
    lines: list[str]
    platform: str
    client: str
    device_pool: str
    active_node: str | None = Field(description="Where it should register now (CMG-07).")
    registrations: int
    push: PushState = Field(
        description="ready: a call push can be sent; no target: signed in, without a token for it; "
        "not offered: the release sends none to such a device (`callctl capability` says why); "
        "off: no push may leave the cluster now."
    )
    phone: str | None = Field(description="State of its simulated phone, if this process has one.")


class PhoneFacts(BaseModel):
    """What a simulated phone needs to take part as one device, but for the password."""

    setup: PhoneSetup
    sign_in_url: str | None = Field(description="Null: nothing to sign in to.")
    attach_urls: dict[str, str] = Field(description="By partner cloud: where pushes come from.")
    ca_pem: str = Field(description="Whom to trust with all of this.")


class CallView(BaseModel):
    """One call, in one line."""

    call_uuid: str
    call_id: str = Field(description="SIP Call-ID of the caller.")
    node: str
    caller: str
    dn: str
    started_at: datetime
    setup_s: float | None = Field(description="From INVITE to final answer; None while under way.")
    status: int | None = Field(description="Final answer to the caller; None while under way.")
    lost: bool = Field(description="Its node died with it: no answer can come.")


class StepView(BaseModel):
    """One step of a call's story."""

    at_ms: float = Field(description="Since the INVITE came in.")
    code: str
    device: str
    text: str
    requirements: list[str]


class CalledView(BaseModel):
    """One device that a call was for, as it was then."""

    device: str
    dn: str
    kind: str = Field(description="What it is: system, client and their versions.")
    push_rule: str = Field(description="How a call wakes it, and why so; empty: no push does.")
    requirements: list[str]


class CallStory(CallView):
    """One call, step by step."""

    called: list[CalledView]
    steps: list[StepView]
    pushes: list[PushView]
    verdict: str = Field(description="How it ended, and for whom.")


class PushView(BaseModel):
    """One push. Tokens, keys, names and numbers are in none of the fields."""

    wanted_at: datetime
    node: str
    device: str
    kind: str
    call_uuid: str
    service: str = Field(description="Subscriber service of the device.")
    channel: str | None = Field(description="voip, message or default; None if it never left.")
    tracking_id: str | None = Field(description="None if it never left.")
    posted_after_ms: float | None = Field(description="From the wish to the post.")
    answered_after_ms: float | None = Field(description="From the post to the end.")
    outcome: str | None = Field(description="None while it is under way.")
    status: int | None = Field(description="What Push REST answered.")
    reason: str


class NewCall(BaseModel):
    """A call to place."""

    caller: str = Field(description="Directory number that calls.", alias="from")
    callee: str = Field(description="Directory number to call.", alias="to")
    node: str | None = Field(default=None, description="Node that gets the INVITE; else the first.")
    transport: Literal["udp", "tcp", "tls"] = "udp"
    give_up_after_s: float | None = Field(
        default=None, gt=0, le=600, description="CANCEL if nobody has answered by then."
    )
    hang_up_after_s: float | None = Field(
        default=3.0, ge=0, le=3600, description="From the answer to BYE; null leaves it to others."
    )

    def wish(self) -> Wish:
        """What to ask a caller for."""
        return Wish(
            self.caller,
            self.callee,
            self.node,
            self.transport.upper(),
            self.give_up_after_s,
            self.hang_up_after_s,
        )


class PlacedCall(BaseModel):
    """A call that was placed, and how it went."""

    call_id: str
    state: str = Field(description="calling, ringing, answered, or ended.")
    status: int | None = Field(description="Last status that the caller saw.")
    answered: bool
    cause: str | None = Field(description="Why it ended.")
    rang_after_s: float | None
    answered_after_s: float | None
    ended_after_s: float | None


class Views:
    """Makes them."""

    def __init__(self, shell: ClusterShell, parties: Parties) -> None:
        self._shell = shell
        self._parties = parties

    def node(self, name: str) -> NodeView:
        """Raises: NotFound."""
        shell = self._shell
        node = shell.node(name)
        known = shell.cluster.nodes[name]
        others = [other for other in shell.cluster.nodes if other != name]
        return NodeView(
            name=name,
            state="up" if node is not None else "down",
            cpns="up" if node is not None and node.cpns.running else "down",
            incarnation=shell.incarnation(name),
            publisher=known.publisher,
            listeners=[str(listener) for listener in known.listeners],
            sees=[o for o in others if node is not None and node.engine.membership.is_up(o)],
            pending=_pending(node) if node is not None else 0,
            connections=node.counts()["connections"] if node is not None else 0,
            trunks=_trunks(node) if node is not None else [],
            counters=dict(node.engine.counters.values) if node is not None else {},
            ignored=_ignored(node) if node is not None else {},
            restarts_due=[
                f"{entry.service.name}: {due.reason}"
                for entry, due in shell.operations.services.table.dues()
                if entry.node == name
            ],
        )

    def registration(self, binding: Binding, now: Instant) -> RegistrationView:
        """One contact."""
        flow = binding.flow
        node = self._shell.view
        return RegistrationView(
            device=binding.device_name,
            dn=binding.dn,
            node=binding.node,
            contact=binding.contact,
            flow=f"{flow.transport.lower()}:{flow.remote_host}:{flow.remote_port}"
            if flow
            else None,
            reachable=node.engine.membership.is_up(binding.node)
            and (flow is not None or not binding.outbound),
            expires_in_s=round((binding.expires_at - now) / SECOND, 1),
        )

    def device(self, name: str) -> DeviceView:
        """A device that the cluster has."""
        shell = self._shell
        device, engine = shell.cluster.devices[name], shell.view.engine
        now = shell.clock()
        return DeviceView(
            name=name,
            owner=device.owner,
            lines=list(device.lines),
            platform=device.platform.value,
            client=device.client.value,
            device_pool=device.device_pool,
            active_node=engine.active_node(name),
            registrations=sum(len(engine.bindings.of_device(name, dn, now)) for dn in device.lines),
            push=push_state(engine, name),
            phone=self._parties.phone_state(name),
        )

    def phone_facts(self, name: str) -> PhoneFacts:
        """What a phone needs. Raises: NotFound."""
        shell = self._shell
        urls = shell.cloud.attach_urls if shell.cloud is not None else {}
        return PhoneFacts(
            setup=self._parties.setup(name),
            sign_in_url=shell.sign_in.url if shell.sign_in is not None else None,
            attach_urls={partner.value: url for partner, url in urls.items()},
            ca_pem=shell.authority.ca_pem,
        )

    def call(self, record: CallRecord) -> CallView:
        """In one line."""
        return CallView(**call_fields(record, self._shell.clock.wall))

    def story(self, record: CallRecord) -> CallStory:
        """Step by step."""
        wall = self._shell.clock.wall
        return CallStory(**story_fields(record, self._shell.pushes(), wall))

    def placed(self, caller: Caller) -> PlacedCall:
        """A call from its caller's end."""

        def after(at: Instant | None) -> float | None:
            return None if at is None else round((at - caller.started_at) / SECOND, 3)

        return PlacedCall(
            call_id=caller.call_id,
            state=caller.state,
            status=caller.status,
            answered=caller.answered_at is not None,
            cause=caller.cause,
            rang_after_s=after(caller.rang_at),
            answered_after_s=after(caller.answered_at),
            ended_after_s=after(caller.ended_at),
        )

    def push(self, node: str, entry: PushEntry) -> PushView:
        """One push."""
        return PushView(**push_fields(node, entry, self._shell.clock.wall))

    def health(self, version: str) -> HealthView:
        """The cluster."""
        shell = self._shell
        access = shell.operations.access
        up, all_ = len(shell.nodes), len(shell.node_names)
        return HealthView(
            status="ok" if up == all_ else "degraded" if up else "down",
            cluster=shell.cluster.id,
            domain=shell.cluster.domain,
            version=version,
            nodes_up=up,
            nodes=all_,
            uptime_s=round((shell.clock() - shell.started_at) / SECOND, 1),
            onboarding=access.onboarding.onboarding.status,
            pushes=access.pushes,
            insecure=[INSECURE_TLS] if access.trust.insecure else [],
        )


def _trunks(node: NodeShell) -> list[TrunkView]:
    return [
        TrunkView(
            trunk=state.trunk,
            destination=str(state.destination),
            state="up" if state.in_service else "down",
            reason=state.reason,
        )
        for state in node.engine.trunks.states()
    ]


def _ignored(node: NodeShell) -> dict[str, int]:
    """By the engine and by the push service beside it."""
    return {**node.engine.ignored, **{f"push: {why}": n for why, n in node.cpns.ignored.items()}}


def _pending(node: NodeShell) -> int:
    return sum(call.record.status is None for call in node.engine.calls.calls)


def push_state(engine: Engine, device_name: str) -> PushState:
    """Whether a call push can be sent to a device, and if not, what is missing."""
    binding = engine.stored_push_binding(device_name)
    if binding is None:
        return "none"
    if engine.push_binding(device_name) is None:
        return "off"
    features = engine.features(binding)
    if not features.call_push:
        return "not offered"
    return "no target" if target_of(features.call_channel, binding) is None else "ready"
