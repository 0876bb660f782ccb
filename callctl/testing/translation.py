"""What phones say of themselves, as facts: the same events in virtual time and over sockets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from callctl.phone.event import (
    CallAnswered,
    CallEnded,
    CallRinging,
    IncomingCall,
    Registered,
    RegistrationFailed,
    RegistrationLost,
)
from callctl.phone.phone_event import (
    AppForegrounded,
    AppLaunched,
    AppSuspended,
    AppTerminated,
    AppWoken,
    CallerNamed,
    CallHidden,
    CallShown,
    NotificationShown,
    PhoneRang,
    PushOpened,
    PushRejected,
)
from callctl.push.kind import PushKind
from callctl.testing.fact import Fact, What

PUSH_NAMES: Final[dict[PushKind | None, str]] = {
    PushKind.INCOMING: "ring",
    PushKind.MISSED: "missed",
    PushKind.ANSWERED_ELSEWHERE: "answered elsewhere",
    PushKind.CANCELLED: "cancelled",
    None: "content-free",
}

DRAWN: Final[dict[What, str]] = {
    What.WOKEN: "woken",
    What.ASLEEP: "asleep",
    What.SHOWN: "shows {text}",
    What.NOTIFIED: "{text}",
    What.RANG: "rings",
    What.APP_ENDED: "app ended: {text}",
}
"""Facts that a ladder shows beside the messages, and in which words."""


class Translator:
    """Of one party. It knows which of its calls came to it, and which it made."""

    def __init__(self, name: str, nodes: Mapping[str, str], *, mobile: bool) -> None:
        """`nodes`: names by FQDN."""
        self._name = name
        self._nodes = nodes
        self._mobile = mobile
        self._came: dict[int, str] = {}  # Call-IDs of the calls that came

    def facts(self, at: int, event: object) -> Iterator[Fact]:
        """What an event means; nothing for most."""
        match event:
            case IncomingCall(call, call_id, name, number):
                self._came[call] = call_id
                yield self._fact(at, What.INVITED, _caller(name, number), call)
            case CallRinging(call, status):
                if call not in self._came:
                    yield self._fact(at, What.HEARD, "", call, status)
                elif not self._mobile:
                    yield self._fact(at, What.RANG, "", call)
            case PhoneRang(call=call):
                yield self._fact(at, What.RANG, "", call)
            case CallAnswered(call):
                what = What.PICKED_UP if call in self._came else What.ANSWERED
                yield self._fact(at, what, "", call)
            case CallEnded(call, cause, status):
                yield self._fact(at, What.ENDED, cause.value, call, status)
            case _:
                yield from self._of_registration(at, event)

    def _of_registration(self, at: int, event: object) -> Iterator[Fact]:
        match event:
            case Registered(registrar):
                node = self._nodes.get(registrar.fqdn, registrar.fqdn or registrar.host)
                yield self._fact(at, What.REGISTERED, node)
            case RegistrationFailed(status):
                yield self._fact(at, What.REGISTRATION_FAILED, status=status)
            case RegistrationLost(cause):
                yield self._fact(at, What.REGISTRATION_LOST, cause)
            case _ if self._mobile:
                yield from self._of_app(at, event)

    def _of_app(self, at: int, event: object) -> Iterator[Fact]:
        match event:
            case AppWoken() | AppLaunched(by_push=True):
                yield self._fact(at, What.WOKEN)
            case AppSuspended():
                yield self._fact(at, What.ASLEEP)
            case AppForegrounded():
                yield self._fact(at, What.APP_OPENED)
            case AppTerminated(cause):
                yield self._fact(at, What.APP_ENDED, cause)
            case PushOpened(tracking_id, kind):
                yield Fact(at, self._name, What.PUSH, PUSH_NAMES[kind], tracking_id=tracking_id)
            case PushRejected(reason, detail):
                yield self._fact(at, What.PUSH_REJECTED, f"{reason} {detail}")
            case CallShown(_, name, number) | CallerNamed(_, name, number):
                yield self._fact(at, What.SHOWN, _caller(name, number))
            case CallHidden(_, reason):
                yield self._fact(at, What.HIDDEN, reason.value)
            case NotificationShown(title, text):
                yield self._fact(at, What.NOTIFIED, f"{title}: {text}")

    def _fact(
        self, at: int, what: What, text: str = "", call: int = 0, status: int | None = None
    ) -> Fact:
        return Fact(at, self._name, what, text, call, self._came.get(call, ""), status)


def drawn(fact: Fact) -> str | None:
    """A fact in a few words for a ladder; None for one that messages show already."""
    words = DRAWN.get(fact.what)
    return None if words is None else words.format(text=fact.text)


def _caller(name: str, number: str) -> str:
    return f"{name} {number}".strip()
