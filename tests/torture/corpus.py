"""Foreign messages by name, out of the collection beside the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

_CDATA_MESSAGE: Final = re.compile(
    rb"<message>\s*(?:<!--.*?-->\s*)*<!\[CDATA\[(.*?)\]\]>", re.DOTALL
)
_START_LINE: Final = re.compile(rb"(?m)^(?=[A-Z]{3,9} sips?:[^\r\n]+ SIP/2\.0\r?$|SIP/2\.0 \d{3} )")
_FILES: Final = (
    "rfc4475",
    "siprustserver/cve",
    "siprustserver/ipv6",
    "siprustserver/param-gaps",
    "siprustserver/strict-valid",
    "sofia-sip",
    "kamailio",
    "belle-sip",
)
_STREAMS: Final = ("php-sip-streams", "sip2json-streams")


def load(torture: Path) -> dict[str, bytes]:
    """Every message of the collection; text with bare LFs once as it is and once with CRLFs."""
    found: dict[str, bytes] = {}
    for folder in _FILES:
        for path in sorted((torture / folder).iterdir()):
            found[f"{folder}/{path.name}"] = path.read_bytes()
    xml = (torture / "jsip" / "torture.xml").read_bytes()
    for number, match in enumerate(_CDATA_MESSAGE.finditer(xml)):
        found[f"jsip/{number}"] = match[1]
    for folder in _STREAMS:
        for path in sorted((torture / folder).iterdir()):
            for number, part in enumerate(_START_LINE.split(path.read_bytes())):
                found[f"{folder}/{path.name}/{number}"] = part
    for name, data in list(found.items()):
        if b"\n" in data and b"\r\n" not in data:
            found[f"{name}+crlf"] = data.replace(b"\n", b"\r\n")
    return found
