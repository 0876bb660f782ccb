"""pytest plugin: `@pytest.mark.needs("sipp", "capture")` guards a test that needs real programs.

Without them the test is skipped with what to install; if the environment says CI=true it fails,
because a build server that quietly tests less is worse than one that stops.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from subprocess import run
from typing import Final

import pytest

PACKAGES: Final = {
    "sipp": "sip-tester",
    "baresip": "baresip-core",
    "tshark": "tshark",
    "tcpdump": "tcpdump",
    "kamailio": "kamailio",
    "openssl": "openssl",
    "chromium": "chromium-headless-shell",
    "node": "nodejs",
    "linphone-daemon": "linphone-cli",
    "twinkle-console": "twinkle-console",
    "squid": "squid-openssl",
    "tinyproxy": "tinyproxy-bin",
}
ALTERNATIVES: Final = {"chromium": ("chromium-headless-shell", "chromium")}
"""Programs that come under several names, each of which will do."""

WEB_PHONES: Final = Path(sys.prefix) / "web"
"""Where scripts/setup puts the SIP libraries for browsers, and what bundles them."""

MODULES: Final = {"sippy": "sippy", "PySIPio": "PySIP"}
"""Programs that are Python packages: what is imported of them."""

SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"  # not on the path of everybody


def find_program(name: str) -> str | None:
    """Path of a program, None if it is not installed."""
    path = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"
    found = (shutil.which(each, path=path) for each in ALTERNATIVES.get(name, (name,)))
    return next(filter(None, found), None)


@cache
def why_missing(name: str) -> str | None:
    """What to do so that `name` is there; None if it is.

    "capture" is the right to capture, "namespace" that to make a network of one's own, "web-phones"
    what npm installed for tests with browsers.
    """
    if name == "capture":
        if find_program("tcpdump") is None:
            return "tcpdump is not installed (apt-get install tcpdump)"
        return None if _may_capture() else "no right to capture packets (root or CAP_NET_RAW)"
    if name == "web-phones":
        there = all((WEB_PHONES / "node_modules" / each).is_dir() for each in ("jssip", "sip.js"))
        return None if there else "JsSIP and SIP.js are not installed (scripts/setup dev, with npm)"
    if name == "namespace":
        return None if _may_unshare() else "no right to make a network namespace (root)"
    if name in MODULES:
        there = find_spec(MODULES[name]) is not None
        return None if there else f"{name} is not installed (scripts/setup dev)"
    if name not in PACKAGES:
        known = ", ".join((*PACKAGES, *MODULES, "capture", "namespace", "web-phones"))
        raise pytest.UsageError(f"needs({name!r}): one of {known}")
    if find_program(name):
        return None
    return f"{name} is not installed (apt-get install {PACKAGES[name]})"


def _may_capture() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except OSError:
        return False
    return True


def _may_unshare() -> bool:
    unshare = find_program("unshare")
    return unshare is not None and run([unshare, "-n", "true"], capture_output=True).returncode == 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            if reason := why_missing(name):
                if os.environ.get("CI") == "true":
                    pytest.fail(f"{reason}, and CI=true", pytrace=False)
                pytest.skip(reason)
