"""What keeps a node from the cloud: the step that failed, its cause in words, and what to do.

Source: CLOUD-12, NET-01 to NET-06, NET-09, TRB-16, TRB-17.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

BLOCKED_WORDS: Final = ("addressblocked", "block list", "blocklist", "blacklist")
"""(D) What an answer 403 says if it is meant for our address, not for our request."""

_TEXT_MAX: Final = 4_096  # octets of an answer that are looked at


class CloudHost(Enum):
    """The three services, and who needs them (Table E)."""

    FOS = "onboarding (FOS)"
    CI = "tokens (CI)"
    PUSH_REST = "pushes (Push REST)"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried from one node, and how it went."""

    node: str
    target: str  # host name; the other node for its port
    use: str
    ok: bool
    step: str = ""  # the first that failed
    cause: str = ""
    action: str = ""
    took_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a check failed."""

    step: str
    cause: str
    action: str


_ACTIONS: Final = {
    "not allowed": "Add the host to the cloud section of the cluster file; nothing else is asked.",
    "dns": "Configure DNS on the node; it has to resolve external names.",
    "tcp": "Open outbound TCP 443 from the node to this host.",
    "proxy": "Verify proxy host and port on the onboarding page, and that the proxy runs.",
    "proxy authentication": "Verify user and password of the proxy; prefer Digest to Basic.",
    "tls": "Exclude this host from TLS decryption in the firewall; TLS 1.2 or later is needed.",
    "certificate": "Upload the root certificate to tomcat-trust, or exclude the host from TLS"
    " decryption in the firewall: callctl certificate list shows what is trusted.",
    "http": "The way is open, the service is in trouble: try again later.",
    "timeout": "A firewall may drop packets: see whether TCP 443 is open all the way.",
    "block list": "Ask for the removal of the own address from the Webex block list.",
    "push rest answer": "Restart Cisco Push Notification Service; then see callctl push list.",
    "token": "See on the onboarding page that onboarding completed, and the alarms.",
    "token 400": "The refresh token has expired for good: callctl cloud repair-token.",
    "port": "Open TCP {port} between the nodes in every firewall between them.",
    "node": "Start the node, or find out why it is down: callctl node list.",
}

NOTES: Final = (
    "NAT and firewalls have to keep idle connections to Push REST for 30 minutes at least:"
    " a push is not sent again on a new connection.",
    "Networks of phones have to allow what Apple asks for (support page HT210060, 'Use Apple"
    " products on enterprise networks') and what Google asks for (help page 10513641, 'Android"
    " enterprise network requirements').",
)
"""What no node can find out by itself (NET-05, NET-09)."""


def host_of(url: str) -> str:
    """The host that a URL names."""
    return urlsplit(url).hostname or url


def way_failed(step: str, detail: str, *, at_proxy: bool = False) -> Fault:
    """A connection or an exchange failed at `step`."""
    name = "proxy" if at_proxy and step in ("dns", "tcp", "tls", "timeout") else step
    action = _ACTIONS.get(name, _ACTIONS["http"])
    where = "at the proxy: " if at_proxy and not step.startswith("proxy") else ""
    return Fault(step, _sentence(f"{where}{detail}"), action)


def tls_fault(step: str, cause: str, action: str) -> Fault:
    """TLS failed at `step` for a reason that is known to the certificate."""
    return Fault(step, _sentence(cause), _sentence(action))


def answer_fault(host: CloudHost, status: int, body: bytes, *, with_token: bool) -> Fault | None:
    """What is wrong with the answer to a question that is there to be answered; None: nothing.

    Push REST is sent an empty push: 401 without a token and 400 with one show that it is well.
    """
    if status == 403 and is_blocked(body):
        cause = "The cloud refuses the address this node comes from: it is on the block list."
        return Fault("block list", cause, _ACTIONS["block list"])
    if status >= 500:
        return Fault("http", f"The service answers {status}.", _ACTIONS["http"])
    if host is not CloudHost.PUSH_REST:
        return None
    if with_token and status in (401, 403):
        cause = f"Push REST answers {status}: it does not take the access token of this node."
        return Fault("token", cause, _ACTIONS["push rest answer"])
    expected = 400 if with_token else 401
    if status != expected:
        cause = f"Push REST answers {status} where {expected} is expected."
        return Fault("push rest answer", cause, _ACTIONS["push rest answer"])
    return None


def is_blocked(body: bytes) -> bool:
    """True if an answer 403 says that it is about our address."""
    text = body[:_TEXT_MAX].decode("utf-8", "replace").lower()
    return any(word in text for word in BLOCKED_WORDS)


def token_fault(status: int | None, reason: str) -> Fault:
    """The node has no access token; `status` is the last answer of the token service."""
    if status == 400:
        cause = "The token service answers 400 to the refresh token of this cluster."
        return Fault("token", cause, _ACTIONS["token 400"])
    return Fault("token", _sentence(f"no access token: {reason}"), _ACTIONS["token"])


def port_fault(port: int, detail: str) -> Fault:
    """The push service's port of another node cannot be reached (NET-06)."""
    cause = _sentence(f"port {port} does not answer: {detail}")
    return Fault("port", cause, _ACTIONS["port"].format(port=port))


def node_fault() -> Fault:
    """Nothing could be tried from a node that does not run."""
    return Fault("node", "The node is out of service: nothing was tried from it.", _ACTIONS["node"])


def _sentence(text: str) -> str:
    text = " ".join(text.split())[:300]
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")
