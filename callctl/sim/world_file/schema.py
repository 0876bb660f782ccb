"""The world file as it is written: the shape of the YAML, with a description for every key.

What is listed happens so. What a file leaves out is drawn from the seed, as without a file. The
descriptions are the reference page; nothing else repeats them.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from pydantic import BeforeValidator, Field

from callctl.model.entry import Entry
from callctl.model.values import DestinationText, Dn, Kind, Name, Text
from callctl.sim.cloud_way import Way
from callctl.sim.scenario import Trouble
from callctl.sim.world_file.draw_schema import DrawEntry
from callctl.sim.world_file.values import (
    NEVER,
    Percent,
    Seconds,
    SecondsOrNever,
    Span,
    SpanText,
    one_of,
)
from sipstack.timing import MS, SECOND

RINGS_NS: Final = 2 * SECOND
TALKS_NS: Final = 5 * SECOND


def _one_or_more(value: object) -> object:
    return [value] if isinstance(value, str) else value


Names: TypeAlias = Annotated[
    list[Text], Kind("name, or list of names"), BeforeValidator(_one_or_more)
]
MobileTransport: TypeAlias = Annotated[str, Kind("`tls` or `tcp`"), one_of("tls", "tcp")]
DeskTransport: TypeAlias = Annotated[
    str, Kind("`udp`, `tcp` or `tls`"), one_of("udp", "tcp", "tls")
]
Screen: TypeAlias = Annotated[str, Kind("`on` or `off`"), one_of("on", "off")]


class AnswerEntry(Entry):
    """What somebody does with a call that comes."""

    ring: bool = Field(default=True, description="Says 180 before the answer.")
    after: SecondsOrNever = Field(
        default=RINGS_NS, description="From ringing to the answer; `never`: it rings on."
    )
    status: int = Field(
        default=200, ge=200, le=699, description="The answer: 200, or 486, 603 ... to decline."
    )
    hang_up: SecondsOrNever = Field(
        default=NEVER, description="From the answer to the BYE; `never`: the other side hangs up."
    )


class LookEntry(Entry):
    """The owner of a phone looks at it, or puts it away."""

    at: Seconds = Field(description="When.")
    screen: Screen = Field(description="`on`: the app shows; `off`: it is put away.")


class PhoneEntry(Entry):
    """A mobile phone and the habits of its owner. What is left out is drawn."""

    host: Text | None = Field(default=None, description="Its address; without it, one of its own.")
    transport: MobileTransport | None = Field(default=None, description="How it speaks SIP.")
    answer: AnswerEntry | None = Field(default=None, description="What its owner does with a call.")
    wake: SecondsOrNever | None = Field(
        default=None,
        description="From a push to the app at work; `never`: pushes do not get to the phone.",
    )
    looks: list[LookEntry] = Field(
        default=[],
        max_length=1000,
        description="When its owner looks at the app and puts it away. It is on screen at first; "
        "it sleeps 5 s after it was put away.",
    )
    sign_out: SecondsOrNever | None = Field(default=None, description="When its owner logs out.")
    tap: SecondsOrNever | None = Field(
        default=None,
        description="From a call's message to the tap on it, where there is no CallKit (CHN-05).",
    )
    key_life: SecondsOrNever | None = Field(
        default=None, description="From one key of the app to the next (REG-05)."
    )


class DeskPhoneEntry(Entry):
    """A desk phone, or another device that is always on. What is left out is drawn."""

    host: Text | None = Field(default=None, description="Its address; without it, one of its own.")
    transport: DeskTransport | None = Field(default=None, description="How it speaks SIP.")
    answer: AnswerEntry | None = Field(default=None, description="What it does with a call.")


class PeerEntry(Entry):
    """The other end of a trunk."""

    answer: AnswerEntry | None = Field(default=None, description="What it does with a call.")


class CallEntry(Entry):
    """One call."""

    at: Seconds = Field(description="When; from 20 on, when everybody has registered.")
    caller: Text = Field(
        description="A desk phone or mobile phone by its name, or a trunk's destination."
    )
    target: Dn = Field(description="The number.")
    give_up: SecondsOrNever = Field(
        default=NEVER, description="From the INVITE to the CANCEL, or to the BYE if it is answered."
    )
    hang_up: SecondsOrNever = Field(
        default=TALKS_NS,
        description="From the answer to the BYE; `never`: the called side ends it.",
    )


class TroubleEntry(Entry):
    """Something that goes wrong at one moment, or is well again."""

    at: Seconds = Field(description="When.")
    what: Trouble = Field(description="What.")
    whom: Names = Field(
        default=[],
        max_length=2,
        description="The node; for `cut` two nodes, phones or addresses; for `phone takes new "
        "device tokens` the phone.",
    )
    how: Way | None = Field(
        default=None, description="For what is unreachable: how far a connection comes."
    )


class WeatherEntry(Entry):
    """The manners of a link."""

    loss: Percent = Field(
        default=0,
        description="Packets that are lost. A stream loses nothing: what was lost comes later.",
    )
    duplicates: Percent = Field(default=0, description="Datagrams that come twice.")
    delay: SpanText = Field(
        default=Span(MS, MS),
        description="Of each packet; from-to lets datagrams overtake each other.",
    )


CALM_ENTRY: Final = WeatherEntry()


class LinksEntry(Entry):
    """Each kind of link, from the first call until all is made well."""

    sip: WeatherEntry = Field(default=CALM_ENTRY, description="All SIP.")
    bus: WeatherEntry = Field(
        default=CALM_ENTRY, description="What nodes tell one another; it is late, never lost."
    )
    cloud: WeatherEntry = Field(
        default=CALM_ENTRY, description="Between push services and clouds; answers can be lost."
    )


class CloudFaultEntry(Entry):
    """What a cloud does wrong. Several things may be set in one."""

    status: int | None = Field(
        default=None, ge=100, le=599, description="Answers this, and does nothing else."
    )
    reason: Text = Field(default="", description="Of that answer, in the words of the cloud.")
    retry_after: int | None = Field(
        default=None, ge=0, le=86_400, description="Seconds that its Retry-After asks for."
    )
    silent: bool = Field(default=False, description="Never answers.")
    delay: Seconds = Field(default=0, description="Pushes reach the device so late.")
    lose: bool = Field(default=False, description="Says yes, and never delivers.")
    duplicate: bool = Field(default=False, description="Delivers twice.")
    ignore_expiry: bool = Field(default=False, description="Delivers after the expiration too.")
    late_410: Seconds = Field(
        default=0, description="Says yes for so long after the app was removed, then 410."
    )
    garbage: bool = Field(default=False, description="The answer cannot be read.")
    octet_every: Seconds = Field(default=0, description="The answer comes octet by octet.")
    break_after: int | None = Field(
        default=None, ge=0, description="The connection is reset after so many octets of it."
    )
    service: Text = Field(
        default="", description="Only for this subscriber service, topic or project."
    )
    times: int | None = Field(default=None, ge=1, description="So often; then it is over.")
    share: Percent = Field(default=1000, description="How many requests it hits.")
    ends: Seconds | None = Field(default=None, description="It acts before this time only.")


class FaultsEntry(Entry):
    """Everything that goes wrong. What is left out here does not happen."""

    until: Seconds | None = Field(
        default=None,
        description="Then all is made well, and everything has to come to rest. Without it, 20 s "
        "after the last call or trouble.",
    )
    weather: LinksEntry = Field(default=LinksEntry(), description="Of the links.")
    troubles: list[TroubleEntry] = Field(
        default=[], max_length=10_000, description="Nodes, links and push services, one by one."
    )
    ci: list[CloudFaultEntry] = Field(
        default=[], description="Of Common Identity, which gives access tokens."
    )
    push_rest: list[CloudFaultEntry] = Field(default=[], description="Of Push REST.")
    partners: list[CloudFaultEntry] = Field(default=[], description="Of APNs and FCM, both.")


class CloudPlanEntry(Entry):
    """How the cluster and the clouds deal with each other, fault or no fault."""

    token_life: int = Field(
        default=43_200, ge=1, description="Seconds that an access token is good for."
    )
    token_again: int = Field(
        default=600, ge=1, description="Seconds until CI is asked again after it failed (OP-14)."
    )
    proxy: bool = Field(
        default=False, description="The way there leads through a proxy with two addresses."
    )


class WorldFile(Entry):
    """The whole file."""

    seed: int = Field(
        default=1, ge=0, description="Where all chance comes from; `--seed` on the command line."
    )
    cluster: Annotated[Any, Kind("path, or mapping")] = Field(
        default=None,
        description="Path of a cluster file, relative to this file, or what stands in one. "
        "Without it a cluster is drawn, as `draw.cluster` says.",
    )
    devices: list[Name] = Field(
        default=[],
        description="Devices that take part; without it all that have an owner. The others are "
        "never seen.",
    )
    phones: dict[Name, PhoneEntry] = Field(
        default={}, description="iPhones and Android phones, by device name."
    )
    desk_phones: dict[Name, DeskPhoneEntry] = Field(
        default={}, description="All other devices, by device name."
    )
    peers: dict[DestinationText, PeerEntry] = Field(
        default={}, description="Other ends of trunks, by destination: `udp:192.0.2.90:5060`."
    )
    calls: list[CallEntry] = Field(
        default=[],
        max_length=100_000,
        description="The calls, one by one. Without it they are drawn, as `draw.calls` says.",
    )
    faults: FaultsEntry | None = Field(
        default=None,
        description="What goes wrong; `{}`: nothing. Without it, it is drawn.",
    )
    cloud: CloudPlanEntry | None = Field(
        default=None, description="Tokens and the way to the clouds. Without it, it is drawn."
    )
    good_weather: WeatherEntry = Field(
        default=CALM_ENTRY, description="Of all links before the first call and after the faults."
    )
    draw: DrawEntry = Field(default=DrawEntry(), description="How to draw what is not listed.")
    judges: list[Text] = Field(
        default=[],
        description="Invariants that are judged, such as `I3` and `CPNS-08`. Without it, all.",
    )
    personal: list[Text] = Field(
        default=[],
        description="Words that must not show up in a cloud (I14). Without it numbers of seven "
        "digits and more, names and user ids of the cluster.",
    )
