"""The parts of the cluster file that say where calls go, and as whom (see `schema`)."""

from __future__ import annotations

from pydantic import Field, model_validator

from callctl.model.entry import Entry
from callctl.model.hunt_pilot import Distribution
from callctl.model.values import (
    DestinationText,
    Dn,
    FilePath,
    Name,
    Password,
    Prefix,
    PresentationNumber,
    Text,
    UserId,
    wrong,
)


class ExternalPresentationEntry(Entry):
    """What others see instead of the real name and number (CID-03)."""

    name: Text = Field(default="", description="Name shown; empty: none.")
    number: PresentationNumber | None = Field(
        default=None,
        description="Number shown. X at its end stand for the last digits of the DN (OP-16).",
    )
    anonymous: bool = Field(
        default=False, description="Neither name nor number is shown; then both are left out."
    )

    @model_validator(mode="after")
    def _number_or_nothing(self) -> ExternalPresentationEntry:
        if self.anonymous and (self.name or self.number):
            raise wrong("is anonymous and has a name or number", "one or the other")
        if not self.anonymous and self.number is None:
            raise wrong("has no number", "number, or anonymous: true")
        return self


class ForwardingEntry(Entry):
    """Where calls go that the devices of a line do not take (CALL-09).

    A target is a number as it would be dialled: a line, a hunt pilot, or one with a route pattern.
    """

    all: Dn | None = Field(default=None, description="Takes every call; no device rings.")
    busy: Dn | None = Field(default=None, description="Takes calls that were declined (CALL-14).")
    no_answer: Dn | None = Field(default=None, description="Takes calls that rang for long enough.")
    unregistered: Dn | None = Field(
        default=None, description="Takes calls for which no device could be reached in time."
    )
    no_answer_s: int = Field(
        default=12, ge=1, le=300, description="Ringing time before `no_answer`, in seconds."
    )


class HuntPilotEntry(Entry):
    """A number in front of several lines (CALL-20)."""

    members: list[Dn] = Field(
        min_length=1, max_length=100, description="Directory numbers of lines, in order."
    )
    distribution: Distribution = Field(
        default=Distribution.SEQUENTIAL, description="One after the other, or all at once."
    )
    display_name: Text = Field(default="", description="Name of the pilot.")
    member_ring_s: int = Field(
        default=10,
        ge=1,
        le=300,
        description="How long one member is tried, in seconds; the wait for a push counts (OP-66).",
    )
    forward_unanswered: Dn | None = Field(
        default=None, description="Number that takes the call if no member does."
    )


class CredentialsEntry(Entry):
    """User name and password of one direction of a trunk."""

    username: UserId = Field(description="User name in the digest.")
    password: Password | None = Field(
        default=None, description="In clear. Either this or the next."
    )
    password_file: FilePath | None = Field(
        default=None,
        description="File whose first line is the password, relative to the cluster file.",
    )


class TrunkEntry(Entry):
    """A SIP peer outside the cluster.

    It is known by the addresses of its destinations. It may call the cluster's lines and hunt
    pilots, never another trunk.
    """

    destinations: list[DestinationText] = Field(
        min_length=1,
        max_length=16,
        description="Where it takes SIP: `transport:address:port`, the transport `udp`, `tcp` or "
        "`tls`. Tried in order, those out of service last.",
    )
    options_ping_s: int = Field(
        default=60,
        ge=0,
        le=3600,
        description="Interval of the OPTIONS that tell whether a destination is in service, in "
        "seconds; 0: none are sent, and all count as in service.",
    )
    try_s: int = Field(
        default=4,
        ge=1,
        le=32,
        description="A destination that says nothing for so long is given up for the next, in "
        "seconds.",
    )
    outbound: CredentialsEntry | None = Field(
        default=None, description="Answers the peer's challenge, at these destinations only."
    )
    inbound: CredentialsEntry | None = Field(
        default=None, description="Asked of the peer; without it the address alone admits it."
    )
    trust_identity: bool = Field(
        default=True, description="The peer's P-Asserted-Identity is believed (RFC 3325)."
    )
    external_presentation: ExternalPresentationEntry | None = Field(
        default=None, description="Name and number that the peer sees instead of the caller's."
    )
    sip_profile: Name | None = Field(default=None, description="SIP profile that it uses.")


class RoutePatternEntry(Entry):
    """Numbers that leave the cluster. Of several patterns that match, the most exact one counts.

    Its key is the pattern: digits, `X` for any digit, `!` at the end for one or more digits.
    """

    trunks: list[Name] = Field(
        min_length=1, max_length=16, description="Trunks, in the order in which they are tried."
    )
    strip: int = Field(
        default=0, ge=0, le=32, description="How many characters to take off the front."
    )
    prefix: Prefix = Field(default="", description="What to put in their place.")


class SipProfileEntry(Entry):
    """Settings that devices and trunks share (OP-16)."""

    enable_external_presentation: bool = Field(
        default=False,
        description="For calls from a trunk: show From where it differs from the asserted "
        "identity, if `display_external_presentation` is true too.",
    )
    external_presentation: ExternalPresentationEntry | None = Field(
        default=None, description="Name and number that others see, where the line has none."
    )
