"""What must not leak: every name, number and secret of a test run, learned while it goes on.

Names and numbers come from the clusters that were made and from the content of pushes before it is
sealed, secrets from `Secret`, the keys of seals, tokens that emulators were shown, and the tokens
of admin APIs.
"""

from __future__ import annotations

import functools
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec
from hypothesis import currently_in_test_context

from callctl.cloud.http import HttpRequest
from callctl.io.state_dir import StateDir
from callctl.model.cluster import Cluster
from callctl.model.user import Secret

NAME_MIN: Final = 3  # characters of a name of one word; shorter ones are part of everything
SECRET_MIN: Final = 8  # characters
WORD: Final = re.compile(r"\w+")
NUMBER: Final = re.compile(r"\+?\d{3,}")

_PIECES: Final = (
    re.compile(r"[^\s\"'<>,;()\[\]{}\\]+"),
    re.compile(r"[A-Za-z0-9_.~+/-]+={0,2}"),
    WORD,
)
_FORM: Final = re.compile(r"(?:refresh_token|assertion|client_secret|password)=([^&\s]+)")

SHAPES: Final = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "a bearer token": re.compile(r"[Bb]earer (?!\*)[A-Za-z0-9._~+/-]{16,}"),
    "a JSON web token": re.compile(r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    "a digest response": re.compile(r"\bresponse=\"[0-9a-f]{32,128}\""),
}
"""Secrets that show by their form, whoever made them."""


class KnownData:
    """Grows while the tests run."""

    def __init__(self) -> None:
        self.names: set[tuple[str, ...]] = set()
        self.numbers: set[str] = set()
        self.secrets: set[str] = set()
        self._lengths: set[int] = set()
        self._seen: set[tuple[str, str]] = set()

    # Learning.

    def learn_name(self, name: str) -> None:
        words = tuple(word.casefold() for word in WORD.findall(name))
        letters = "".join(words)
        if letters.isdigit() or not words:
            return
        if len(words) > 1 or len(letters) >= NAME_MIN:
            self.names.add(words)
            self._lengths.add(len(words))

    def learn_number(self, number: str) -> None:
        digits = number.removeprefix("+")
        if digits.isdigit() and len(digits) >= 3:
            self.numbers.add(digits)

    def learn_secret(self, secret: str) -> None:
        if currently_in_test_context():
            return  # a property test draws words of the sources, too: "Max-Forwards" is no secret
        if len(secret) >= SECRET_MIN and not secret.isspace():
            self.secrets.add(secret)

    def learn_key(self, key: bytes) -> None:
        self.secrets |= {
            key.hex(),
            b64encode(key).decode(),
            urlsafe_b64encode(key).decode(),
            urlsafe_b64encode(key).rstrip(b"=").decode(),
        }

    def learn_cluster(self, cluster: Cluster) -> None:
        for user in cluster.users.values():
            self.learn_name(user.display_name)
            self.learn_number(user.mobility_identity or "")
        named = [(line.dn, line.display_name) for line in cluster.lines.values()]
        named += [(pilot.dn, pilot.display_name) for pilot in cluster.hunt_pilots.values()]
        for dn, display_name in named:
            if (dn, display_name) not in self._seen:
                self._seen.add((dn, display_name))
                self.learn_name(display_name)
                self.learn_number(dn)

    def learn_content(self, content: bytes) -> None:
        """The content of a push, before it is sealed."""
        try:
            fields = msgspec.json.decode(content)
        except msgspec.DecodeError:
            return
        for name, value in fields.items() if isinstance(fields, dict) else ():
            if name not in OPEN_FIELDS and isinstance(value, str):
                self.learn_name(value)
                self.learn_number(value)

    def learn_request(self, request: HttpRequest) -> None:
        """The secrets that a request shows to who may know them."""
        scheme, _, token = (request.header("authorization") or "").partition(" ")
        if scheme.lower() in ("bearer", "basic"):
            self.learn_secret(token)
        if request.header("content-type") == "application/x-www-form-urlencoded":
            for value in _FORM.findall(request.body.decode("utf-8", "replace")):
                self.learn_secret(value)

    # Looking.

    def names_in(self, text: str) -> Iterator[str]:
        words = [word.casefold() for word in WORD.findall(text)]
        for length in self._lengths:
            for at in range(len(words) - length + 1):
                if tuple(words[at : at + length]) in self.names:
                    yield " ".join(words[at : at + length])

    def numbers_in(self, text: str, *, least: int = 3) -> Iterator[str]:
        """Whole words of `least` digits or more that are a number of somebody."""
        for word in WORD.findall(text):
            if len(word) >= least and word in self.numbers:
                yield word

    def secrets_in(self, text: str) -> Iterator[str]:
        """What each secret is, never itself."""
        for what, shape in SHAPES.items():
            if shape.search(text):
                yield what
        for pieces in _PIECES:
            for piece in pieces.findall(text):
                if piece in self.secrets:
                    yield f"a secret of {len(piece)} characters"


OPEN_FIELDS: Final = frozenset({"v", "event", "callUUID", "video", "activeNode", "sentAt"})
"""Of the content of a push: the rest is personal, also what is added to it one day."""


def after(owner: type, name: str, look: Callable[..., object]) -> Callable[[], None]:
    """Let `look(result, *arguments)` see each call of a method. Returns: how to undo it."""
    method: Any = owner.__dict__[name]

    @functools.wraps(method)
    def watched(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        result = method(*arguments, **named)
        look(result, *arguments)
        return result

    setattr(owner, name, watched)
    return lambda: setattr(owner, name, method)


def watch(known: KnownData) -> Callable[[], None]:
    """Learn from everything that is made from now on. Returns: how to stop it."""
    undo = (
        after(Cluster, "__post_init__", lambda _, cluster: known.learn_cluster(cluster)),
        after(
            Secret, "__init__", lambda _, secret, *__: known.learn_secret(secret.get_secret_value())
        ),
        after(StateDir, "make_token", lambda token, *_: known.learn_secret(token)),
    )

    def stop() -> None:
        for each in undo:
            each()

    return stop


def distinct(found: Iterable[str]) -> list[str]:
    return sorted(set(found))
