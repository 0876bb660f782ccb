"""The 49 messages of RFC 4475: what the parser says, and what goes back on the wire.

`refused` is None where the parser takes the message, else status and header of its error.
`wire` holds every answer that is right for a proxy and registrar whose AORs exist and whose
clients are signed in: statuses, FORWARD or NOTHING. Each row that differs from the plain reading
of the RFC, or picks one of two ways that it allows, argues for it in `why`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

FORWARD: Final = "forward"
NOTHING: Final = "nothing"


class Case(NamedTuple):
    name: str
    section: str
    kind: str  # "valid", "invalid", "transaction", "application" or "compatibility"
    refused: tuple[int, str] | None
    wire: tuple[int | str, ...]
    why: str = ""


CASES: Final = (
    Case("wsinv", "3.1.1.1", "valid", None, (FORWARD,)),
    Case("intmeth", "3.1.1.2", "valid", None, (FORWARD, 405, 501)),
    Case("esc01", "3.1.1.3", "valid", None, (FORWARD,)),
    Case("escnull", "3.1.1.4", "valid", None, (200,)),
    Case("esc02", "3.1.1.5", "valid", None, (405, 501), "RE%47IST%45R is not REGISTER"),
    Case("lwsdisp", "3.1.1.6", "valid", None, (FORWARD, 200)),
    Case("longreq", "3.1.1.7", "valid", None, (FORWARD,)),
    Case("dblreq", "3.1.1.8", "valid", None, (200,), "octets after Content-Length are dropped"),
    Case("semiuri", "3.1.1.9", "valid", None, (FORWARD, 200)),
    Case("transports", "3.1.1.10", "valid", None, (FORWARD, 200)),
    Case(
        "mpart01",
        "3.1.1.11",
        "valid",
        None,
        (FORWARD, 403),
        "its Route leads to a stranger: a cluster that follows it is an open relay",
    ),
    Case("unreason", "3.1.1.12", "valid", None, (NOTHING,), "a response that matches nothing"),
    Case("noreason", "3.1.1.13", "valid", None, (NOTHING,), "a response that matches nothing"),
    Case("badinv01", "3.1.2.1", "invalid", (400, "Via"), (400,)),
    Case("clerr", "3.1.2.2", "invalid", (400, "Content-Length"), (400,)),
    Case("ncl", "3.1.2.3", "invalid", (400, "Content-Length"), (400,)),
    Case(
        "scalar02",
        "3.1.2.4",
        "invalid",
        (400, "CSeq"),
        (400,),
        "the CSeq alone is reason enough; its number cannot be copied into the answer",
    ),
    Case("scalarlg", "3.1.2.5", "invalid", (400, "CSeq"), (NOTHING,), "a response: dropped"),
    Case("quotbal", "3.1.2.6", "invalid", (400, "To"), (400,)),
    Case("ltgtruri", "3.1.2.7", "invalid", (400, "Request-URI"), (400,)),
    Case("lwsruri", "3.1.2.8", "invalid", (400, "Request-URI"), (400,)),
    Case(
        "lwsstart",
        "3.1.2.9",
        "invalid",
        (400, "Request-URI"),
        (400,),
        "may be mended, but two readers that mend differently disagree on the target",
    ),
    Case("trws", "3.1.2.10", "invalid", (400, "start line"), (400,), "as lwsstart"),
    Case(
        "escruri",
        "3.1.2.11",
        "invalid",
        (400, "Request-URI"),
        (400,),
        "the escaped Route must neither be followed nor passed on, so it is not let in",
    ),
    Case(
        "baddate",
        "3.1.2.12",
        "invalid",
        None,
        (FORWARD,),
        "a proxy decides nothing by Date: it passes on what it need not interpret",
    ),
    Case(
        "regbadct",
        "3.1.2.13",
        "invalid",
        None,
        (400,),
        "Contact is the registrar's: typed access refuses it with 400",
    ),
    Case("badaspec", "3.1.2.14", "invalid", (400, "To"), (400,), "may be mended; as lwsstart"),
    Case("baddn", "3.1.2.15", "invalid", (400, "start line"), (400,), "lacks its empty line too"),
    Case("badvers", "3.1.2.16", "invalid", (505, "start line"), (505,)),
    Case("mismatch01", "3.1.2.17", "invalid", (400, "CSeq"), (400,)),
    Case(
        "mismatch02",
        "3.1.2.18",
        "invalid",
        (400, "CSeq"),
        (400, 501),
        "either is allowed; the mismatch is seen before anybody asks what the method means",
    ),
    Case("bigcode", "3.1.2.19", "invalid", (400, "start line"), (NOTHING,), "a response: dropped"),
    Case("badbranch", "3.2.1", "transaction", None, (FORWARD, 200)),
    Case(
        "insuf",
        "3.3.1",
        "application",
        (400, "Call-ID"),
        (NOTHING, 400),
        "without From, To and Call-ID no answer can be built that its sender could match",
    ),
    Case("unkscm", "3.3.2", "application", None, (416,), "a scheme is judged above the parser"),
    Case("novelsc", "3.3.3", "application", None, (416,)),
    Case("unksm2", "3.3.4", "application", None, (400, 404, 416)),
    Case("bext01", "3.3.5", "application", None, (420,)),
    Case("invut", "3.3.6", "application", None, (FORWARD,), "415 is for the phone to say"),
    Case("regaut01", "3.3.7", "application", None, (401,), "an unknown scheme is no credentials"),
    Case("multi01", "3.3.8", "application", (400, "CSeq"), (400,)),
    Case("mcl01", "3.3.9", "application", (400, "Content-Length"), (400,)),
    Case("bcast", "3.3.10", "application", None, (NOTHING,)),
    Case("zeromf", "3.3.11", "application", None, (483, 200)),
    Case("cparam01", "3.3.12", "application", None, (200,)),
    Case("cparam02", "3.3.13", "application", None, (200,)),
    Case("regescrt", "3.3.14", "application", None, (200,)),
    Case("sdp01", "3.3.15", "application", None, (FORWARD,), "406 is for the phone to say"),
    Case("inv2543", "3.4.1", "compatibility", None, (FORWARD,)),
)
