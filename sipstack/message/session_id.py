"""Session-ID (RFC 7989): one identifier for a session, whatever B2BUAs are on its way."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from sipstack.errors import SipSyntaxError
from sipstack.message.params import Params

NULL: Final = "0" * 32
"""The nil UUID: the peer's half is not known yet (§5)."""

_UUID: Final = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class SessionId:
    """UUIDs as 32 lower-case hexadecimal digits. `remote` is None as RFC 7329 sent it."""

    local: str
    remote: str | None = NULL

    @classmethod
    def parse(cls, text: str) -> SessionId:
        """Raises: SipSyntaxError (400). Other parameters are allowed and ignored (§5)."""
        local, semicolon, tail = text.partition(";")
        remote = Params.parse(semicolon + tail, "Session-ID").get("remote")
        local = local.strip(" \t")
        for half in (local, NULL if remote is None else remote):
            if _UUID.fullmatch(half) is None:
                raise SipSyntaxError("not a UUID of 32 hexadecimal digits", header="Session-ID")
        return cls(local, remote)

    def __str__(self) -> str:
        return self.local if self.remote is None else f"{self.local};remote={self.remote}"
