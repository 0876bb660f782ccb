"""Who a user agent is, where it lives, and what it does with a call."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from sipstack.timing import SECOND
from sipstack.transaction.timers import TimerValues


class Registrar(NamedTuple):
    """One node a user agent can register at; it is the outbound proxy of its calls too."""

    host: str  # numeric, IPv6 without brackets
    port: int
    fqdn: str = ""  # the name a push may use for it


@dataclass(frozen=True, slots=True)
class AnswerPlan:
    """What a called party does by itself. All times in ns."""

    ring: bool = True  # False: no 180 before the final answer
    after_ns: int | None = None  # from ringing to the answer; None: the owner decides
    status: int = 200  # the answer: 200, or 480, 486, 603 ... to decline
    hang_up_after_ns: int | None = None  # from the answer to our BYE; None: the other side ends it


@dataclass(frozen=True, slots=True)
class UserAgentSettings:
    """One user agent at one address.

    Contact parameters are in wire form without `;`: `contact_params` belong to the header
    (`q=0.5`), `contact_uri_params` to its URI (`pn-provider=apns`, RFC 8599).
    """

    user: str  # user part of the address of record: the DN
    domain: str
    registrars: tuple[Registrar, ...]  # in the order they are tried
    local_host: str  # numeric, IPv6 without brackets
    local_port: int
    transport: str = "UDP"  # "UDP", "TCP" or "TLS"
    auth_user: str = ""
    password: str = field(default="", repr=False)
    display_name: str = ""
    expires_s: int = 3600
    instance: str | None = None  # "urn:uuid:..."; makes its flow one of RFC 5626
    device_name: str | None = None
    contact_params: tuple[str, ...] = ()
    contact_uri_params: tuple[str, ...] = ()
    answer: AnswerPlan = AnswerPlan()
    media_host: str | None = None  # where RTP is taken; None: at the discard port, no media
    media_port: int = 9
    user_agent: str = "callctl-phone"
    register_timeout_ns: int = 4 * SECOND  # without an answer, the next registrar is tried
    retry_base_ns: int | None = 30 * SECOND  # RFC 5626 §4.5; None: a lost registration stays lost
    keep_alive_ns: int | None = None  # between CRLF pings on a stream; None for no pings
    ring_limit_ns: int = 180 * SECOND  # an unanswered INVITE gets 480 then
    patience_ns: int = 240 * SECOND  # a caller who hears nothing final gives up then
    timers: TimerValues = field(default_factory=TimerValues)
