"""The one place that sees everything: it keeps the trace and the ledger, and asks the judges."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from callctl.cloud.http import HttpRequest
from callctl.push.envelope import EnvelopeError
from callctl.push.events import FetchToken, PostPush
from callctl.registration.push_binding import PushBinding
from callctl.serviceability.alarm import AlarmNotice, state_of
from callctl.sim.cloud_way import CloudNews
from callctl.sim.glance import Glance, is_message
from callctl.sim.ledger import Ledger
from callctl.sim.party import Party
from callctl.sim.push_eye import PushEye, SeenPush
from callctl.sim.trace import Trace
from callctl.sim.world import World
from sipstack.timing import Instant
from sipstack.transport.flow import Flow

if TYPE_CHECKING:
    from callctl.sim.network import Sockets


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must never happen, happened."""

    invariant: str  # "I1" to "I14" of design section 3, or a requirement
    at: Instant
    text: str

    def __str__(self) -> str:
        return f"{self.invariant} at {self.at / 1e9:.9f} s: {self.text}"


class Judge:
    """Watches over one invariant. It overrides what it wants to see, and blames what it must."""

    invariant = ""

    __slots__ = ("watch",)

    watch: Watch

    def sent(self, who: Party, flow: Flow, seen: Glance) -> None:
        """A message is about to leave."""

    def received(self, who: Party, flow: Flow, seen: Glance) -> None:
        """A message is about to be handed over."""

    def closed(self, who: Party, flow: Flow, reason: str) -> None:
        """A stream's end is about to be told."""

    def pushed(self, who: Party, push: SeenPush) -> None:
        """A node posts a push."""

    def answered(self, tracking_id: str, status: int) -> None:
        """Push REST answers a push."""

    def posted(self, who: Party, push: PostPush) -> None:
        """A node posts a push, for the first time or again: before `pushed`."""

    def fetched(self, who: Party, fetch: FetchToken) -> None:
        """A node asks CI for a token."""

    def heard(self, who: Party, news: CloudNews) -> None:
        """The push service of a node is about to hear this from a cloud."""

    def abandoned(self, who: Party, what: str) -> None:
        """A push service waits no longer: for a push by its tracking id, or a token by channel."""

    def service(self, who: Party, running: bool) -> None:
        """The push service of a node starts, or is gone."""

    def signed_in(self, binding: PushBinding) -> None:
        """A managed client gives its targets and key."""

    def signed_out(self, device_name: str) -> None:
        """A managed client wants no more pushes."""

    def alarm(self, notice: AlarmNotice) -> None:
        """The board tells an alarm."""

    def to_cloud(self, octets: bytes) -> None:
        """Octets leave towards a cloud, or from one cloud to the next."""

    def told(self, who: Party, event: object) -> None:
        """A user agent or phone tells its owner something."""

    def died(self, who: Party) -> None:
        """Somebody forgot everything: killed, stopped, or its sockets were taken away."""

    def rest(self, parties: Sequence[Party]) -> None:
        """Nothing more will happen; `parties` are those that are up."""

    def blame(self, text: str) -> None:
        """This must never happen."""
        self.watch.blame(self.invariant, text)

    @property
    def ledger(self) -> Ledger:
        """What has been seen so far."""
        return self.watch.ledger

    @property
    def now(self) -> Instant:
        """This instant."""
        return self.watch.world.now

    @property
    def step(self) -> int:
        """This event."""
        return self.watch.world.steps


