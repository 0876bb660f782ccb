"""An emulated service that answers each request by itself, unless a fault is in force."""

from __future__ import annotations

from typing import Final

from callctl.cloud.faults import Fault, FaultPlan, spoiled
from callctl.cloud.http import (
    HeaderList,
    HttpAnswer,
    HttpRequest,
    Ignored,
    RequestReceived,
    SendAnswer,
    json_answer,
)
from callctl.cloud.record import SILENT, PushLog
from sipstack.entropy import Entropy
from sipstack.timing import DeadlineQueue, Instant, Timed

TRACKING_ID_MAX: Final = 128  # characters


class Refusal(Exception):
    """A request that is not granted; becomes `{"error": reason}`."""

    def __init__(self, status: int, reason: str, headers: HeaderList = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = headers


class _Delayed(Timed):
    __slots__ = ("exchange", "fault", "request")

    def __init__(self, exchange: int, request: HttpRequest, fault: Fault) -> None:
        super().__init__()
        self.exchange = exchange
        self.request = request
        self.fault = fault


class JsonService:
    """Faults, delays and log of such a service; a subclass says what it grants."""

    def __init__(self, entropy: Entropy) -> None:
        self.faults = FaultPlan(entropy)
        self.log = PushLog()
        self._delayed: DeadlineQueue[_Delayed] = DeadlineQueue()

    def granted(self, request: HttpRequest, now: Instant) -> tuple[HttpAnswer, tuple[object, ...]]:
        """The answer, and what else has to be done first. Raises: Refusal."""
        raise NotImplementedError

    def receive(self, event: RequestReceived, now: Instant) -> tuple[object, ...]:
        """Take what happened."""
        request = event.request
        fault = self.faults.take("", now)
        if fault.silent:
            self.log.add(request, now, status=SILENT, tracking_id=tracking_id_of(request))
            return (Ignored("silent by fault", request.path),)
        if fault.delay_ns:
            self._delayed.set(
                _Delayed(event.exchange, request, fault), Instant(now + fault.delay_ns)
            )
            return ()
        return self._answer(event.exchange, request, fault, now)

    def advance(self, now: Instant) -> tuple[object, ...]:
        """Answer what a fault has held back until `now`."""
        out: list[object] = []
        for held in self._delayed.due(now):
            out += self._answer(held.exchange, held.request, held.fault, now)
        return tuple(out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self._delayed.next_deadline()

    def _answer(
        self, exchange: int, request: HttpRequest, fault: Fault, now: Instant
    ) -> tuple[object, ...]:
        more: tuple[object, ...] = ()
        reason = ""
        tracking_id = tracking_id_of(request)
        try:
            if fault.status is not None:
                raise Refusal(fault.status, fault.reason, _retry_after(fault))
            answer, more = self.granted(request, now)
        except Refusal as refusal:
            reason = refusal.reason
            fields = {"error": reason} if reason else {}
            answer = json_answer(refusal.status, fields, refusal.headers)
        if tracking_id is not None:
            echoed = (*answer.headers, ("trackingid", tracking_id))
            answer = HttpAnswer(answer.status, echoed, answer.body)
        self.log.add(request, now, status=answer.status, reason=reason, tracking_id=tracking_id)
        return (*more, SendAnswer(exchange, spoiled(answer, fault)))


def tracking_id_of(request: HttpRequest) -> str | None:
    """The header of OP-11, None if there is none."""
    return (request.header("trackingid") or "")[:TRACKING_ID_MAX] or None


def _retry_after(fault: Fault) -> HeaderList:
    return () if fault.retry_after_s is None else (("retry-after", str(fault.retry_after_s)),)
