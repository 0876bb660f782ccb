"""The clouds behind the push services: Push REST, APNs, FCM, and CI that gives tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callctl.testing.fact import SECOND_NS
from callctl.testing.recording import CLOUD
from callctl.testing.word import word

if TYPE_CHECKING:
    from callctl.testing.play import Play
    from callctl.testing.stage import CloudName, Stage, Trouble

REASONS: Final[dict[CloudName, dict[int, str]]] = {
    "push_rest": {400: "BadRequest", 410: "TargetExpired", 429: "TooManyRequests", 503: "Busy"},
    "apns": {400: "BadDeviceToken", 410: "Unregistered", 429: "TooManyRequests"},
    "fcm": {404: "UNREGISTERED", 429: "QUOTA_EXCEEDED", 503: "UNAVAILABLE"},
    "ci": {400: "invalid_grant", 401: "invalid_client"},
}
"""What the real ones say with a status; the reason can be given, too."""


class CloudService:
    """One of the clouds."""

    def __init__(self, play: Play, name: CloudName, label: str) -> None:
        self._play = play
        self._name: CloudName = name
        self._label = label

    def __str__(self) -> str:
        return f"cloud.{self._name}"

    @word
    async def answers(
        self,
        status: int,
        *,
        reason: str = "",
        retry_after: int | None = None,
        times: int | None = None,
    ) -> None:
        """From now on it answers every request with this status, or only so many `times`.

        `retry_after`: seconds of its Retry-After header.
        """
        stage = await self._told(f"answers {status}")
        reason = reason or REASONS[self._name].get(status, "")
        stage.cloud.answer(self._name, status, reason, retry_after, times)

    @word
    async def is_silent(self, *, times: int | None = None) -> None:
        """From now on it takes requests and never answers."""
        stage = await self._told("falls silent")
        stage.cloud.be_silent(self._name, times)

    @word
    async def recovers(self) -> None:
        """From now on it is well."""
        stage = await self._told("recovers")
        stage.cloud.recover(self._name)

    async def _told(self, what: str) -> Stage:
        stage = await self._play.begun()
        stage.note(CLOUD, f"{self._label} {what}")
        return stage


class ReachedService(CloudService):
    """A cloud that the nodes connect to themselves."""

    @word
    async def is_unreachable(self, trouble: Trouble = "refused") -> None:
        """From now on no new connection gets there."""
        stage = await self._told(f"cannot be reached: {trouble}")
        stage.cloud.be_unreachable(self._name, trouble)


class PushRest(ReachedService):
    """Cisco's cloud that takes pushes from the nodes."""

    @word
    async def delays_pushes(self, seconds: float) -> None:
        """From now on it passes pushes on so late, and answers as late."""
        stage = await self._told(f"delays pushes by {seconds:g} s")
        stage.cloud.delay(self._name, round(seconds * SECOND_NS))


class Ci(ReachedService):
    """Common Identity: gives the nodes their access tokens."""

    @word
    async def revokes_tokens(self) -> None:
        """No token that was given out so far is good any more: Push REST answers 401."""
        stage = await self._told("revokes every token")
        stage.cloud.revoke_tokens()

    @word
    async def suspends_account(self) -> None:
        """The machine account may not push any more: Push REST answers 403."""
        stage = await self._told("suspends the machine account")
        stage.cloud.suspend_account(True)


class PartnerCloud(CloudService):
    """APNs or FCM: takes pushes to the phones."""

    @word
    async def loses_pushes(self, *, times: int | None = None) -> None:
        """From now on it takes pushes with 200, and never delivers them."""
        stage = await self._told("loses pushes")
        stage.cloud.lose(self._name, times)

    @word
    async def delays_pushes(self, seconds: float) -> None:
        """From now on it delivers so late."""
        stage = await self._told(f"delays pushes by {seconds:g} s")
        stage.cloud.delay(self._name, round(seconds * SECOND_NS))

    @word
    async def doubles_pushes(self) -> None:
        """From now on it delivers every push twice."""
        stage = await self._told("doubles pushes")
        stage.cloud.double(self._name)


class Cloud:
    """All of them."""

    def __init__(self, play: Play) -> None:
        self._play = play
        self.push_rest = PushRest(play, "push_rest", "Push REST")
        self.apns = PartnerCloud(play, "apns", "APNs")
        self.fcm = PartnerCloud(play, "fcm", "FCM")
        self.ci = Ci(play, "ci", "CI")

    def __str__(self) -> str:
        return "cloud"

    @word
    async def recovers(self) -> None:
        """From now on all is well."""
        for service in (self.push_rest, self.apns, self.fcm, self.ci):
            await service.recovers()
