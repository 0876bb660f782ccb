"""What reaches a phone from outside SIP, what it wants done, and what it observes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from callctl.phone.event import UserAgentAction
from callctl.push.kind import PushKind
from callctl.push.sign_in import ClusterFacts, SignInRequest, SignOutRequest
from sipstack.transport.flow import TransportEvent

# Events


@dataclass(frozen=True, slots=True)
class PushArrived:
    """The partner cloud handed a push to the operating system."""

    token: str  # the device token it came to
    push_type: str  # APNs: "voip" or "alert"; FCM: "data"
    payload: Mapping[str, Any] = field(repr=False)
    collapse_id: str | None = None  # of an alert: it takes the place of an older one of this id


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The cluster accepted our tokens and key. None: it said nothing of itself."""

    facts: ClusterFacts | None = None


@dataclass(frozen=True, slots=True)
class SignInFailed:
    """The cluster refused, or could not be reached."""

    reason: str


PhoneEvent: TypeAlias = TransportEvent | PushArrived | SignedIn | SignInFailed

# Actions


@dataclass(frozen=True, slots=True)
class SignIn:
    """Give the cluster our tokens and key, over HTTPS; answer with `SignedIn` or `SignInFailed`."""

    request: SignInRequest


@dataclass(frozen=True, slots=True)
class SignOut:
    """Ask the cluster for no more pushes (MODE-18)."""

    request: SignOutRequest


@dataclass(frozen=True, slots=True)
class AttachPush:
    """Hold a connection to the partner cloud for this token, whether the app runs or not."""

    token: str
    service: str  # subscriber service: "APNS", "FCM", ...
    app: str  # APNs: topic, with ".voip" for a VoIP token; FCM: project id


@dataclass(frozen=True, slots=True)
class DetachPush:
    """Let this token go."""

    token: str


# Observations


@dataclass(frozen=True, slots=True)
class ModeChanged:
    """The three switches now say foreground, or suspended (MODE-01, MODE-02)."""

    suspended: bool


@dataclass(frozen=True, slots=True)
class AppLaunched:
    """The app runs again after it was not running at all."""

    by_push: bool


@dataclass(frozen=True, slots=True)
class AppForegrounded:
    """The owner sees the app."""

    by_itself: bool = False  # True: a call brought it there, not its owner (MODE-10)


@dataclass(frozen=True, slots=True)
class AppWoken:
    """A push woke the suspended app; it runs in the background for a while."""


@dataclass(frozen=True, slots=True)
class AppSuspended:
    """The operating system froze the app and took its sockets."""


@dataclass(frozen=True, slots=True)
class AppTerminated:
    """The app is gone from memory; pushes still reach the phone (MODE-23)."""

    cause: str  # "VoIP push without a call", "closed by owner"
    by_system: bool = False  # True: a punishment, and a defect of the app or of the cluster


@dataclass(frozen=True, slots=True)
class PushWithheld:
    """The operating system does not hand this VoIP push to an app that has cheated before."""

    push: PushArrived


@dataclass(frozen=True, slots=True)
class PushOpened:
    """The app has read a push."""

    tracking_id: str
    kind: PushKind | None  # None: content-free
    call_uuid: str | None
    hunt_pilot_dn: str | None = None  # the number that was called, where it is a hunt's (CALL-20)


@dataclass(frozen=True, slots=True)
class PushRejected:
    """The app did not act on a push."""

    reason: str  # "unreadable", "stale", "duplicate"
    detail: str


class Screen(Enum):
    """Where the owner sees a call (Table A2, OP-19)."""

    CALLKIT = "CallKit, full screen"  # locked: answered or declined without unlocking
    CALLKIT_BANNER = "CallKit, banner"  # unlocked: a notification with the CallKit view
    IN_APP = "in the app"  # iOS 12, Jabber 12.8 and earlier, the custom region after its tap
    FULL_SCREEN = "own full screen"  # Android


@dataclass(frozen=True, slots=True)
class CallShown:
    """The owner is told of a call."""

    call_uuid: str
    caller_name: str
    caller_number: str
    screen: Screen
    video: bool

    @property
    def callkit(self) -> bool:
        """True if it is CallKit that tells."""
        return self.screen in (Screen.CALLKIT, Screen.CALLKIT_BANNER)


@dataclass(frozen=True, slots=True)
class CallerNamed:
    """CallKit showed a call without its caller; the INVITE says who it is."""

    call_uuid: str
    caller_name: str
    caller_number: str


class ViewEnd(Enum):
    """Why the owner is told of a call no more; CallKit's reasons, and the owner's own act."""

    FAILED = "failed"
    REMOTE_ENDED = "remoteEnded"
    UNANSWERED = "unanswered"
    ANSWERED_ELSEWHERE = "answeredElsewhere"
    DECLINED_ELSEWHERE = "declinedElsewhere"
    OWNER = "owner"  # declined or hung up here


@dataclass(frozen=True, slots=True)
class CallHidden:
    """The call is off the screen."""

    call_uuid: str
    reason: ViewEnd


@dataclass(frozen=True, slots=True)
class PhoneRang:
    """The INVITE is here and the phone rings; `call` is its number in the user agent."""

    call_uuid: str
    call: int


@dataclass(frozen=True, slots=True)
class PhoneAnswered:
    """The owner picked up, and the 200 has left."""

    call_uuid: str
    call: int


@dataclass(frozen=True, slots=True)
class NotificationShown:
    """A message on the lock screen or in the notification list."""

    title: str
    text: str
    replaces: bool = False  # it took the place of an older one


@dataclass(frozen=True, slots=True)
class NotificationRemoved:
    """The app takes back what it had noted."""

    title: str
    text: str


@dataclass(frozen=True, slots=True)
class NotificationWithheld:
    """The owner does not allow notifications, so this one is not shown (MODE-17)."""

    text: str


@dataclass(frozen=True, slots=True)
class ActiveNodeUnusable:
    """The push named a node by a transport that the phone does not speak."""

    fqdn: str
    transport: str


Observation: TypeAlias = (
    ModeChanged
    | AppLaunched
    | AppForegrounded
    | AppWoken
    | AppSuspended
    | AppTerminated
    | PushWithheld
    | PushOpened
    | PushRejected
    | CallShown
    | CallerNamed
    | CallHidden
    | PhoneRang
    | PhoneAnswered
    | NotificationShown
    | NotificationRemoved
    | NotificationWithheld
    | ActiveNodeUnusable
)
PhoneAction: TypeAlias = UserAgentAction | SignIn | SignOut | AttachPush | DetachPush | Observation
PhoneOut: TypeAlias = list[PhoneAction]
