"""What `callctl phone` does once its command line is understood."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from json import dumps
from typing import TYPE_CHECKING, Any, Final

import anyio

from callctl.cli.client import AdminClient, Where
from callctl.cli.errors import Usage
from callctl.cli.output import print_line
from callctl.cli.phone_words import words
from callctl.cloud.partner import Partner
from callctl.io.agent_shell import AgentShell
from callctl.io.host import ended_by_signal
from callctl.io.phone_setup import (
    Manner,
    NoSuchPhone,
    PhoneAddress,
    PhoneSetup,
    agent_settings,
    phone_settings,
)
from callctl.io.phone_shell import PhoneShell, PhoneWorld
from callctl.io.sign_in_client import SignInClient
from callctl.phone.event import CallAnswered, CallEnded, Registered, RegistrationFailed
from callctl.phone.phone_event import SignInFailed
from callctl.phone.sdp_offer import audio_peer
from callctl.phone.settings import AnswerPlan, UserAgentSettings
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.timing import MS, SECOND, Instant

if TYPE_CHECKING:
    from callctl.io.rtp_tone import ToneSession

LAST_WORDS_S: Final = 0.5  # for the answer to the BYE that ended the last call


@dataclass(frozen=True, slots=True)
class PhonePlan:
    """The command line."""

    device: str
    password: str = field(repr=False)
    transport: str | None
    sleep: bool
    wake_delay_s: float
    answer_after_s: float | None
    answer_status: int
    hang_up_after_s: float | None
    tone: bool
    call: str | None
    calls: int | None
    registrar: str | None
    user: str | None
    domain: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """Where the phone belongs, and whom it trusts."""

    setup: PhoneSetup
    tls: ssl.SSLContext | None = None
    sign_in_url: str | None = None
    attach_urls: dict[Partner, str] = field(default_factory=dict)


async def run_phone(plan: PhonePlan, where: Where) -> int:
    """Be the phone. Returns: the exit code."""
    facts = _explicit_facts(plan) if plan.registrar else _cluster_facts(plan, where)
    mobile = facts.setup.mobile
    transport = plan.transport or ("TLS" if mobile else "UDP")
    one = PhoneAtWork(plan, as_json=where.json)
    try:
        if mobile:
            return await one.be_mobile(facts, transport)
        return await one.be_awake(facts, transport)
    except NoSuchPhone as error:
        raise Usage(str(error)) from error


class PhoneAtWork:
    """One phone, from its start to Ctrl-C or its last call."""

    def __init__(self, plan: PhonePlan, *, as_json: bool) -> None:
        self._plan = plan
        self._json = as_json
        self._clock = MonotonicClock()
        self._entropy = OsEntropy()
        self._registered = anyio.Event()
        self._done = anyio.Event()
        self._ended = 0
        self._failed = False
        self._tone: ToneSession | None = None
        after_s, until_bye_s = plan.answer_after_s, plan.hang_up_after_s
        self._answer = AnswerPlan(
            after_ns=None if after_s is None else round(after_s * SECOND),
            status=plan.answer_status,
            hang_up_after_ns=None if until_bye_s is None else round(until_bye_s * SECOND),
        )

    async def be_mobile(self, facts: Facts, transport: str) -> int:
        """A phone that sleeps and is woken."""
        plan = self._plan
        manner = Manner(self._answer, round(plan.wake_delay_s * SECOND), grace_ns=SECOND)
        epoch_ms = self._clock.unix_ns(Instant(0)) // MS
        settings = phone_settings(facts.setup, plan.password, transport, manner, epoch_ms)
        settings = replace(settings, agent=await self._with_tone(settings.agent))
        sign_in = None
        if facts.sign_in_url is not None and facts.tls is not None:
            sign_in = SignInClient(facts.sign_in_url, facts.tls)
        urls = facts.attach_urls or None
        world = PhoneWorld(self._clock, self._entropy, facts.tls, sign_in, urls)
        shell = PhoneShell(settings, world, self._hear)
        try:
            async with anyio.create_task_group() as tasks:
                await tasks.start(shell.run)
                shell.start()
                await self._live(
                    lambda to: shell.call(to, hang_up_after_ns=self._hang_up_ns()), shell.suspend
                )
                shell.close()
        finally:
            if sign_in is not None:
                with anyio.CancelScope(shield=True):
                    await sign_in.aclose()
        return self._exit_code()

    async def be_awake(self, facts: Facts, transport: str) -> int:
        """A phone that never sleeps."""
        if self._plan.sleep:
            raise Usage(f"{facts.setup.device} is no mobile: only mobiles sleep")
        settings = await self._with_tone(
            agent_settings(facts.setup, self._plan.password, transport, self._answer)
        )
        shell = AgentShell(settings, self._clock, self._entropy, self._hear, client_tls=facts.tls)
        async with anyio.create_task_group() as tasks:
            await tasks.start(shell.run)
            shell.register()
            await self._live(
                lambda to: shell.invite(to, hang_up_after_ns=self._hang_up_ns()), lambda: None
            )
            shell.unregister()
            await anyio.sleep(LAST_WORDS_S)
            shell.close()
        return self._exit_code()

    async def _with_tone(self, settings: UserAgentSettings) -> UserAgentSettings:
        """With a port for RTP, if a tone is wanted. Raises: Usage without the extra."""
        if not self._plan.tone:
            return settings
        try:
            from callctl.io.rtp_tone import open_tone
        except ImportError as error:
            raise Usage("--tone needs the extra media: pip install 'callctl[media]'") from error
        self._tone = await open_tone(settings.local_host, self._entropy)
        return replace(settings, media_host=self._tone.host, media_port=self._tone.port)

    def _hear_tone(self, now: Instant, tone: ToneSession, event: object) -> None:
        match event:
            case CallAnswered(_, remote_sdp):
                peer = audio_peer(remote_sdp)
                if peer is not None:
                    tone.start(peer)
            case CallEnded():
                tone.stop()
                heard = tone.report()
                text = f"RTP: {heard.sent} sent, {heard.received} received, {heard.lost} lost"
                self._say(now, "ToneReport", text)

    async def _live(self, call: Callable[[str], object], suspend: Callable[[], None]) -> None:
        async with ended_by_signal():
            await self._registered.wait()
            if self._plan.sleep:
                suspend()
            if self._plan.call is not None:
                call(self._plan.call)
            await self._done.wait()
            await anyio.sleep(LAST_WORDS_S)

    def _hear(self, now: Instant, event: object) -> None:
        said = words(event)
        if said is not None:
            self._say(now, type(event).__name__, said)
        if self._tone is not None:
            self._hear_tone(now, self._tone, event)
        match event:
            case Registered():
                self._registered.set()
            case RegistrationFailed() | SignInFailed() if not self._registered.is_set():
                self._failed = True
                self._registered.set()
                self._done.set()
            case CallEnded():
                self._ended += 1
                if self._plan.calls is not None and self._ended >= self._plan.calls:
                    self._done.set()

    def _say(self, now: Instant, kind: str, text: str) -> None:
        wall = self._clock.wall(now).astimezone()
        if self._json:
            print(dumps({"at": wall.isoformat(), "event": kind, "text": text}), flush=True)
        else:
            print_line((f"{wall:%H:%M:%S}.{wall.microsecond // 1000:03d}  ", "dim"), text)

    def _hang_up_ns(self) -> int | None:
        return self._answer.hang_up_after_ns

    def _exit_code(self) -> int:
        if self._tone is not None:
            self._tone.close()
        return 1 if self._failed or not self._registered.is_set() else 0


def _cluster_facts(plan: PhonePlan, where: Where) -> Facts:
    """From the admin API of a running cluster. Raises: Unreachable, Refused."""
    found: dict[str, Any] = AdminClient(where).get("devices", plan.device, "setup")
    setup = dict(found["setup"])
    setup["nodes"] = tuple(PhoneAddress(**node) for node in setup["nodes"])
    urls = {Partner(name): url for name, url in found["attach_urls"].items()}
    tls = ssl.create_default_context(cadata=found["ca_pem"])
    return Facts(PhoneSetup(**setup), tls, found["sign_in_url"], urls)


def _explicit_facts(plan: PhonePlan) -> Facts:
    """From the command line: a phone of some other registrar. Raises: Usage."""
    host, _, port = (plan.registrar or "").rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit():
        raise Usage(f"--registrar {plan.registrar}: HOST:PORT with a numeric host is expected")
    nodes = tuple(PhoneAddress(transport, host, int(port)) for transport in ("UDP", "TCP", "TLS"))
    setup = PhoneSetup(
        device=plan.device,
        user_id=plan.user or plan.device,
        dn=plan.device,
        domain=plan.domain or host,
        nodes=nodes,
    )
    return Facts(setup, ssl.create_default_context())
