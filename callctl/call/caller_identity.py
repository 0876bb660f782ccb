"""Who is shown as the caller: one function for push, INVITE and call record (CID-09, OP-16).

What leaves here is safe to show: no control characters, no marks that turn text round, no octets
that are not UTF-8, and of bounded length. So a name is the same on a lock screen, in JSON, in a
log line and in a SIP header, and can forge nothing in any of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from callctl.model.cluster import Cluster
from callctl.model.device import Device
from callctl.model.line import ExternalPresentation, Line
from callctl.model.trunk import SipTrunk
from callctl.push.capability.by_release import shows_external_presentation
from callctl.push.content import DISPLAY_NAME_MAX, DISPLAY_NUMBER_MAX, safe_text
from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import quote
from sipstack.message.message import Request
from sipstack.message.nameaddr import NameAddr

ANONYMOUS: Final = "Anonymous"
ANONYMOUS_HOST: Final = "anonymous.invalid"  # RFC 3323 §4.1.1.3
HIDING: Final = frozenset({"id", "user", "header", "session"})  # RFC 3323 §4.2, RFC 3325 §9.3
ASSERTED: Final = "p-asserted-identity"
CLAIMS: Final = (ASSERTED, "p-preferred-identity", "remote-party-id")
"""Headers in which a sender says who it is, beside From. Only a trusted peer is believed."""

ASSERTED_MAX: Final = (
    2  # values of one P-Asserted-Identity: a SIP URI and a tel URI (RFC 3325 §9.1)
)

_DIALLED: Final = re.compile(r"\+?[0-9*#]+")
_VISUAL: Final = str.maketrans("", "", "-.() ")
_NOT_IN_USER: Final = re.compile(r"[^A-Za-z0-9\-_.!~*'()+]")


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """What may be shown of a caller."""

    display_name: str
    number: str
    anonymous: bool = False

    def asserted(self, domain: str) -> str | None:
        """P-Asserted-Identity for the next hop (RFC 3325); None if hidden or unknown."""
        number = _shown(self.number, DISPLAY_NUMBER_MAX)
        if self.anonymous or not number:
            return None
        name = _shown(self.display_name, DISPLAY_NAME_MAX)
        uri = f"<sip:{user_part(number)}@{domain}>"
        return f"{quote(name)} {uri}" if name else uri


HIDDEN: Final = CallerIdentity(ANONYMOUS, "", anonymous=True)


def caller_identity(
    request: Request,
    cluster: Cluster,
    trunk: SipTrunk | None = None,
    device: Device | None = None,
) -> CallerIdentity:
    """The identity shown for an INVITE.

    Args:
        trunk: the trunk it came over; None for a client of ours, whose From has been authenticated.
        device: the client's device, where it is known: its SIP profile may present another caller.

    A caller who asked for privacy is shown as nobody, whoever it is (CID-10).
    Source: CID-03, CID-04, CID-09, CID-10, CID-11, OP-16.
    """
    if wants_privacy(request):
        return HIDDEN
    try:
        if trunk is not None:
            return _over_trunk(request, cluster, trunk)
        return _from_inside(request, cluster, None, device)
    except SipSyntaxError:
        return CallerIdentity("", "")


def identity_towards(
    trunk: SipTrunk,
    request: Request,
    cluster: Cluster,
    came_over: SipTrunk | None = None,
    device: Device | None = None,
) -> CallerIdentity:
    """The identity that the peer of an outgoing trunk is told.

    What is configured for the trunk comes before what is for the device's SIP profile and for the
    directory number (OP-16). A call that `came_over` another trunk and is forwarded keeps its own.
    """
    if came_over is not None or wants_privacy(request):
        return caller_identity(request, cluster, came_over)
    try:
        return _from_inside(request, cluster, trunk, device)
    except SipSyntaxError:
        return CallerIdentity("", "")


def headers_towards(
    identity: CallerIdentity, request: Request, domain: str
) -> tuple[tuple[str, str], ...]:
    """What a trunk is told of the caller beside From: the identity, or the wish to hide it.

    `Privacy` of the caller passes as it is; one is added where the administrator hides the caller.
    """
    asserted = identity.asserted(domain)
    if asserted is not None:
        return (("P-Asserted-Identity", asserted),)
    if identity.anonymous and not request.headers.has("privacy"):
        return (("Privacy", "id"),)
    return ()


def user_part(number: str) -> str:
    """`number` as the user part of a SIP URI, escaped where it must be (RFC 3261 §19.1.2)."""
    return _NOT_IN_USER.sub(_escaped, number)


def wants_privacy(request: Request) -> bool:
    """True if the sender asked not to be shown (RFC 3323 §4.2, RFC 3325 §9.3)."""
    return any(
        wish.strip().lower() in HIDING
        for value in request.headers.all("privacy")
        for wish in value.replace(",", ";").split(";")
    )


def _from_inside(
    request: Request, cluster: Cluster, trunk: SipTrunk | None, device: Device | None
) -> CallerIdentity:
    sender = request.from_
    if sender.uri.host.lower() == ANONYMOUS_HOST:
        return HIDDEN
    number = sender.uri.user_unescaped or ""
    line = _line_of(number, cluster)
    if line is None:
        return _safe(sender.display_name, number)
    shown = _configured(line, cluster, trunk, device)
    if shown is not None and shown.anonymous:
        return HIDDEN
    if shown is None or not shows_external_presentation(cluster.release):
        return _safe(line.display_name or sender.display_name, line.dn)
    return _safe(shown.name, shown.number_for(line.dn))


def _line_of(sender: str, cluster: Cluster) -> Line | None:
    """The line that calls; who speaks by a user id speaks for the user's first line."""
    line = cluster.lines.get(sender)
    if line is None and (devices := cluster.devices_of_user.get(sender)):
        return cluster.lines[devices[0].lines[0]]
    return line


