"""What the management agent uploads: one batch of alarms as JSON.

    {"format": "callctl-alarms/1", "clusterId": "<UUID>", "batch": 3,
     "sentAt": "2024-07-10T09:30:00.000Z",
     "alarms": [{"id": "9f0c...", "alarm": "AccessTokenInvalid", "severity": "ALERT_ALARM",
                 "component": "Cisco Push Notification Service", "state": "raised",
                 "at": "2024-07-10T09:12:01.250Z", "node": 1, "number": 7, "occurrences": 1,
                 "pii": {"enc": "A256GCM", "kid": "5d41402a", "iv": "...", "ct": "..."}}]}

A node goes by its number in the cluster, because its name is that of a host (TRB-11). What may name
somebody is in `pii`, sealed under the support token; without the option there is no `pii` (TRB-13).
Source: OP-51, OP-52, TRB-10 to TRB-13, ALARM-08.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from callctl.serviceability.alarm import AlarmNotice, state_of
from callctl.serviceability.support_token import SupportToken
from callctl.serviceability.syslog import timestamp
from sipstack.entropy import Entropy

FORMAT: Final = "callctl-alarms/1"
RECORD_FIELDS: Final = frozenset(
    ("id", "alarm", "severity", "component", "state", "at", "node", "number", "occurrences")
)
SEALED_FIELDS: Final = frozenset({"enc", "kid", "iv", "ct"})


@dataclass(frozen=True, slots=True)
class AlarmRecord:
    """One alarm that waits for its upload. A second try has the same id."""

    id: str
    notice: AlarmNotice


def upload_body(
    records: tuple[AlarmRecord, ...],
    *,
    cluster_id: str,
    batch: int,
    sent_at_unix_ns: int,
    unix_ns_at_zero: int,
    node_numbers: dict[str, int],
    token: SupportToken | None,
    entropy: Entropy,
) -> bytes:
    """The body; `token` seals what identifies people, None leaves it out."""
    alarms: list[dict[str, Any]] = []
    for record in records:
        notice = record.notice
        alarm: dict[str, Any] = {
            "id": record.id,
            "alarm": notice.name,
            "severity": notice.severity.alarm_name,
            "component": notice.definition.component,
            "state": state_of(notice),
            "at": timestamp(unix_ns_at_zero + notice.at),
            "node": node_numbers.get(notice.node, 0),
            "number": notice.number,
            "occurrences": notice.occurrences,
        }
        if token is not None:
            # The detail too: it may name a host.
            personal = {
                "node": notice.node,
                "subject": notice.subject,
                "detail": notice.detail,
            }
            alarm["pii"] = token.seal(personal, entropy, bound_to(cluster_id, record.id))
        alarms.append(alarm)
    return msgspec.json.encode(
        {
            "format": FORMAT,
            "clusterId": cluster_id,
            "batch": batch,
            "sentAt": timestamp(sent_at_unix_ns),
            "alarms": alarms,
        }
    )


def personal_data(body: bytes, token: SupportToken) -> dict[str, dict[str, str]]:
    """What support sees of an upload once a customer has handed over the token, by record id.

    Raises: ValueError if the token is not the one that sealed it.
    """
    upload = msgspec.json.decode(body)
    return {
        alarm["id"]: token.open(alarm["pii"], bound_to(upload["clusterId"], alarm["id"]))
        for alarm in upload["alarms"]
        if "pii" in alarm
    }


def bound_to(cluster_id: str, record_id: str) -> str:
    """What a seal is good for."""
    return f"{cluster_id}\n{record_id}"
