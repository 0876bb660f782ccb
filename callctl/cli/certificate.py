"""`callctl certificate`: whom a running cluster trusts at TLS."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.errors import Refused, Usage
from callctl.cli.exit_code import NEGATIVE
from callctl.cli.output import print_json, print_line, print_table

app = App(name="certificate", help="Certificates that a running cluster trusts (tomcat-trust).")


@app.command(name="list")
def list_(*, where: Where = HERE) -> int:
    """The trust store, with what each certificate is for and when it ends."""
    store = AdminClient(where).get("certificates")
    if where.json:
        print_json(store)
        return 0
    if not store["verification"]:
        print_line(("TLS verification is off: insecure_skip_tls_verification", "bold red"))
    print_table(
        ("FINGERPRINT", "SUBJECT", "CLOUD ROOT", "FROM", "ENDS", "KEY"),
        [
            (
                each["fingerprint"][:23],
                each["subject"],
                each["cloud_root"],
                each["origin"],
                _day(each["not_after"]),
                each["key"],
            )
            for each in store["certificates"]
        ],
        none="no certificates: TLS with the cloud fails (CERT-01)",
    )
    return 0


@app.command
def upload(
    file: Path,
    *,
    cloud_root: Annotated[
        Literal["ci", "fos"] | None,
        Parameter(help="Take it only if it is the root of this cloud service."),
    ] = None,
    where: Where = HERE,
) -> int:
    """Trust the certificates in FILE (PEM or DER): all of them, or none if one is wrong.

    A cloud root is compared with the SHA-256 fingerprint of Table H1.
    """
    data = _read(file)
    body: dict[str, Any] = {"data": base64.b64encode(data).decode("ascii")}
    if cloud_root is not None:
        body["cloud_root"] = cloud_root
    done = AdminClient(where).post("certificates", body=body)
    if where.json:
        print_json(done)
        return 0
    for each in done["added"]:
        print_line(("added    ", "green"), f"{each['subject']}  {each['fingerprint']}")
    for each in done["present"]:
        print_line(("present  ", "yellow"), f"{each['subject']}  {each['fingerprint']}")
    for remark in done["remarks"]:
        print_line(("note     ", "yellow"), remark)
    return 0


@app.command
def remove(fingerprint: str, *, where: Where = HERE) -> int:
    """Trust a certificate no longer. The beginning of its fingerprint is enough if it is the only
    one that begins so.
    """
    client = AdminClient(where)
    removed = client.delete("certificates", _whole(client, fingerprint))
    if where.json:
        print_json(removed)
    else:
        print_line(("removed  ", "green"), f"{removed['subject']}  {removed['fingerprint']}")
    return 0


@app.command
def check(*, where: Where = HERE) -> int:
    """Cloud roots, certificates that end soon, trust among CUCM, IM&P and Expressway-C, local push.

    The exit code is 1 if something has failed; a warning alone leaves it 0.
    """
    lines = AdminClient(where).get("certificates", "check")
    if where.json:
        print_json(lines)
    else:
        print_table(
            ("", "WHAT", "FOUND", "DO", "SOURCE"),
            [
                (
                    each["verdict"],
                    each["subject"],
                    each["finding"],
                    each["action"],
                    each["source"],
                )
                for each in lines
            ],
            none="nothing to check",
        )
    return NEGATIVE if any(each["verdict"] == "failed" for each in lines) else 0


def _read(file: Path) -> bytes:
    from callctl.certificate.certificate import UPLOAD_MAX

    try:
        with file.open("rb") as stream:
            data = stream.read(UPLOAD_MAX + 1)
    except OSError as error:
        raise Usage(f"{file}: {error.strerror or error}") from error
    if len(data) > UPLOAD_MAX:
        raise Usage(f"{file} has more than {UPLOAD_MAX} octets")
    return data


def _whole(client: AdminClient, beginning: str) -> str:
    """The only fingerprint of the store that begins so, without separators."""
    wanted = beginning.replace(":", "").replace(" ", "").upper()
    if not wanted:
        raise Usage("name a fingerprint")
    stored = client.get("certificates")["certificates"]
    words = [str(each["fingerprint"]).replace(":", "") for each in stored]
    found = [word for word in words if word.startswith(wanted)]
    if not found:
        raise Refused(f"there is no certificate whose fingerprint begins with {beginning}")
    if len(found) > 1:
        raise Refused(f"{len(found)} fingerprints begin with {beginning}; give more of it")
    return found[0]


def _day(unix_s: int) -> str:
    return datetime.fromtimestamp(unix_s, UTC).date().isoformat()
