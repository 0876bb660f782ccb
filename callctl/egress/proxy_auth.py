"""Answers to what a proxy asks its clients for: Digest (RFC 7616) before Basic (RFC 7617).

Source: PROXY-03, OP-54.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from callctl.model.cloud import ProxySettings
from sipstack.digest import Challenge, answer, parse_challenges
from sipstack.digest.auth_params import parse_schemes
from sipstack.entropy import Entropy, token
from sipstack.errors import SipSyntaxError

METHOD: Final = "CONNECT"
STRONGEST_FIRST: Final = (
    "sha-512-256",
    "sha-512-256-sess",
    "sha-256",
    "sha-256-sess",
    "md5",
    "md5-sess",
)

_HEADER: Final = "Proxy-Authenticate"
_BASIC: Final = "Basic"


class CannotAnswer(Exception):
    """None of the challenges can be answered, or none may be; says why."""


class ProxyAuthentication:
    """What the proxy last asked for, shared by all connections to it.

    Once challenged, later connections answer without being asked, each with the next nonce count.
    """

    def __init__(self, settings: ProxySettings, entropy: Entropy) -> None:
        self._settings = settings
        self._entropy = entropy
        self._challenge: Challenge | None = None
        self._basic = False
        self._count = 0

    def header_value(self, target: str) -> str | None:
        """Proxy-Authorization for a CONNECT to `target`; None if nothing was asked for yet."""
        settings = self._settings
        user, password = settings.user, settings.password
        if user is None or password is None:
            return None
        if self._challenge is not None:
            self._count += 1
            cnonce = token(self._entropy, 16)
            secret = password.get_secret_value()
            made = answer(self._challenge, user, secret, METHOD, target, cnonce, self._count)
            return made.header_value()
        if self._basic:
            octets = f"{user}:{password.get_secret_value()}".encode()
            return f"{_BASIC} {b64encode(octets).decode()}"
        return None

    @property
    def is_basic(self) -> bool:
        """True if the answer is the same each time, so that giving it twice is of no use."""
        return self._basic

    def challenged(self, values: Iterable[str]) -> bool:
        """Take the Proxy-Authenticate fields of a 407; True if only the nonce was stale.

        Raises: CannotAnswer
        """
        self.forget()
        if self._settings.user is None or self._settings.password is None:
            raise CannotAnswer("the proxy asks for credentials, and none are set")
        if not self._settings.user.isprintable():
            raise CannotAnswer("the user name for the proxy has a control character")
        digests, basic = _read(values)
        if digests:
            self._challenge = digests[0]
            return digests[0].stale
        if not basic:
            raise CannotAnswer("the proxy offers neither Digest nor Basic that can be answered")
        if self._settings.scheme != "https" and not self._settings.basic_over_http:
            raise CannotAnswer(
                "the proxy offers Basic only, and anybody on the way could read the password:"
                " use Digest or an https proxy, or allow basic_over_http"
            )
        if ":" in self._settings.user:
            raise CannotAnswer("the proxy offers Basic only, which allows no colon in a user name")
        self._basic = True
        return False

    def informed(self, value: str) -> None:
        """Take a Proxy-Authentication-Info: it may name the nonce to use next (RFC 7616 §3.5)."""
        if self._challenge is None:
            return
        try:
            schemes = parse_schemes(f"Digest {value}", "Proxy-Authentication-Info")
        except SipSyntaxError:
            return  # the nonce in use serves on, and a 407 would bring another
        nonce = schemes[0][1].get("nextnonce")
        if nonce:
            self._challenge = replace(self._challenge, nonce=nonce)
            self._count = 0

    def forget(self) -> None:
        """The next connection waits to be asked."""
        self._challenge = None
        self._basic = False
        self._count = 0


def _read(values: Iterable[str]) -> tuple[list[Challenge], bool]:
    """The Digest challenges that can be answered, the strongest first; whether Basic is offered.

    A field that cannot be read hides nothing but itself: another may be good.
    """
    digests: list[Challenge] = []
    basic = False
    for value in values:
        try:
            basic = basic or any(scheme == "basic" for scheme, _ in parse_schemes(value, _HEADER))
            digests += parse_challenges(value, _HEADER)
        except SipSyntaxError:
            continue
    usable = [
        each
        for each in digests
        if each.algorithm.lower() in STRONGEST_FIRST and (not each.qop or "auth" in each.qop)
    ]
    return sorted(usable, key=lambda each: STRONGEST_FIRST.index(each.algorithm.lower())), basic
