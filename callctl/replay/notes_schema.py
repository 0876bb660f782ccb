"""The notes beside a capture as they are written: the shape of the YAML, each key described.

Unknown keys are mistakes. The descriptions are the reference page; nothing else repeats them.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field

from callctl.model.entry import Entry
from callctl.model.values import Dn, FilePath, Kind, Name, Text, wrong

LongText: TypeAlias = Annotated[str, Kind("text"), Field(max_length=8_000)]
Seconds: TypeAlias = Annotated[float, Kind("seconds"), Field(ge=0, le=1_000_000)]

INSERTED: Final = "inserted"
"""In place of the system under test: the engine is put between parties that spoke directly."""


class DifferenceKind(Enum):
    """What a difference is called."""

    MISSING = "missing"  # it came in the capture, and does not now
    UNEXPECTED = "unexpected"  # it comes now, and did not in the capture
    STATUS = "other status"
    TARGET = "other target"
    HEADER = "header"
    LATE = "late"
    EARLY = "early"


class NodeEvent(Enum):
    """What happens to a node, or to its push service."""

    STARTS = "starts"
    STOPS = "stops"  # in order
    DIES = "dies"  # its process, at once
    LOSES_POWER = "loses power"
    PUSH_SERVICE_STOPS = "push service stops"
    PUSH_SERVICE_STARTS = "push service starts"
    PUSH_SERVICE_HANGS = "push service hangs"
    PUSH_SERVICE_GOES_ON = "push service goes on"
    PUSH_SERVICE_DIES = "push service dies"


class Authentication(Enum):
    """What becomes of digests."""

    COMPUTED = "computed"  # anew, with the password of the cluster file
    RECORDED = "recorded"  # a request that was challenged is left out, the one that answers counts


def _place(text: str) -> str:
    host, _, port = text.rpartition(":")
    if ":" in text and not text.startswith("[") and text.count(":") > 1:
        return text  # IPv6 without port
    if host and not port.isdigit():
        raise wrong(f"is {text!r}", "an address, or address:port")
    return text


PlaceText: TypeAlias = Annotated[str, Kind("address, or address:port"), AfterValidator(_place)]


class SignedEntry(Entry):
    """A managed client signs in, or out."""

    at: Seconds = Field(description="Seconds since the recording began.")
    device: Name = Field(description="Device of the cluster.")


class RegisteredEntry(Entry):
    """Somebody outside who is registered when the capture begins, as a REGISTER not in it did."""

    line: Dn = Field(description="Directory number.")
    at: PlaceText = Field(description="Where it is in the capture: address:port.")
    contact: LongText = Field(
        default="", description="Its Contact, with parameters; else one with that address."
    )
    user: Text = Field(default="", description="User name of its digest, if it is not the line.")


class NodeEventEntry(Entry):
    """Something befalls a node."""

    at: Seconds = Field(description="Seconds since the recording began.")
    node: Name = Field(description="Node of the cluster.")
    event: NodeEvent = Field(description="What happens.")


class PushEntry(Entry):
    """One push that has to leave."""

    at: Seconds = Field(description="Seconds since the recording began.")
    node: Name = Field(description="Node whose push service sends it.")
    device: Name = Field(description="Device it is for.")
    kind: Text = Field(description="`incoming`, `missed`, `answeredElsewhere`, ...")
    names_node: Text | None = Field(
        default=None,
        description="FQDN of the node that it names; empty if it names none. Without the key that "
        "is not looked at.",
    )
    answer: int | None = Field(
        default=200, ge=100, le=699, description="Status the cloud answers; empty: no answer."
    )
    answer_body: LongText = Field(default="", description="Body of the answer.")
    lost: Text = Field(default="", description="Why it was lost on the way, if it was.")
    after_s: Seconds = Field(default=0, description="From the push to its answer.")


class AcceptEntry(Entry):
    """A difference that is as it should be. Keys that are left out match everything."""

    difference: DifferenceKind = Field(description="Its name.")
    message: Text = Field(default="", description="`INVITE`, `180 (INVITE)`, `push incoming`, ...")
    party: Text = Field(default="", description="Whom the message is for.")
    header: Text = Field(default="", description="Header it is about, in lower case; or `body`.")
    reason: LongText = Field(default="", description="Why it is accepted; empty: it is not, yet.")


class NotesFile(Entry):
    """The whole file."""

    title: LongText = Field(default="", description="What the capture shows, in a line.")
    origin: LongText = Field(default="", description="Where it is from, and who may see it.")
    capture: FilePath | None = Field(
        default=None,
        description="The capture, relative to this file. Without it, the pcapng, pcap or cap of "
        "the same name.",
    )
    key_log: FilePath | None = Field(
        default=None, description="TLS secrets (SSLKEYLOGFILE), relative to this file."
    )
    cluster: FilePath | None = Field(
        default=None,
        description="Cluster file of the nodes under test, relative to this file. Without it, "
        "NAME.cluster.yaml.",
    )
    sut: dict[Name, list[PlaceText]] = Field(
        default={},
        description="Addresses in the capture of each node under test, with or without port. "
        "Without it, those of the cluster's listeners. `inserted: [address]` puts the engine "
        "between parties that spoke to one another.",
    )
    parties: dict[Text, list[PlaceText]] = Field(
        default={}, description="Addresses of each party outside, under a name; devices by theirs."
    )
    authentication: Authentication = Field(
        default=Authentication.COMPUTED, description="What becomes of digests."
    )
    tolerance_s: Seconds = Field(
        default=0.5, description="How far a message may be off before it counts as late or early."
    )
    ignore_headers: list[Text] = Field(
        default=[], description="Headers, in lower case, that are not compared; or `body`."
    )
    starts_s: Seconds = Field(
        default=1.0, description="How long before the first message the nodes start."
    )
    between_nodes_s: Seconds = Field(
        default=0, description="How long a message takes from one node to another."
    )
    registered: list[RegisteredEntry] = Field(
        default=[], description="Who is registered when the capture begins."
    )
    sign_ins: list[SignedEntry] = Field(default=[], description="Managed clients that sign in.")
    sign_outs: list[SignedEntry] = Field(default=[], description="And that sign out.")
    node_events: list[NodeEventEntry] = Field(default=[], description="What befalls nodes.")
    pushes: list[PushEntry] | None = Field(
        default=None, description="Pushes that have to leave; without the key none are looked at."
    )
    accept: list[AcceptEntry] = Field(default=[], description="Differences that are no failures.")
