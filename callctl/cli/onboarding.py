"""`callctl onboarding` and `callctl license`: the way of a running cluster to push."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final, Literal

from cyclopts import App, Parameter

from callctl.cli.client import HERE, SLOW_S, AdminClient, Where
from callctl.cli.errors import Refused, Usage
from callctl.cli.exit_code import NEGATIVE, OK
from callctl.cli.onboarding_words import (
    print_due,
    print_licensing,
    print_page,
    print_status,
    print_tasks,
)
from callctl.cli.output import print_json, print_line
from callctl.cli.secret_input import read_secret

WAIT_MAX_S: Final = 180.0  # for the cloud, with everything that is tried again
POLL_S: Final = 0.2

app = App(name="onboarding", help="The Cisco Cloud Onboarding page: voucher, Save, what is due.")
license_app = App(name=("license", "licence"), help="Licences of a running cluster.")

Box = Annotated[bool | None, Parameter(show_default=False)]
Manager = Literal["cssm", "satellite"]


@app.command
def status(
    *,
    load: Annotated[
        bool, Parameter(negative="", help="Look at certificates and cloud first.")
    ] = False,
    where: Where = HERE,
) -> int:
    """The page: its status, what is saved, what is in force, what is due.

    Exits with 1 while no push can leave.
    """
    client = AdminClient(where)
    view = client.post("onboarding", "load", timeout_s=SLOW_S) if load else client.get("onboarding")
    if where.json:
        print_json(view)
    else:
        print_page(view)
        if load:
            _print_look(view)
    return OK if view["pushing"] else NEGATIVE


@app.command
def tasks(
    *,
    done: Annotated[int | None, Parameter(help="Mark this task as done.")] = None,
    due: Annotated[int | None, Parameter(help="Mark this task as due again.")] = None,
    where: Where = HERE,
) -> int:
    """The task list of a full set-up, in its order."""
    if done is not None and due is not None:
        raise Usage("one of --done and --due")
    client = AdminClient(where)
    if done is not None:
        view = client.post("onboarding", "tasks", str(done), body={"done": True})
    elif due is not None:
        view = client.post("onboarding", "tasks", str(due), body={"done": False})
    else:
        view = client.get("onboarding")
    if where.json:
        print_json(view["tasks"])
    else:
        print_tasks(view)
    return OK


@app.command
def voucher(*, node: str | None = None, where: Where = HERE) -> int:
    """Generate Voucher: synchronise licences, then fetch the voucher.

    Parameters
    ----------
    node
        Where the button is clicked; only the publisher takes it.
    """
    client = AdminClient(where)
    client.post("onboarding", "voucher", body={"node": node})
    view = _when_settled(client)
    if view["refusal"]:
        raise Refused(view["refusal"])
    if where.json:
        print_json(view)
    else:
        print_line(f"There is a voucher of {view['voucher']}.")
        print_due(view)
    return OK


@app.command
def save(
    *,
    push: Box = None,
    managed_certificates: Box = None,
    proxy: str | None = None,
    proxy_user: str | None = None,
    proxy_password_file: str | None = None,
    basic_over_http: Annotated[bool, Parameter(negative="")] = False,
    no_proxy: Annotated[bool, Parameter(name="--no-proxy", negative="")] = False,
    troubleshooting: Box = None,
    pii: Box = None,
    node: str | None = None,
    where: Where = HERE,
) -> int:
    """Save the page. Boxes that are not named stay as they are.

    The first Save with push prepares certificates, the second one asks the cloud. Exits with 1 if
    that failed.

    Parameters
    ----------
    push
        Enable Push Notifications.
    managed_certificates
        Let Cisco manage the certificates of the cloud.
    proxy
        http://host:port or https://host:port of the proxy.
    proxy_user
        User name at the proxy.
    proxy_password_file
        File whose first line is the password at the proxy; - for standard input.
    basic_over_http
        Allow Basic authentication to a proxy without TLS, where it can be read on the way.
    no_proxy
        Reach the cloud without a proxy.
    troubleshooting
        Send Troubleshooting Information to the Cisco Cloud.
    pii
        Send encrypted PII to the Cisco Cloud for troubleshooting.
    node
        Where Save is clicked; only the publisher takes it.
    """
    body = _save_body(
        push, managed_certificates, troubleshooting, pii, node, no_proxy=no_proxy
    ) | _proxy_body(proxy, proxy_user, proxy_password_file, basic_over_http, no_proxy=no_proxy)
    client = AdminClient(where)
    client.post("onboarding", "save", body=body)
    view = _when_settled(client)
    if where.json:
        print_json(view)
    else:
        print_status(view)
        print_due(view)
    return NEGATIVE if view["state"] == "failed" else OK


@app.command
def run(
    *,
    managed_certificates: Box = None,
    proxy: str | None = None,
    proxy_user: str | None = None,
    proxy_password_file: str | None = None,
    basic_over_http: Annotated[bool, Parameter(negative="")] = False,
    troubleshooting: Box = None,
    pii: Box = None,
    manager: Manager = "cssm",
    license_token_file: str | None = None,
    where: Where = HERE,
) -> int:
    """Take every step that is left until pushes flow, and tell what each does.

    Parameters
    ----------
    managed_certificates
        Let Cisco manage the certificates of the cloud.
    proxy
        http://host:port or https://host:port of the proxy.
    proxy_user
        User name at the proxy.
    proxy_password_file
        File whose first line is the password at the proxy; - for standard input.
    basic_over_http
        Allow Basic authentication to a proxy without TLS, where it can be read on the way.
    troubleshooting
        Send Troubleshooting Information to the Cisco Cloud.
    pii
        Send encrypted PII to the Cisco Cloud for troubleshooting.
    manager
        Whom to register with, if the cluster is not registered yet.
    license_token_file
        File whose first line is the registration token; - for standard input.
    """
    save_body = _save_body(None, managed_certificates, troubleshooting, pii, None)
    save_body |= _proxy_body(proxy, proxy_user, proxy_password_file, basic_over_http)
    body = {"save": save_body, "manager": manager, "token": _token(license_token_file)}
    client = AdminClient(where)
    client.post("onboarding", "run", body=body)
    view = _follow(client, quiet=where.json)
    if where.json:
        print_json(view)
    else:
        print_status(view)
        print_due(view)
    return OK if view["pushing"] and not view["run"]["problem"] else NEGATIVE


@license_app.command
def show(*, where: Where = HERE) -> int:
    """How the cluster is licensed. Exits with 1 if it is not as onboarding needs it."""
    return _licensing(AdminClient(where).get("licensing"), where)


@license_app.command
def synchronise(*, where: Where = HERE) -> int:
    """Synchronise with the license manager, as the Product Instance tab of PLM does."""
    return _licensing(AdminClient(where).post("licensing", "synchronise", timeout_s=SLOW_S), where)


@license_app.command
def register(
    manager: Manager = "cssm", *, token_file: str | None = None, where: Where = HERE
) -> int:
    """Register with Cisco Smart Software Manager or a satellite of it.

    Parameters
    ----------
    manager
        With whom.
    token_file
        File whose first line is the registration token; - for standard input.
    """
    body = {"manager": manager, "token": _token(token_file)}
    return _licensing(
        AdminClient(where).post("licensing", "register", body=body, timeout_s=SLOW_S), where
    )


@license_app.command
def deregister(*, where: Where = HERE) -> int:
    """End the registration: what is left of the evaluation goes on."""
    return _licensing(AdminClient(where).post("licensing", "deregister"), where)


@license_app.command
def reserve(state: Literal["on", "off"] = "on", *, where: Where = HERE) -> int:
    """Turn Specific License Reservation on or off. While it is on, onboarding is refused.

    Parameters
    ----------
    state
        On or off.
    """
    body = {"on": state == "on"}
    return _licensing(AdminClient(where).post("licensing", "reservation", body=body), where)


def _licensing(view: dict[str, Any], where: Where) -> int:
    if where.json:
        print_json(view)
    else:
        print_licensing(view)
    return OK if view["ready"] else NEGATIVE


def _save_body(
    push: bool | None,
    managed_certificates: bool | None,
    troubleshooting: bool | None,
    pii: bool | None,
    node: str | None,
    *,
    no_proxy: bool = False,
) -> dict[str, Any]:
    return {
        "push": push,
        "managed_certificates": managed_certificates,
        "troubleshooting": troubleshooting,
        "pii": pii,
        "node": node,
        "no_proxy": no_proxy,
    }


def _proxy_body(
    url: str | None,
    user: str | None,
    password_file: str | None,
    basic_over_http: bool,
    *,
    no_proxy: bool = False,
) -> dict[str, Any]:
    """Raises: Usage."""
    if url is None:
        if user is not None or password_file is not None or basic_over_http:
            raise Usage("user, password and Basic of a proxy need --proxy")
        return {}
    if no_proxy:
        raise Usage("one of --proxy and --no-proxy")
    if (user is None) is not (password_file is None):
        raise Usage("--proxy-user and --proxy-password-file go together")
    if "@" in url:
        raise Usage("no user and no password in --proxy: others on this machine can read it")
    given: dict[str, Any] = {"url": url, "basic_over_http": basic_over_http}
    if user is not None and password_file is not None:
        given |= {"user": user, "password": read_secret(password_file, "password of the proxy")}
    return {"proxy": given}


def _token(file: str | None) -> str:
    return "" if file is None else read_secret(file, "registration token")


def _when_settled(client: AdminClient) -> dict[str, Any]:
    """The page once nobody is asked any more. Raises: Refused if that takes too long."""
    ends_at = time.monotonic() + WAIT_MAX_S
    while True:
        view: dict[str, Any] = client.get("onboarding")
        if not view["busy"]:
            return view
        if time.monotonic() > ends_at:
            raise Refused(f"still under way after {WAIT_MAX_S:.0f} s: {view['next']['text']}")
        time.sleep(POLL_S)


def _follow(client: AdminClient, *, quiet: bool) -> dict[str, Any]:
    """The page at the end of a run; each step is printed when it has been taken."""
    printed = 0
    while True:
        view: dict[str, Any] = client.get("onboarding")
        run_view = view["run"]
        steps = run_view["steps"]
        while not quiet and printed < len(steps):
            step = steps[printed]
            if step["outcome"] is None and run_view["running"]:
                break
            printed += 1
            nodes = f" on {', '.join(step['nodes'])}" if step["nodes"] else ""
            print_line(f"{printed}. ", (f"{step['text']}{nodes}", "bold"), f": {step['effect']}")
            print_line(f"   -> {step['outcome'] or run_view['problem']}")
        if not run_view["running"]:
            if run_view["problem"] and not quiet:
                print_line("Ended: ", (run_view["problem"], "red"))
            return view
        time.sleep(POLL_S)


def _print_look(view: dict[str, Any]) -> None:
    missing, step = view["certificates_missing"], view["cloud_step_failed"]
    print_line("Certificates: " + (f"missing: {', '.join(missing)}" if missing else "present"))
    print_line("Cloud: " + ("reached" if step is None else f"not reached: {step}"))
