"""pytest plugin: `@pytest.mark.needs("sipp", "capture")` guards a test that needs real programs.

Without them the test is skipped with what to install; if the environment says CI=true it fails,
because a build server that quietly tests less is worse than one that stops.
"""

from __future__ import annotations

import os
import shutil
import socket
from functools import cache
from typing import Final

import pytest

PACKAGES: Final = {
    "sipp": "sip-tester",
    "baresip": "baresip-core",
    "tshark": "tshark",
    "tcpdump": "tcpdump",
    "kamailio": "kamailio",
    "openssl": "openssl",
}
SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"  # not on the path of everybody


def find_program(name: str) -> str | None:
    """Path of a program, None if it is not installed."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:{SBIN}")


@cache
def why_missing(name: str) -> str | None:
    """What to do so that `name` is there; None if it is. "capture" is the right to capture."""
    if name == "capture":
        if find_program("tcpdump") is None:
            return "tcpdump is not installed (apt-get install tcpdump)"
        return None if _may_capture() else "no right to capture packets (root or CAP_NET_RAW)"
    if name not in PACKAGES:
        raise pytest.UsageError(f"needs({name!r}): one of {', '.join(PACKAGES)}, capture")
    if find_program(name):
        return None
    return f"{name} is not installed (apt-get install {PACKAGES[name]})"


def _may_capture() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except OSError:
        return False
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            if reason := why_missing(name):
                if os.environ.get("CI") == "true":
                    pytest.fail(f"{reason}, and CI=true", pytrace=False)
                pytest.skip(reason)
