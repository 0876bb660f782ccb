"""Which device a Contact names, and which of its flows (RFC 5626 §4.1, §4.2)."""

from __future__ import annotations

from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import parse_number
from sipstack.message.nameaddr import NameAddr

_REG_ID_MAX = 2**31 - 1


def instance_of(contact: NameAddr) -> str | None:
    """The URN of `+sip.instance` without its <>, None if there is none.

    Some phones give the parameter twice (SIP.js, Cisco IP Communicator): the first counts.
    Compare the result without regard to case (RFC 8141 §3).
    """
    text = contact.params.unquoted("+sip.instance")
    if not text:
        return None
    return text[1:-1] if text[0] == "<" and text[-1] == ">" else text


def reg_id_of(contact: NameAddr) -> int | None:
    """The number of the flow, 1 to 2**31 - 1, None if there is none.

    Raises: SipSyntaxError (400).
    """
    text = contact.params.get("reg-id")
    if text is None:
        return None
    number = parse_number(text, _REG_ID_MAX, "Contact")
    if number == 0:
        raise SipSyntaxError("reg-id is 0", header="Contact")
    return number
