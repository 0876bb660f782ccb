"""What a judge reads of a SIP message: a few header fields, found without the stack's parser.

The judges must not believe the parser that is on trial, and one split of the text is cheaper.
"""

from __future__ import annotations

from typing import Final

WANTED: Final = frozenset({"via", "to", "call-id", "cseq", "expires", "x-push-call-uuid"})


class Glance:
    """One message."""

    __slots__ = (
        "branch",
        "call_id",
        "data",
        "expires",
        "method",
        "number",
        "start",
        "status",
        "to_tag",
        "uuid",
        "vias",
    )

    def __init__(self, data: bytes) -> None:
        head = data.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape")
        start, *lines = head.split("\r\n")
        found: dict[str, str] = {}
        vias = 0
        for line in lines:
            name, _, value = line.partition(":")
            key = name.strip().lower()
            if key in WANTED:
                vias += key == "via"
                found.setdefault(key, value.strip())
        self.data = data
        self.start = start
        self.status = int(start[8:11]) if start.startswith("SIP/2.0 ") else 0  # 0: a request
        number, _, method = found.get("cseq", "0 ?").partition(" ")
        self.method = method.strip()  # of a response: of the request it answers
        self.number = int(number)
        self.call_id = found.get("call-id", "")
        self.branch = _parameter(found.get("via", ""), "branch")  # of the top Via
        self.to_tag = _parameter(found.get("to", "").rpartition(">")[2], "tag")
        self.uuid = found.get("x-push-call-uuid", "")
        self.expires = found.get("expires", "")
        self.vias = vias

    @property
    def dialled(self) -> str:
        """The number in a Request-URI, "" in a response."""
        if self.status:
            return ""
        return self.start.partition("sip:")[2].partition("@")[0].partition(";")[0]

    @property
    def final(self) -> bool:
        """True for a final response."""
        return self.status >= 200


def _parameter(text: str, name: str) -> str:
    """Value of `;name=value`, "" without one."""
    _, found, rest = text.partition(f";{name}=")
    return rest.partition(";")[0].strip() if found else ""


def is_message(data: bytes) -> bool:
    """False for keep-alives."""
    return bool(data.strip(b"\r\n\0 "))
