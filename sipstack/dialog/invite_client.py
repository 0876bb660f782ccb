"""The calling end of one INVITE: the dialogs its responses make, and an ACK for every 2xx.

RFC 3261 §13.2. A forked INVITE may make several dialogs, and several may be confirmed. Which one to
keep is the caller's choice; each that is confirmed has to be acknowledged, again and again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from sipstack.dialog.dialog import Dialog, DialogState
from sipstack.message.message import Request, Response


@dataclass(frozen=True, slots=True)
class Progress:
    """A provisional response; `dialog` is None for a 100 and for one without To tag."""

    response: Response
    dialog: Dialog | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The first 2xx of this dialog. It waits for `acknowledge`, which is due at once."""

    response: Response
    dialog: Dialog


@dataclass(frozen=True, slots=True)
class AckLost:
    """A 2xx came again: send the same ACK again. None if there has been no ACK yet."""

    ack: Request | None
    dialog: Dialog


@dataclass(frozen=True, slots=True)
class Refused:
    """The final failure. No dialog is early any more; one that was confirmed lives on."""

    response: Response


InviteOutcome: TypeAlias = Progress | Answered | AckLost | Refused


class InviteClientUsage:
    """What a caller makes of the responses to its INVITE; `acknowledge` and `give_up` are commands.

    For a re-INVITE hand in its dialog: its responses then refresh this one.
    """

    __slots__ = ("_acks", "dialogs", "request")

    def __init__(self, request: Request, dialog: Dialog | None = None) -> None:
        self.request = request
        self.dialogs: dict[str, Dialog] = {}  # by remote tag, in the order they came up
        if dialog is not None:
            self.dialogs[dialog.id.remote_tag] = dialog
        self._acks: dict[str, Request | None] = {}  # of each 2xx, by remote tag; None while due

    def receive(self, response: Response) -> InviteOutcome:
        """A response the INVITE's client transaction let through.

        Raises: SipSyntaxError if its Contact cannot be read.
        """
        status, tag = response.status, response.to_tag or ""
        if status >= 300:
            self.give_up()
            return Refused(response)
        dialog = self.dialogs.get(tag)
        if status < 200:
            if status == 100 or not tag:
                return Progress(response, None)
            if dialog is None:
                self.dialogs[tag] = dialog = Dialog.of_client(self.request, response)
            else:
                dialog.receive_response(response)
            return Progress(response, dialog)
        if dialog is not None and tag in self._acks:
            return AckLost(self._acks[tag], dialog)
        if dialog is None or dialog.state is DialogState.TERMINATED:
            # An early dialog given up before its 2xx comes back to life: it is to be ended by BYE.
            self.dialogs[tag] = dialog = Dialog.of_client(self.request, response)
        else:
            dialog.receive_response(response)
        self._acks[tag] = None
        return Answered(response, dialog)

    def acknowledge(
        self,
        dialog: Dialog,
        via: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
    ) -> Request:
        """The ACK of a dialog's 2xx: send it without a transaction, and again at each `AckLost`."""
        ack = dialog.ack(self.request.cseq.number, via, headers=headers, body=body)
        self._acks[dialog.id.remote_tag] = ack
        return ack

    def give_up(self) -> None:
        """No response will come any more: what is early ends (RFC 3261 §12.3)."""
        for dialog in self.dialogs.values():
            if dialog.state is DialogState.EARLY:
                dialog.terminate()
