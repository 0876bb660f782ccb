"""Push parameters of a Contact URI (RFC 8599 §4), as standard phones send them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sipstack.errors import SipSyntaxError
from sipstack.limits import PUSH_PARAM_OCTETS_MAX
from sipstack.message.uri import Uri, unescape

_CONTROL: Final = re.compile(r"%(?:[01][0-9A-Fa-f]|7[Ff])")

_TOKEN_KINDS: Final = re.compile(r"\.(?:voip|remote)(?:&(?:voip|remote))*$")


@dataclass(frozen=True, slots=True, repr=False)
class PushParams:
    """What a phone tells about the push service that wakes it; escapes are resolved.

    Linphone and others register two Apple tokens at once, each with its kind behind it:
    `pn-prid=<token>:voip&<token>:remote`. `voip_token` wakes for calls, `message_token` for the
    rest; a `pn-prid` of one plain token is both.
    """

    pn_provider: str  # lower-case: "apns", "fcm", "webpush"; "" asks what is supported (§4.1.5)
    pn_param: str | None = None
    pn_prid: str | None = None
    pn_purr: str | None = None

    @classmethod
    def of(cls, uri: Uri) -> PushParams | None:
        """The push parameters of `uri`, None if it has no pn-provider.

        Raises: SipSyntaxError (400) for a value with a control character or over 4,096 octets.
        """
        if not uri.params.has("pn-provider"):
            return None
        return cls(
            (_value(uri, "pn-provider") or "").lower(),
            _value(uri, "pn-param"),
            _value(uri, "pn-prid"),
            _value(uri, "pn-purr"),
        )

    @property
    def voip_token(self) -> str | None:
        return self._token("voip")

    @property
    def message_token(self) -> str | None:
        return self._token("remote")

    @property
    def apple_topic(self) -> str | None:
        """The bundle id in an Apple pn-param, as `TEAM123456.org.example.app.remote&voip`.

        Without the team id before it (§4.1) and the kinds of token behind it; None if that is all.
        """
        if not self.pn_param:
            return None
        bundle_id = self.pn_param.partition(".")[2]
        return _TOKEN_KINDS.sub("", bundle_id) or None

    def _token(self, kind: str) -> str | None:
        if not self.pn_prid:
            return None
        parts = [part.rpartition(":") for part in self.pn_prid.split("&")]
        if not any(suffix in ("voip", "remote") for _, _, suffix in parts):
            return self.pn_prid
        return next((token for token, _, suffix in parts if suffix == kind and token), None)

    def __repr__(self) -> str:
        # A token lets its holder ring the phone: it must not reach a log.
        return f"<PushParams {self.pn_provider}>"


def _value(uri: Uri, name: str) -> str | None:
    raw = uri.params.get(name)
    if raw is None:
        return None
    if len(raw) > PUSH_PARAM_OCTETS_MAX:
        raise SipSyntaxError(f"{name} is too long", header="Contact")
    if _CONTROL.search(raw) is not None:
        raise SipSyntaxError(f"{name} holds a control character", header="Contact")
    return unescape(raw)