def _configured(
    line: Line, cluster: Cluster, trunk: SipTrunk | None, device: Device | None
) -> ExternalPresentation | None:
    """The presentation in force: the trunk's, a SIP profile's, the line's, in this order."""
    if device is None:
        alone = cluster.devices_of_line.get(line.dn, ())
        device = alone[0] if len(alone) == 1 else None
    if trunk is not None:
        found = trunk.external_presentation or _of_profile(trunk.sip_profile, cluster)
        if found is not None:
            return found
    return (_of_profile(device.sip_profile, cluster) if device else None) or (
        line.external_presentation
    )


def _of_profile(name: str | None, cluster: Cluster) -> ExternalPresentation | None:
    return None if name is None else cluster.sip_profiles[name].external_presentation


def _over_trunk(request: Request, cluster: Cluster, trunk: SipTrunk) -> CallerIdentity:
    """From carries the presentation and P-Asserted-Identity the real identity (OP-16)."""
    name, number, hidden = _read(request.from_)
    real = _asserted(request) if trunk.trust_identity else None
    if real is None:
        return HIDDEN if hidden else _safe(name, number)
    real_name, real_number, real_hidden = real
    if real_number != number and not hidden and _shows_presentation(cluster, trunk):
        return _safe(name, number)
    if real_hidden:
        return HIDDEN
    return _safe(real_name or (name if real_number == number else ""), real_number)


def _shows_presentation(cluster: Cluster, trunk: SipTrunk) -> bool:
    if trunk.sip_profile is None or not cluster.service_parameters.display_external_presentation:
        return False
    if not shows_external_presentation(cluster.release):
        return False
    return cluster.sip_profiles[trunk.sip_profile].enable_external_presentation


def _asserted(request: Request) -> tuple[str, str, bool] | None:
    """Name, number and whether hidden, by the first P-Asserted-Identity value with a number."""
    found: list[tuple[str, str, bool]] = []
    for value in request.headers.values(ASSERTED)[:ASSERTED_MAX]:
        try:
            read = _read(NameAddr.parse(value, "P-Asserted-Identity"))
        except SipSyntaxError:
            continue  # the call is worth more than a name nobody can read
        if read[1] or read[2]:
            found.append(read)
    if not found:
        return None
    name = next((name for name, _, _ in found if name), "")
    return name, found[0][1], found[0][2]


def _read(address: NameAddr) -> tuple[str, str, bool]:
    """Display name, number as it would be dialled back, and whether the sender hides it."""
    uri = address.uri
    if uri.host.lower() == ANONYMOUS_HOST:
        return "", "", True
    number = uri.user_unescaped or ""
    if ";" in number:
        number = number.partition(";")[0]  # parameters of a telephone number (RFC 3261 §19.1.6)
    if uri.scheme == "tel" or not number.isalnum():
        bare = number.translate(_VISUAL)
        number = bare if _DIALLED.fullmatch(bare) else number
    return address.display_name, number, False


def _safe(name: str, number: str) -> CallerIdentity:
    return CallerIdentity(_shown(name, DISPLAY_NAME_MAX), _shown(number, DISPLAY_NUMBER_MAX))


def _shown(text: str, octets_max: int) -> str:
    # Cut text may end in a blank; without it another pass through here changes nothing.
    return safe_text(text, octets_max).rstrip()


def _escaped(match: re.Match[str]) -> str:
    return "".join(f"%{octet:02X}" for octet in match[0].encode())