class Watch:
    """Hands everything on to those judges that want it. At most `violations_max` are kept.

    Every judge looks, because some leave for others what they have seen; those not in `judged`
    blame nobody.
    """

    __slots__ = (
        "_on_abandoned",
        "_on_alarm",
        "_on_answered",
        "_on_closed",
        "_on_died",
        "_on_fetched",
        "_on_heard",
        "_on_posted",
        "_on_push",
        "_on_received",
        "_on_sent",
        "_on_service",
        "_on_signed_in",
        "_on_signed_out",
        "_on_to_cloud",
        "_on_told",
        "eye",
        "judged",
        "judges",
        "ledger",
        "stats",
        "trace",
        "violations",
        "violations_max",
        "world",
    )

    def __init__(
        self,
        world: World,
        judges: Sequence[Judge],
        judged: Collection[str] = (),
        violations_max: int = 20,
    ) -> None:
        """`judged`: the invariants that count; none given: all."""
        self.world = world
        self.judged = frozenset(judged)
        self.trace = Trace()
        self.ledger = Ledger()
        self.eye = PushEye()
        self.judges = tuple(judges)
        self.violations: list[Violation] = []
        self.violations_max = violations_max
        self.stats: dict[str, int] = {}
        for judge in self.judges:
            judge.watch = self
        self._on_sent = [j.sent for j in judges if type(j).sent is not Judge.sent]
        self._on_received = [j.received for j in judges if type(j).received is not Judge.received]
        self._on_closed = [j.closed for j in judges if type(j).closed is not Judge.closed]
        self._on_push = [j.pushed for j in judges if type(j).pushed is not Judge.pushed]
        self._on_to_cloud = [j.to_cloud for j in judges if type(j).to_cloud is not Judge.to_cloud]
        self._on_answered = [j.answered for j in judges if type(j).answered is not Judge.answered]
        self._on_posted = [j.posted for j in judges if type(j).posted is not Judge.posted]
        self._on_fetched = [j.fetched for j in judges if type(j).fetched is not Judge.fetched]
        self._on_heard = [j.heard for j in judges if type(j).heard is not Judge.heard]
        self._on_abandoned = [
            j.abandoned for j in judges if type(j).abandoned is not Judge.abandoned
        ]
        self._on_service = [j.service for j in judges if type(j).service is not Judge.service]
        self._on_signed_in = [
            j.signed_in for j in judges if type(j).signed_in is not Judge.signed_in
        ]
        self._on_alarm = [j.alarm for j in judges if type(j).alarm is not Judge.alarm]
        self._on_signed_out = [
            j.signed_out for j in judges if type(j).signed_out is not Judge.signed_out
        ]
        self._on_told = [j.told for j in judges if type(j).told is not Judge.told]
        self._on_died = [j.died for j in judges if type(j).died is not Judge.died]

    def blame(self, invariant: str, text: str) -> None:
        """An invariant is broken."""
        if not self.judged or invariant in self.judged:
            self.convict(invariant, text)

    def convict(self, invariant: str, text: str) -> None:
        """The same, whoever is judged: the run itself broke down."""
        if len(self.violations) < self.violations_max:
            violation = Violation(invariant, self.world.now, text)
            self.violations.append(violation)
            self.trace.entries.append((self.world.now, "JUDGE", "!", None, str(violation)))

    def count(self, what: str) -> None:
        """For the statistics of the run."""
        self.stats[what] = self.stats.get(what, 0) + 1

    # From the network.

    def sent(self, sockets: Sockets, flow: Flow, data: bytes) -> Glance | None:
        """A message leaves, whatever becomes of it."""
        if not is_message(data):
            return None
        seen = Glance(data)
        who: Party = sockets.owner
        world = self.world
        self.trace.entries.append((world.now, who.label, ">", flow, seen))
        for judge in self._on_sent:
            judge(who, flow, seen)
        self.ledger.sent(who, flow, seen, world.now)
        return seen

    def received(self, sockets: Sockets, flow: Flow, glance: Glance | None) -> None:
        """A message is about to be handed over."""
        if glance is None:
            return
        who: Party = sockets.owner
        world = self.world
        self.trace.entries.append((world.now, who.label, "<", flow, glance))
        for judge in self._on_received:
            judge(who, flow, glance)
        self.ledger.received(who, flow, glance, world.now, world.steps)

    def closed(self, sockets: Sockets, flow: Flow, reason: str) -> None:
        """A stream has ended."""
        who: Party = sockets.owner
        text = f"{flow.transport}#{flow.connection} {flow.remote_host}: {reason}"
        self.trace.entries.append((self.world.now, who.label, "closed", None, text))
        for judge in self._on_closed:
            judge(who, flow, reason)
        self.ledger.closed(who, flow)

    # From the parties.

    def pushed(self, who: Party, push: PostPush) -> None:
        """A node posts a push to its cloud."""
        try:
            seen = self.eye.read(push)
        except EnvelopeError as error:
            self.blame("I14", f"{who.label}: a push that no device can read: {error}")
            return
        text = f"{seen.kind.value} to {seen.device_name} call {seen.call_uuid} {seen.active_node}"
        self.trace.entries.append((self.world.now, who.label, "push", None, text))
        self.count(f"push {seen.kind.value}")
        for post in self._on_posted:
            post(who, push)
        for judge in self._on_push:
            judge(who, seen)
        for scan in self._on_to_cloud:
            for name, value in push.headers:
                scan(f"{name}: {value}".encode())
            scan(push.body)

    def answered(self, tracking_id: str, status: int) -> None:
        """Push REST answers a push."""
        text = f"{status} to {tracking_id}"
        self.trace.entries.append((self.world.now, "push rest", "=", None, text))
        for judge in self._on_answered:
            judge(tracking_id, status)

    def forwarded(self, request: HttpRequest) -> None:
        """Push REST sends on to a partner cloud."""
        for scan in self._on_to_cloud:
            scan(request.path.encode())
            scan(request.body)

    def fetched(self, who: Party, fetch: FetchToken) -> None:
        """A node asks CI for a token."""
        self.trace.entries.append((self.world.now, who.label, "fetch", None, fetch.channel))
        self.count("token fetch")
        for judge in self._on_fetched:
            judge(who, fetch)
        for scan in self._on_to_cloud:
            scan(fetch.body)

    def heard(self, who: Party, news: CloudNews) -> None:
        """The push service of a node is about to hear this."""
        for judge in self._on_heard:
            judge(who, news)

    def abandoned(self, who: Party, what: str) -> None:
        """A push service waits no longer."""
        for judge in self._on_abandoned:
            judge(who, what)

    def service(self, who: Party, running: bool) -> None:
        """The push service of a node starts, or is gone."""
        self.note(who, "push service " + ("starts" if running else "is gone"))
        for judge in self._on_service:
            judge(who, running)

    def signed_in(self, binding: PushBinding) -> None:
        """A managed client gives its targets and key."""
        self.eye.learn(binding)
        for judge in self._on_signed_in:
            judge(binding)

    def signed_out(self, device_name: str) -> None:
        """A managed client wants no more pushes."""
        for judge in self._on_signed_out:
            judge(device_name)

    def alarm(self, notice: AlarmNotice) -> None:
        """The board tells an alarm."""
        text = f"{notice.name} {state_of(notice)} {notice.subject}".rstrip()
        self.trace.entries.append((self.world.now, notice.node, "alarm", None, text))
        self.count(f"alarm {notice.name}")
        for judge in self._on_alarm:
            judge(notice)

    def died(self, who: Party) -> None:
        """Somebody forgot everything."""
        self.ledger.died(who)
        for judge in self._on_died:
            judge(who)

    def note(self, who: Party, text: str) -> None:
        """Something happens to somebody that is no message."""
        self.trace.entries.append((self.world.now, who.label, "*", None, text))

    def told(self, who: Party, event: object) -> None:
        """A user agent or phone tells its owner something."""
        kind = type(event).__name__
        self.trace.entries.append((self.world.now, who.label, "=", None, repr(event)))
        self.count(f"{who.role.value} {kind}")
        for judge in self._on_told:
            judge(who, event)

    def ignored(self, who: Party, reason: str, detail: str) -> None:
        """Somebody says that something had no effect."""
        self.trace.entries.append((self.world.now, who.label, "-", None, f"{reason}: {detail}"))
        self.count(f"ignored {reason}")

    def cloud(self, reason: str) -> None:
        """A cloud dropped something."""
        self.trace.entries.append((self.world.now, "cloud", "-", None, reason))
        self.count(f"cloud {reason}")

    def rest(self, parties: Sequence[Party]) -> None:
        """The world has come to rest: the last look."""
        for judge in self.judges:
            judge.rest(parties)
