"""The command line of a node: one line of text in, one command out, or what would have been right.

Source: TRB-03 to TRB-06, TRB-19, TRB-21, Table M, OP-53, OP-58. Of SQL it knows the three
statements of the token repair, and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from callctl.model.user import Secret
from callctl.serviceability.management_agent import FREQUENCY_LEAST_MIN, FREQUENCY_MOST_MIN
from callctl.serviceability.service_event import Wish
from callctl.serviceability.services import NetworkService, UnknownService, service_named
from callctl.serviceability.severity import UploadLevel

LINE_MAX: Final = 8_192  # characters
TOKEN_MAX: Final = 4_096
PROMPT: Final = "admin:"
GIVEN_APART: Final = "-"
"""In place of a refresh token: it comes beside the line, so that no process argument holds it."""

TABLE: Final = "machineaccountdetails"
USAGE: Final = {
    "pushfrequency": "utils managementAgent alarms pushfrequency <minutes>",
    "minpushlevel": "utils managementAgent alarms minpushlevel <alarm_level>",
    "pushnow": "utils managementAgent alarms pushnow",
    "list": "utils service list",
    "service": "utils service {start|stop|restart} <service name>",
    "select": f"run sql select {{*|refreshtoken}} from {TABLE}",
    "update": f"run sql update {TABLE} set refreshtoken='<token>' [where pkid='<pkid>']",
    "connectivity": "utils network connectivity [<cloud host>]",
    "help": "help",
    "exit": "exit",
}


@dataclass(frozen=True, slots=True)
class PushFrequency:
    """The interval of alarm upload; None asks for it. On the publisher only."""

    minutes: int | None


@dataclass(frozen=True, slots=True)
class MinPushLevel:
    """The lowest severity that is uploaded; None asks for it. On the publisher only."""

    level: UploadLevel | None


@dataclass(frozen=True, slots=True)
class PushNow:
    """Upload at once. On the publisher only."""


@dataclass(frozen=True, slots=True)
class ListServices:
    """The services of the node and their states."""


@dataclass(frozen=True, slots=True)
class WorkService:
    """Start, stop or restart a service of the node."""

    wish: Wish
    service: NetworkService


@dataclass(frozen=True, slots=True)
class SelectAccount:
    """Rows of the machine account as this node holds them."""

    only_token: bool
    pkid: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateToken:
    """A new refresh token; `token` None: it comes beside the line."""

    token: Secret | None
    pkid: str | None


@dataclass(frozen=True, slots=True)
class Connectivity:
    """Try the cloud hosts from this node, or one of them."""

    host: str | None


@dataclass(frozen=True, slots=True)
class Help:
    """What there is."""


@dataclass(frozen=True, slots=True)
class Exit:
    """Leave the prompt."""


Command: TypeAlias = (
    PushFrequency
    | MinPushLevel
    | PushNow
    | ListServices
    | WorkService
    | SelectAccount
    | UpdateToken
    | Connectivity
    | Help
    | Exit
)
ON_PUBLISHER: Final = (PushFrequency, MinPushLevel, PushNow, UpdateToken)
"""What a subscriber answers with "run on the publisher"."""


class UsageError(ValueError):
    """A line that cannot be meant like this. The text is the answer; it repeats no secret."""


# A value is quoted, a quote in it doubled, or it is one word of characters that need no quotes.
_VALUE: Final = r"(?:'((?:[^']|'')*)'|\"([^\"]*)\"|([^\s'\";]+))"
_UPDATE: Final = re.compile(
    rf"update\s+{TABLE}\s+set\s+refreshtoken\s*=\s*{_VALUE}(?:\s+where\s+pkid\s*=\s*{_VALUE})?\s*;?",
    re.IGNORECASE,
)
_SELECT: Final = re.compile(
    rf"select\s+(\*|refreshtoken)\s+from\s+{TABLE}(?:\s+where\s+pkid\s*=\s*{_VALUE})?\s*;?",
    re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"\d{1,9}", re.ASCII)
_PKID: Final = re.compile(r"[0-9A-Fa-f-]{1,64}")
_HOST: Final = re.compile(r"[0-9A-Za-z_.:-]{1,253}", re.ASCII)
_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)


def parse_command(line: str) -> Command:
    """The command of a line. Upper and lower case, and the number of blanks, do not count.

    Raises: UsageError.
    """
    if len(line) > LINE_MAX:
        raise UsageError(f"line is longer than {LINE_MAX} characters")
    if any(not c.isprintable() and c not in "\t\r\n" for c in line):
        raise UsageError("line holds a control character")
    words = line.split()
    match [word.lower() for word in words[:3]]:
        case ["utils", "managementagent", "alarms"]:
            return _alarms(words[3:])
        case ["utils", "service", _]:
            return _service(words[2].lower(), words[3:])
        case ["utils", "network", "connectivity"]:
            return _connectivity(words[3:])
        case ["run", "sql", _]:
            return _sql(line.strip())
        case ["help"] | ["?"]:
            return Help()
        case ["exit"] | ["quit"]:
            return Exit()
    raise UsageError("no such command; help lists those that there are")


def checked_token(text: str) -> Secret:
    """A refresh token as somebody gave it, without the blanks around it.

    Raises: UsageError, whose text does not repeat it.
    """
    token = text.strip()
    if not token:
        raise UsageError("the refresh token is empty")
    if len(token) > TOKEN_MAX:
        raise UsageError(f"the refresh token is longer than {TOKEN_MAX} characters")
    if _TOKEN.fullmatch(token) is None:
        raise UsageError("the refresh token holds blanks or characters that no token has")
    if token.startswith("<") and token.endswith(">"):
        raise UsageError("put the token itself in place of the text in angle brackets")
    return Secret(token)


def help_text() -> str:
    """Every command, one on a line."""
    return "\n".join(USAGE.values())


def _alarms(words: list[str]) -> Command:
    name = words[0].lower() if words else ""
    match name, words[1:]:
        case "pushfrequency", []:
            return PushFrequency(None)
        case "pushfrequency", [minutes]:
            return PushFrequency(_minutes(minutes))
        case "minpushlevel" | "pushlevel", []:
            return MinPushLevel(None)
        case "minpushlevel" | "pushlevel", [level]:
            try:
                return MinPushLevel(UploadLevel.parse(level))
            except ValueError as error:
                raise _usage("minpushlevel", str(error)) from error
        case "pushnow", []:
            return PushNow()
        case (("pushfrequency" | "pushnow"), _):
            raise _usage(name, "too many values")
        case (("minpushlevel" | "pushlevel"), _):
            raise _usage("minpushlevel", "too many values")
    raise UsageError("usage: " + "\n       ".join(list(USAGE.values())[:3]))


def _minutes(text: str) -> int:
    if _NUMBER.fullmatch(text) is None and _NUMBER.fullmatch(text.removeprefix("-")) is None:
        raise _usage("pushfrequency", f"{text[:20]!r} is not a whole number")
    minutes = int(text)
    if not FREQUENCY_LEAST_MIN <= minutes <= FREQUENCY_MOST_MIN:
        reason = f"value must be between {FREQUENCY_LEAST_MIN} and {FREQUENCY_MOST_MIN}"
        raise _usage("pushfrequency", reason)
    return minutes


def _service(verb: str, words: list[str]) -> Command:
    if verb == "list":
        if words:
            raise _usage("list", "too many values")
        return ListServices()
    try:
        wish = Wish(verb)
    except ValueError:
        raise _usage("service", f"{verb[:20]!r} is nothing that services do") from None
    if not words:
        raise _usage("service", "name the service")
    try:
        return WorkService(wish, service_named(" ".join(words)[:100]))
    except UnknownService as error:
        raise _usage("service", str(error.args[0])) from error


def _connectivity(words: list[str]) -> Connectivity:
    match words:
        case []:
            return Connectivity(None)
        case [host] if _HOST.fullmatch(host):
            return Connectivity(host.lower())
    raise _usage("connectivity", "that is not one host name")


def _sql(line: str) -> Command:
    statement = _after_run_sql(line)
    if (match := _SELECT.fullmatch(statement)) is not None:
        columns, *pkid = match.groups()
        return SelectAccount(columns != "*", _checked_pkid(_value(tuple(pkid)), "select"))
    if (match := _UPDATE.fullmatch(statement)) is not None:
        token, pkid_text = _value(match.groups()[:3]), _value(match.groups()[3:])
        pkid_found = _checked_pkid(pkid_text, "update")
        if token == GIVEN_APART:
            return UpdateToken(None, pkid_found)
        return UpdateToken(checked_token(token or ""), pkid_found)
    name = "update" if statement[:6].lower() == "update" else "select"
    raise _usage(name, "not one of the statements that there are")


def _after_run_sql(line: str) -> str:
    parts = line.split(None, 2)
    return parts[2] if len(parts) == 3 else ""


def _value(groups: tuple[str | None, ...]) -> str | None:
    single, double, bare = groups
    return single.replace("''", "'") if single is not None else double if bare is None else bare


def _checked_pkid(text: str | None, usage: str) -> str | None:
    if text is not None and _PKID.fullmatch(text) is None:
        raise _usage(usage, "the pkid is not the key of a row")
    return text


def _usage(name: str, reason: str) -> UsageError:
    return UsageError(f"{reason}\nusage: {USAGE[name]}")
