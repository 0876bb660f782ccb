"""An emulated upload endpoint for troubleshooting information: `POST /alarms/v1/uploads`.

Who uploads shows an access token of CI; the first upload under it makes the cluster id known, and a
known cluster id is good enough from then on. A body with a field that could name somebody in clear
is refused whole, before anything of it is kept.

Source: OP-51, OP-52, TRB-08 to TRB-13, ALARM-08.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from callctl.cloud.access import AccessTable, Standing, bearer
from callctl.cloud.http import HttpAnswer, HttpRequest, json_answer
from callctl.cloud.json_service import JsonService, Refusal
from callctl.serviceability.alarm_catalogue import CATALOGUE
from callctl.serviceability.alarm_upload import FORMAT, RECORD_FIELDS, SEALED_FIELDS
from sipstack.entropy import Entropy
from sipstack.timing import Instant

UPLOAD_PATH: Final = "/alarms/v1/uploads"
BODY_MAX: Final = 1_048_576  # octets
KEPT_MAX: Final = 200  # uploads
CLUSTERS_MAX: Final = 10_000  # known by their first upload; the oldest is forgotten
ALARMS_MAX: Final = 1_000  # of one upload

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})+")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{1,32}")
_STATES: Final = frozenset({"raised", "repeated", "cleared"})
_UPLOAD_FIELDS: Final = frozenset({"format", "clusterId", "batch", "sentAt", "alarms"})


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload that was taken."""

    at: Instant
    cluster_id: str
    batch: int
    alarms: tuple[dict[str, Any], ...] = field(repr=False)


class AlarmIntake(JsonService):
    """Takes uploads and keeps the newest; `access` knows the tokens of machine accounts."""

    def __init__(self, access: AccessTable, entropy: Entropy) -> None:
        super().__init__(entropy)
        self.repeated = 0
        """Alarms that came a second time, in an upload whose answer was lost; not kept twice."""
        self._access = access
        self._clusters: dict[str, None] = {}
        self._uploads: deque[Upload] = deque(maxlen=KEPT_MAX)

    @property
    def uploads(self) -> tuple[Upload, ...]:
        """What was taken, oldest first."""
        return tuple(self._uploads)

    def alarms(self) -> Iterator[dict[str, Any]]:
        """All alarms that were taken, oldest first."""
        for upload in self._uploads:
            yield from upload.alarms

    def know(self, cluster_id: str) -> None:
        """Take uploads of this cluster without an access token."""
        self._clusters.pop(cluster_id, None)
        if len(self._clusters) >= CLUSTERS_MAX:
            del self._clusters[next(iter(self._clusters))]
        self._clusters[cluster_id] = None

    def granted(self, request: HttpRequest, now: Instant) -> tuple[HttpAnswer, tuple[object, ...]]:
        """The answer to an upload. Raises: Refusal, in words that repeat nothing of the upload."""
        if request.path != UPLOAD_PATH:
            raise Refusal(404, "NotFound")
        if request.method != "POST":
            raise Refusal(405, "MethodNotAllowed")
        access_token = bearer(request)
        if access_token and self._access.standing(access_token, now) is not Standing.GOOD:
            raise Refusal(401, "InvalidAccessToken", (("www-authenticate", "Bearer"),))
        upload = _read(request, now)
        if access_token:
            self.know(upload.cluster_id)
        elif upload.cluster_id not in self._clusters:
            raise Refusal(401, "UnknownCluster", (("www-authenticate", "Bearer"),))
        self._keep(upload)
        return json_answer(200, {"taken": len(upload.alarms)}), ()

    def _keep(self, upload: Upload) -> None:
        # An answer may be lost on its way, and the same alarms come again in the next upload.
        known = {
            alarm["id"]
            for kept in self._uploads
            if kept.cluster_id == upload.cluster_id
            for alarm in kept.alarms
        }
        fresh = tuple(alarm for alarm in upload.alarms if alarm["id"] not in known)
        self.repeated += len(upload.alarms) - len(fresh)
        self._uploads.append(Upload(upload.at, upload.cluster_id, upload.batch, fresh))


def _read(request: HttpRequest, now: Instant) -> Upload:
    """Raises: Refusal; its reason repeats nothing of the body, which may be personal."""
    if len(request.body) > BODY_MAX:
        raise Refusal(413, "PayloadTooLarge")
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refusal(400, "Malformed") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise Refusal(400, "UnknownFormat")
    if not body.keys() <= _UPLOAD_FIELDS:
        raise Refusal(400, "ClearPersonalData")
    cluster_id, batch, alarms = body.get("clusterId"), body.get("batch"), body.get("alarms")
    if not (
        isinstance(cluster_id, str)
        and _UUID.fullmatch(cluster_id)
        and type(batch) is int
        and _matches(_TIME, body.get("sentAt"))
        and isinstance(alarms, list)
        and 0 < len(alarms) <= ALARMS_MAX
    ):
        raise Refusal(400, "Malformed")
    for alarm in alarms:
        _check(alarm)
    return Upload(now, cluster_id, batch, tuple(alarms))


def _check(alarm: object) -> None:
    """Every value has a form in which no name, host or number fits. Raises: Refusal."""
    if not isinstance(alarm, dict):
        raise Refusal(400, "Malformed")
    if not alarm.keys() <= RECORD_FIELDS | {"pii"}:
        raise Refusal(400, "ClearPersonalData")
    if "pii" in alarm and not _is_sealed(alarm["pii"]):
        raise Refusal(400, "ClearPersonalData")
    known = CATALOGUE.get(str(alarm.get("alarm")))
    if (
        known is None
        or alarm.get("severity") != known.severity.alarm_name
        or alarm.get("component") != known.component
        or alarm.get("state") not in _STATES
        or not _matches(_ID, alarm.get("id"))
        or not _matches(_TIME, alarm.get("at"))
        or any(type(alarm.get(name)) is not int for name in ("node", "number", "occurrences"))
    ):
        raise Refusal(400, "Malformed")


def _is_sealed(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != SEALED_FIELDS:
        return False
    hexadecimal = all(_matches(_HEX, value[name]) for name in ("kid", "iv", "ct"))
    return value["enc"] == "A256GCM" and hexadecimal and not _says_something(value["ct"])


def _says_something(ct: str) -> bool:
    """A seal looks like chance; text in hexadecimal does not."""
    try:
        return bytes.fromhex(ct).decode().isprintable()
    except UnicodeDecodeError:
        return False


def _matches(form: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and form.fullmatch(value) is not None
