"""The fleet file as it is written: the shape of the YAML, with a description for every key.

Values arrive as text, as in cluster files; unknown keys are mistakes. The descriptions are the
reference page; nothing else repeats them.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from callctl.fleet.quantity import DistributionText, DurationText, RateText, ShareText
from callctl.model.entry import Entry
from callctl.model.values import (
    Domain,
    FilePath,
    ListenerText,
    Name,
    Password,
    ReleaseText,
    Text,
    VersionText,
    quoted,
    wrong,
)

PHONES_MAX: Final = 50_000
CALLERS_MAX: Final = 5_000
SEED_MAX: Final = 2**63 - 1


def _one_of(*names: str) -> BeforeValidator:
    """Says which names there are."""

    def check(value: object) -> object:
        if value not in names:
            raise wrong(f"is {quoted(str(value))}", f"{', '.join(names[:-1])} or {names[-1]}")
        return value

    return BeforeValidator(check)


PlatformName: TypeAlias = Annotated[Literal["ios", "android"], _one_of("ios", "android")]
ClientName: TypeAlias = Annotated[
    Literal["jabber", "webex", "standard"], _one_of("jabber", "webex", "standard")
]
Region: TypeAlias = Annotated[Literal["worldwide", "china"], _one_of("worldwide", "china")]
Transport: TypeAlias = Annotated[Literal["tls", "tcp", "udp"], _one_of("tls", "tcp", "udp")]
Arrivals: TypeAlias = Annotated[Literal["poisson", "even"], _one_of("poisson", "even")]


class GroupEntry(Entry):
    """Phones of one kind."""

    share: ShareText = Field(description="How many of the phones; all groups together are 100%.")
    platform: PlatformName = Field(description="What they run on.")
    client: ClientName = Field(
        default="webex",
        description="`jabber` and `webex` sign in for encrypted pushes; `standard` phones register "
        "with RFC 8599 parameters and get pushes without content.",
    )
    client_version: VersionText = Field(default="44.1", description="Version of the app.")
    os_versions: dict[VersionText, ShareText] = Field(
        default={},
        description="Versions of the system with their shares, which are 100% together. Without "
        "any, all have the current one.",
    )
    region: Region = Field(
        default="worldwide",
        description="`china`: no CallKit, a call comes as a message that its owner taps (CHN-01).",
    )


class PhonesEntry(Entry):
    """The phones that are called: who they are, how they sleep and wake."""

    count: int = Field(default=1_000, ge=1, le=PHONES_MAX, description="How many.")
    groups: dict[Name, GroupEntry] = Field(
        default={}, description="Kinds of phones. Without any, 60% iPhones and 40% Android phones."
    )
    transports: dict[Transport, ShareText] = Field(
        default={"tls": "100%"}, description="What they speak, with shares that are 100% together."
    )
    awake: ShareText = Field(
        default="0%", description="Phones that never sleep, the app on the screen."
    )
    never_wake: ShareText = Field(
        default="0%", description="Phones that no push wakes: off, or out of reach."
    )
    wake_delay: DistributionText = Field(
        default="200ms..800ms", description="From a push at the phone to the first line of the app."
    )
    grace: DurationText = Field(
        default="2s", description="From the end of a call, or being put away, to sleep."
    )
    tap_after: DistributionText = Field(
        default="1s..3s",
        description="From the message about a call to the tap on it, where there is no CallKit.",
    )


class AnswersEntry(Entry):
    """What becomes of calls: shares that are 100% together."""

    answered: ShareText = Field(default="85%", description="Picked up.")
    declined: ShareText = Field(default="5%", description="Declined: 603.")
    busy: ShareText = Field(default="3%", description="Refused as busy: 486.")
    no_answer: ShareText = Field(
        default="7%", description="It rings until the caller gives up (`give_up_after`)."
    )


class CallsEntry(Entry):
    """The calls. One of the three rates; without any, 5 calls per second."""

    per_second: RateText | None = Field(default=None, description="Calls per second.")
    bhca: RateText | None = Field(
        default=None, description="Busy-hour call attempts: calls per hour of the whole fleet."
    )
    per_phone_hour: RateText | None = Field(
        default=None, description="Calls that each phone gets in an hour."
    )
    arrivals: Arrivals = Field(
        default="poisson",
        description="`poisson`: as from many callers who know nothing of one another; `even`: "
        "equally spaced.",
    )
    duration: DurationText = Field(
        default="60s", description="How long calls are placed, the ramp included."
    )
    ramp_up: DurationText | None = Field(
        default=None,
        description="The rate grows evenly from 0 for so long. Without it for a tenth of the run, "
        "10s at most.",
    )
    answers: AnswersEntry = Field(default=AnswersEntry(), description="What the called people do.")
    answer_after: DistributionText = Field(
        default="500ms..2500ms", description="From the call on the screen to what its owner does."
    )
    talk: DistributionText = Field(
        default="exponential 5s", description="From the answer to the end of the conversation."
    )
    callee_hangs_up: ShareText = Field(
        default="50%", description="Conversations that the called phone ends; else the caller."
    )
    give_up_after: DistributionText = Field(
        default="20s", description="A caller who has no answer by then cancels the call."
    )


class CallersEntry(Entry):
    """Who calls."""

    count: int | None = Field(
        default=None,
        ge=1,
        le=CALLERS_MAX,
        description="How many. Without it 4 for each call per second, 10 at least and 400 at most.",
    )
    transport: Transport = Field(default="tcp", description="What they speak.")


class NetworksEntry(Entry):
    """What happens to the connections of phones."""

    changes_per_phone_hour: RateText = Field(
        default="0",
        description="A phone gets another address: its connection is gone, it has another at once.",
    )
    losses_per_phone_hour: RateText = Field(
        default="0",
        description="A phone has no network for a while: nothing it is sent arrives, and nobody "
        "is told. Pushes wait for it.",
    )
    away: DistributionText = Field(
        default="2s..10s", description="How long a phone has no network."
    )


class KillEntry(Entry):
    """A node dies without a word, and may come back."""

    node: Name = Field(description="Which: `ucm1`, `ucm2`, ...")
    at: DurationText = Field(description="When, from the first call on.")
    back_after: DurationText | None = Field(
        default=None, description="Started again so long after; without it, never."
    )


class ClusterEntry(Entry):
    """The cluster that the command starts for itself, in a process of its own."""

    nodes: int = Field(default=3, ge=1, le=9, description="How many: `ucm1`, `ucm2`, ...")
    release: ReleaseText = Field(default="15", description="Release that it behaves as.")


class TargetEntry(Entry):
    """Somebody else's servers, in place of an own cluster. Either `cluster` or `registrar`."""

    cluster: FilePath | None = Field(
        default=None,
        description="State directory of a running cluster of callctl. Its devices are the phones, "
        "its mobiles with an owner.",
    )
    registrar: ListenerText | None = Field(
        default=None,
        description="Address of any registrar and proxy: `udp:127.0.0.1:5060`. The transport is "
        "that of the phones and of the callers.",
    )
    domain: Domain | None = Field(
        default=None, description="With `registrar`: its domain; without it, its address and port."
    )
    user_pattern: Text = Field(
        default="fleet%05d",
        description="With `registrar`: user names, `%d` or `%05d` standing for the number. The "
        "phones come first, the callers after them.",
    )
    first_user: int = Field(
        default=0, ge=0, le=10**9, description="With `registrar`: the number of the first user."
    )
    password: Password = Field(
        default="pw{user}", description="Password of each user; `{user}` stands for the user name."
    )
    push_endpoint: int | None = Field(
        default=None,
        ge=0,
        le=65_535,
        description="With `registrar`: take pushes over HTTP at this port of 127.0.0.1, 0 for any "
        "free one. Without it nothing can wake a phone, and all stay awake.",
    )
    ca_file: FilePath | None = Field(
        default=None, description="With `registrar`: certificates to trust over TLS, PEM."
    )
    pids: list[Annotated[int, Field(ge=1)]] = Field(
        default=[], max_length=100, description="Processes whose memory and CPU are to be watched."
    )


class FleetFile(Entry):
    """The whole file."""

    seed: int | None = Field(
        default=None, ge=0, le=SEED_MAX, description="Of all choices; without it one is drawn."
    )
    phones: PhonesEntry = Field(default=PhonesEntry(), description="Who is called.")
    calls: CallsEntry = Field(default=CallsEntry(), description="The calls.")
    callers: CallersEntry = Field(default=CallersEntry(), description="Who calls.")
    networks: NetworksEntry = Field(
        default=NetworksEntry(), description="Phones that move or lose their network."
    )
    cluster: ClusterEntry = Field(
        default=ClusterEntry(), description="The cluster that is started, unless there is a target."
    )
    kills: list[KillEntry] = Field(
        default=[], max_length=100, description="Nodes that die, and when."
    )
    target: TargetEntry = Field(default=TargetEntry(), description="Servers that run already.")
    allowed_failures: ShareText = Field(
        default="0%",
        description="Calls that may end otherwise than planned; past it the exit code is 1.",
    )
