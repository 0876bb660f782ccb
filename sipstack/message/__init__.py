"""SIP messages: raw lines kept byte for byte, typed access on demand (RFC 3261 §7, §19, §20)."""

from sipstack.message.cseq import CSeq
from sipstack.message.headers import Headers
from sipstack.message.message import Message, Request, Response, ensure_content_length
from sipstack.message.nameaddr import NameAddr
from sipstack.message.params import Params
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.message.uri import Uri, same_uri
from sipstack.message.via import Via

__all__ = [
    "CSeq",
    "Headers",
    "Message",
    "NameAddr",
    "Params",
    "Request",
    "Response",
    "Uri",
    "Via",
    "ensure_content_length",
    "parse_message",
    "respond",
    "same_uri",
]
