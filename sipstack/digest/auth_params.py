"""The parameter lists of challenges and credentials (RFC 3261 §25.1, RFC 7616 §3.3)."""

from __future__ import annotations

import re
from typing import Final

from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import QUOTED, SWS, TOKEN, is_token, split_list, unquote

PARAMS_MAX: Final = 64
"""Parameters of one header; Digest defines thirteen. Over it: 400."""

_PARAM: Final = re.compile(rf"({TOKEN}){SWS}={SWS}({QUOTED}|[!#-+\--~]*+)")


def parse_schemes(text: str, header: str) -> list[tuple[str, dict[str, str]]]:
    """Each (scheme in lower case, its parameters) of a header value, commas in quotes respected.

    A parameter name is in lower case and its value without quotes. A new scheme starts where a
    list element has a word before its parameter: `Digest a=b, c=d, Digest a=e`.
    Raises: SipSyntaxError (400), also for a parameter given twice: two readers could disagree.
    """
    schemes: list[tuple[str, dict[str, str]]] = []
    for position, element in enumerate(split_list(text)):
        if position >= PARAMS_MAX:
            raise SipSyntaxError("too many parameters", header=header)
        match = _PARAM.fullmatch(element)
        if match is None:
            scheme, _, rest = element.partition(" ")
            if not is_token(scheme):
                raise SipSyntaxError("scheme is not a token", header=header)
            schemes.append((scheme.lower(), {}))
            rest = rest.strip(" \t")
            match = _PARAM.fullmatch(rest)
            if match is None:
                # "Bearer <token68>" and a bare "Basic" have no parameter.
                if rest and scheme.lower() == "digest":
                    raise SipSyntaxError("malformed parameter", header=header)
                continue
        if not schemes:
            raise SipSyntaxError("parameters without a scheme", header=header)
        params = schemes[-1][1]
        name = match[1].lower()
        if name in params:
            raise SipSyntaxError(f"{name} is given twice", header=header)
        params[name] = unquote(match[2])
    return schemes


def required(params: dict[str, str], name: str, header: str) -> str:
    """The value of `name`. Raises: SipSyntaxError (400) if it is missing."""
    value = params.get(name)
    if value is None:
        raise SipSyntaxError(f"{name} is missing", header=header)
    return value
