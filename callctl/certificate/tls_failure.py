"""Why TLS with a cloud host failed, in words that say what to do.

Source: CERT-01, CERT-02, NET-04; research/reliability 5.2 P7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from callctl.certificate.certificate import Certificate
from callctl.certificate.cloud_roots import PURPOSE, TABLE_H1, CloudRoots


class TlsProblem(Enum):
    """What was wrong with the other side. Whether a certificate is revoked is never checked."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not yet valid"
    WRONG_HOST = "wrong host"
    SELF_SIGNED = "self-signed"
    UNKNOWN_AUTHORITY = "unknown authority"
    ROOT_MISSING = "root missing"  # of Table H1, from our trust store
    INTERCEPTED = "intercepted"  # by something that decrypts TLS
    WEAK = "weak"
    BAD_CERTIFICATE = "bad certificate"
    OLD_TLS = "old TLS"
    NO_TLS = "no TLS"
    BROKEN_OFF = "broken off"

    @property
    def is_certificate(self) -> bool:
        """Whether the certificate was at fault, not the protocol."""
        return self not in (TlsProblem.OLD_TLS, TlsProblem.NO_TLS, TlsProblem.BROKEN_OFF)


_SENTENCES: Final = {
    TlsProblem.EXPIRED: "the certificate of {host} has expired",
    TlsProblem.NOT_YET_VALID: "the certificate of {host} is not valid yet",
    TlsProblem.WRONG_HOST: "the certificate shown by {host} is for another host",
    TlsProblem.SELF_SIGNED: "the certificate of {host} is self-signed",
    TlsProblem.UNKNOWN_AUTHORITY: "the authority of {host} is not trusted",
    TlsProblem.ROOT_MISSING: "the root of {host} is not in the trust store",
    TlsProblem.INTERCEPTED: "TLS with {host} is intercepted",
    TlsProblem.WEAK: "the certificate of {host} has a key or signature that is too weak",
    TlsProblem.BAD_CERTIFICATE: "the certificate of {host} is not one for a server",
    TlsProblem.OLD_TLS: "{host} speaks no TLS 1.2 or later",
    TlsProblem.NO_TLS: "what answers at {host} does not speak TLS",
    TlsProblem.BROKEN_OFF: "{host} broke off while TLS began",
}

_ACTIONS: Final = {
    TlsProblem.EXPIRED: "see that the clock of the node is right; else its owner has to renew it",
    TlsProblem.NOT_YET_VALID: "see that the clock of the node is right",
    TlsProblem.WRONG_HOST: "see that DNS and the configured URL lead to the right host",
    TlsProblem.SELF_SIGNED: f"upload it to {PURPOSE} if it is yours and a CA",
    TlsProblem.UNKNOWN_AUTHORITY: f"upload the root of its CA to {PURPOSE}",
    TlsProblem.ROOT_MISSING: f"upload the roots of Table H1 to {PURPOSE} (CERT-01)",
    TlsProblem.INTERCEPTED: "exclude {host} from TLS decryption on the firewall (NET-04)",
    TlsProblem.WEAK: "its owner has to replace it",
    TlsProblem.BAD_CERTIFICATE: "its owner has to replace it",
    TlsProblem.OLD_TLS: "see what stands between: the cloud speaks TLS 1.2 and later",
    TlsProblem.NO_TLS: "see that host, port and proxy are right",
    TlsProblem.BROKEN_OFF: "see that a firewall on the way allows TLS to this host",
}


@dataclass(frozen=True, slots=True)
class TlsFailure:
    """One failure, for a report."""

    problem: TlsProblem
    host: str
    sentence: str
    action: str
    issuer: str = ""  # who signed what was shown, if it was looked at


# X509_V_ERR_... of OpenSSL's x509_vfy.h.
_OF_CODE: Final = {
    9: TlsProblem.NOT_YET_VALID,
    10: TlsProblem.EXPIRED,
    18: TlsProblem.SELF_SIGNED,  # the server's own
    19: TlsProblem.UNKNOWN_AUTHORITY,  # a self-signed root is in the chain
    2: TlsProblem.UNKNOWN_AUTHORITY,
    20: TlsProblem.UNKNOWN_AUTHORITY,
    21: TlsProblem.UNKNOWN_AUTHORITY,
    27: TlsProblem.UNKNOWN_AUTHORITY,
    62: TlsProblem.WRONG_HOST,
    64: TlsProblem.WRONG_HOST,  # the same for an address
    66: TlsProblem.WEAK,
    67: TlsProblem.WEAK,
    68: TlsProblem.WEAK,
}

_OF_REASON: Final = {
    "UNSUPPORTED_PROTOCOL": TlsProblem.OLD_TLS,
    "TLSV1_ALERT_PROTOCOL_VERSION": TlsProblem.OLD_TLS,
    "UNKNOWN_PROTOCOL": TlsProblem.NO_TLS,
    "WRONG_VERSION_NUMBER": TlsProblem.NO_TLS,
    "HTTP_REQUEST": TlsProblem.NO_TLS,
    "PACKET_LENGTH_TOO_LONG": TlsProblem.NO_TLS,
    "EE_KEY_TOO_SMALL": TlsProblem.WEAK,
    "DH_KEY_TOO_SMALL": TlsProblem.WEAK,
}


def problem_of(verify_code: int | None, reason: str) -> TlsProblem:
    """What OpenSSL meant: the code of a verification, or the reason of another failure."""
    if verify_code is not None:
        return _OF_CODE.get(verify_code, TlsProblem.BAD_CERTIFICATE)
    return _OF_REASON.get(reason, TlsProblem.BROKEN_OFF)


def failure_of(
    problem: TlsProblem,
    host: str,
    shown: Sequence[Certificate] = (),
    *,
    cloud: bool = False,
    roots: CloudRoots = TABLE_H1,
) -> TlsFailure:
    """The failure in words. `shown`: the chain that the host showed, its own certificate first.

    `cloud`: it is one of the hosts of Table H1, so that another issuer than those of the table
    means that something between has opened TLS (NET-04).
    """
    issuer = shown[-1].issuer if shown else ""
    if cloud and shown and problem is TlsProblem.UNKNOWN_AUTHORITY:
        known = any(roots.named(name) for each in shown for name in (each.issuer, each.subject))
        problem = TlsProblem.ROOT_MISSING if known else TlsProblem.INTERCEPTED
    sentence = _SENTENCES[problem].format(host=host)
    if problem is TlsProblem.INTERCEPTED:
        sentence += f": its certificate is of {issuer}, which is no CA of Table H1"
    elif problem is TlsProblem.WRONG_HOST and shown and shown[0].hosts:
        sentence += f": {', '.join(shown[0].hosts[:5])}"
    elif issuer:
        sentence += f" (issuer {issuer})"
    return TlsFailure(problem, host, sentence, _ACTIONS[problem].format(host=host), issuer)
