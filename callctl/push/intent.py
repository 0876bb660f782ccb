"""What the engine asks the push service of its node for."""

from __future__ import annotations

from dataclasses import dataclass, field

from callctl.push.content import CallContent
from callctl.push.kind import PushKind
from callctl.registration.push_binding import PushBinding
from sipstack.timing import Instant


@dataclass(frozen=True, slots=True)
class PushIntent:
    """Wake `device_name`, or tell it how a call went."""

    intent_id: str  # comes back in the outcome
    device_name: str
    kind: PushKind
    call_uuid: str
    binding: PushBinding
    content: CallContent = field(repr=False)  # names and numbers stay out of traces
    deadline: Instant  # nothing is posted at or after it (I5)
