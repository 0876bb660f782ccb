"""`callctl phone`: one simulated phone over sockets, against any cluster."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from callctl.cli.client import HERE, Where


def phone(
    device: str,
    /,
    *,
    password: Annotated[str, Parameter(help="Of the device's owner.", env_var="CALLCTL_PASSWORD")],
    transport: Annotated[
        Literal["udp", "tcp", "tls"] | None,
        Parameter(help="Else tls for a mobile, udp for others."),
    ] = None,
    sleep: Annotated[
        bool, Parameter(negative="", help="Fall asleep once registered; a push wakes it.")
    ] = False,
    wake_delay: Annotated[float, Parameter(help="Seconds from the push to the app.")] = 0.4,
    answer_after: Annotated[
        float | None, Parameter(help="Pick up so many seconds after the call is shown.")
    ] = None,
    decline: Annotated[
        int | None, Parameter(help="Decline each call with this status, 603 for one.")
    ] = None,
    hang_up_after: Annotated[
        float | None, Parameter(help="Seconds from the answer to BYE.")
    ] = None,
    tone: Annotated[
        bool, Parameter(negative="", help="Send a tone by RTP in calls (needs the extra media).")
    ] = False,
    call: Annotated[str | None, Parameter(help="Call this number once registered.")] = None,
    calls: Annotated[int | None, Parameter(help="End after so many calls.")] = None,
    registrar: Annotated[
        str | None,
        Parameter(help="HOST:PORT of a registrar that has no admin API: SIP alone, no push."),
    ] = None,
    user: Annotated[
        str | None, Parameter(help="With --registrar: user id, if not the device.")
    ] = None,
    domain: Annotated[str | None, Parameter(help="With --registrar: if not its host.")] = None,
    where: Where = HERE,
) -> int:
    """Be one phone of a cluster until Ctrl-C, and say what happens to it.

    A mobile signs in, registers, sleeps if told to, is woken by push. What it needs to know comes
    from the admin API of the cluster. Exits with 1 if it could not register.

    Parameters
    ----------
    device
        The device, or with --registrar the number to register.
    """
    from callctl.cli.phone_run import PhonePlan, run_phone
    from callctl.cli.serving import run_async

    plan = PhonePlan(
        device=device,
        password=password,
        transport=None if transport is None else transport.upper(),
        sleep=sleep,
        wake_delay_s=wake_delay,
        answer_after_s=0.0 if answer_after is None and decline is not None else answer_after,
        answer_status=200 if decline is None else decline,
        hang_up_after_s=hang_up_after,
        tone=tone,
        call=call,
        calls=calls,
        registrar=registrar,
        user=user,
        domain=domain,
    )
    return run_async(lambda: run_phone(plan, where))
