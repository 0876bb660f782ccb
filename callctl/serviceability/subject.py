"""What a per-device alarm is about: a device with one token, without holding the token.

    TCTALICE#5e884898da28

The part behind `#` is a hash: it tells one token of a device from the next, and nothing else.
Source: ALARM-10, P4 (a late 410 of an old token is not a condition of the new one), I14.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Final

TAG_CHARACTERS: Final = 12  # 48 bits: enough to tell the tokens of one device apart
_TAGGED: Final = re.compile(rf"(?P<shown>.*)#(?P<tag>[0-9a-f]{{{TAG_CHARACTERS}}})", re.DOTALL)


def device_subject(device_name: str, token: str) -> str:
    """The subject of an alarm about this device as long as it has this token."""
    return f"{device_name}#{sha256(token.encode()).hexdigest()[:TAG_CHARACTERS]}"


def split_subject(subject: str) -> tuple[str, str]:
    """What to show of a subject, and the tag of its token, "" if it has none."""
    match = _TAGGED.fullmatch(subject)
    return (subject, "") if match is None else (match["shown"], match["tag"])
