"""A client's answer to a challenge."""

from __future__ import annotations

from sipstack.digest.challenge import Challenge
from sipstack.digest.compute import ha1, response_of
from sipstack.digest.credentials import Credentials


def answer(
    challenge: Challenge,
    username: str,
    password: str,
    method: str,
    uri: str,
    cnonce: str,
    nc: int = 1,
) -> Credentials:
    """Credentials for `challenge`; `nc` counts the requests that used its nonce, from 1.

    Uses qop "auth" if it is offered, and none at all otherwise.
    Raises: LocalProtocolError for an algorithm that is not supported: ask `is_supported` first.
    """
    qop = "auth" if "auth" in challenge.qop else None
    count = f"{nc:08x}" if qop else None
    session = challenge.algorithm.lower().endswith("-sess")
    sent_cnonce = cnonce if qop or session else None
    return Credentials(
        username=username,
        realm=challenge.realm,
        nonce=challenge.nonce,
        uri=uri,
        response=response_of(
            ha1(username, challenge.realm, password, challenge.algorithm),
            method,
            uri,
            challenge.nonce,
            qop=qop,
            nc=count,
            cnonce=sent_cnonce,
            algorithm=challenge.algorithm,
        ),
        algorithm=challenge.algorithm,
        cnonce=sent_cnonce,
        nc=count,
        qop=qop,
        opaque=challenge.opaque,
    )
