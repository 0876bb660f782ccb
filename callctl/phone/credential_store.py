"""A client's memory of challenges: it answers one, and counts what it answers with it.

Source: RFC 3261 §22, RFC 7616 §3.4 and §3.5; one nonce serves many requests, `nc` counts them.
"""

from __future__ import annotations

from typing import Final

from sipstack.digest.answer import answer
from sipstack.digest.challenge import Challenge, parse_challenges
from sipstack.digest.compute import is_supported
from sipstack.entropy import Entropy, token
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request, Response
from sipstack.transport.flow import Flow

CHALLENGES_MAX: Final = 8  # peers and kinds remembered; the oldest goes
CHALLENGE_HEADERS: Final = {401: "www-authenticate", 407: "proxy-authenticate"}
ANSWER_HEADERS: Final = {401: "Authorization", 407: "Proxy-Authorization"}

Peer = tuple[str, int, int]  # remote host, remote port, 401 or 407


class _Remembered:
    """The last challenge of one peer."""

    __slots__ = ("challenge", "count")

    def __init__(self, challenge: Challenge) -> None:
        self.challenge = challenge
        self.count = 0  # requests that used its nonce


class CredentialStore:
    """Puts credentials into requests: at once where a nonce is known, else when challenged."""

    __slots__ = ("_entropy", "_known", "_password", "_username")

    def __init__(self, username: str, password: str, entropy: Entropy) -> None:
        self._username = username
        self._password = password
        self._entropy = entropy
        self._known: dict[Peer, _Remembered] = {}

    def authorize(self, request: Request, flow: Flow) -> None:
        """Put in credentials for every challenge this peer has made to such requests.

        A registrar challenges REGISTER with 401; other requests may meet either code.
        """
        codes = (401,) if request.method == "REGISTER" else (401, 407)
        for status in codes:
            known = self._known.get((flow.remote_host, flow.remote_port, status))
            if known is not None:
                self._put(request, status, known)

    def learn(self, request: Request, response: Response, flow: Flow) -> bool:
        """Remember the challenge of a 401 or 407.

        Returns: True if it is worth another try: there is a challenge we can answer, and it is not
            the refusal of credentials for the same nonce.
        """
        status = response.status
        challenge = self._readable(response)
        if challenge is None or not self._username:
            return False
        tried = self._known.get((flow.remote_host, flow.remote_port, status))
        sent = request.headers.has(ANSWER_HEADERS[status].lower())
        # A nonce that has served before may have run out without a word of it; credentials made
        # for the very challenge before this one are simply wrong.
        if sent and tried is not None and not challenge.stale and tried.count <= 1:
            return False
        known = self._known
        known.pop((flow.remote_host, flow.remote_port, status), None)
        if len(known) >= CHALLENGES_MAX:
            del known[next(iter(known))]
        known[flow.remote_host, flow.remote_port, status] = _Remembered(challenge)
        return True

    def _readable(self, response: Response) -> Challenge | None:
        """The first challenge that we can answer, as RFC 8760 §2.4 asks."""
        header = CHALLENGE_HEADERS[response.status]
        for text in response.headers.all(header):
            try:
                challenges = parse_challenges(text, header)
            except SipSyntaxError:
                continue
            for challenge in challenges:
                if is_supported(challenge.algorithm):
                    return challenge
        return None

    def _put(self, request: Request, status: int, known: _Remembered) -> None:
        known.count += 1
        credentials = answer(
            known.challenge,
            self._username,
            self._password,
            request.method,
            request.uri_text,
            token(self._entropy),
            known.count,
        )
        request.headers.set(ANSWER_HEADERS[status], credentials.header_value())
