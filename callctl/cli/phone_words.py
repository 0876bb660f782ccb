"""What happens to a simulated phone, in words."""

from __future__ import annotations

from callctl.phone.event import (
    CallAnswered,
    CallEnded,
    CallRinging,
    IncomingCall,
    MessageReceived,
    Registered,
    RegistrarFailed,
    RegistrationFailed,
    RegistrationLost,
    Unregistered,
)
from callctl.phone.phone_event import (
    ActiveNodeUnusable,
    AppForegrounded,
    AppLaunched,
    AppSuspended,
    AppTerminated,
    AppWoken,
    CallerNamed,
    CallHidden,
    CallShown,
    NotificationRemoved,
    NotificationShown,
    NotificationWithheld,
    PhoneRang,
    PushArrived,
    PushOpened,
    PushRejected,
    PushWithheld,
    SignIn,
    SignInFailed,
    SignOut,
)


def words(event: object) -> str | None:
    """One line about an event of a phone or a user agent; None if it is not worth one."""
    return _of_registration(event) or _of_call(event) or _of_system(event)


def _of_registration(event: object) -> str | None:
    match event:
        case SignIn():
            return "signs in"
        case SignOut():
            return "signs out"
        case SignInFailed(reason):
            return f"sign-in failed: {reason}"
        case Registered(registrar, flow, expires_s, refresh=False):
            where = registrar.fqdn or registrar.host
            return f"registered at {where}:{registrar.port} over {flow.transport}, {expires_s} s"
        case RegistrarFailed(registrar, status, cause):
            return f"{registrar.fqdn or registrar.host}:{registrar.port} does not: {status} {cause}"
        case RegistrationFailed(status, cause):
            return f"registration failed: {status} {cause}"
        case RegistrationLost(cause):
            return f"registration lost: {cause}"
        case Unregistered():
            return "unregistered"
    return None


def _of_call(event: object) -> str | None:
    match event:
        case IncomingCall(caller_name=name, caller_number=number):
            return f"INVITE from {name} {number}".replace("  ", " ")
        case CallShown(caller_name=name, caller_number=number, screen=screen):
            return f"shows a call from {name or number}: {screen.value}"
        case CallerNamed(caller_name=name, caller_number=number):
            return f"the call is from {name or number}"
        case CallHidden(reason=reason):
            return f"the call is off the screen: {reason.value}"
        case PhoneRang():
            return "rings"
        case CallRinging(status=status):
            return f"{status} for the call"
        case CallAnswered():
            return "answered"
        case CallEnded(cause=cause, status=status):
            return f"call ended: {cause.value}" + (f" {status}" if status else "")
        case MessageReceived(sender=sender):
            return f"message from {sender}"
    return None


def _of_system(event: object) -> str | None:
    match event:
        case PushArrived(push_type=push_type):
            return f"{push_type} push arrived"
        case PushOpened(kind=kind):
            return f"push opened: {kind.value if kind else 'no content'}"
        case PushRejected(reason, detail):
            return f"push not acted on: {reason} {detail}"
        case PushWithheld():
            return "push withheld by the system"
        case AppLaunched(by_push):
            return "app started" + (" by a push" if by_push else "")
        case AppForegrounded():
            return "app on the screen"
        case AppWoken():
            return "app woken by a push"
        case AppSuspended():
            return "app suspended, its connections are gone"
        case AppTerminated(cause):
            return f"app ended: {cause}"
        case NotificationShown(title, text):
            return f"notification: {title}: {text}"
        case NotificationRemoved(title, text):
            return f"notification removed: {title}: {text}"
        case NotificationWithheld(text):
            return f"notification not allowed: {text}"
        case ActiveNodeUnusable(fqdn, transport):
            return f"the push named {fqdn} over {transport}, which this phone does not speak"
    return None
