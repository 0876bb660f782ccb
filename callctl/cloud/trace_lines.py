"""What the emulated clouds write into their traces: one line for each push they got.

Source: PUSH-06, TRB-22, OP-69.
"""

from __future__ import annotations

from callctl.cloud.record import SILENT, PushRecord
from callctl.serviceability.tracing import CLOUD, Source, TraceLevel, TraceRecord, shortened


def cloud_got(source: Source, record: PushRecord) -> TraceRecord:
    """A service got a push and answered it, or kept silent by a fault."""
    answered = "no answer" if record.status == SILENT else f"answered {record.status}"
    reason = f" {record.reason}" if record.reason else ""
    target = f", device token {shortened(record.target)}" if record.target else ""
    level = TraceLevel.INFO if record.status == 200 else TraceLevel.WARN
    text = f"{answered}{reason}, {record.size} octets{target}"
    return TraceRecord(source, CLOUD, record.at, level, text, record.tracking_id or "")
