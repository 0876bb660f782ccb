"""How far a connection to a cloud came before it failed, in words for whoever has to mend it.

Source: OP-35, OP-54, PROXY-11.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

Step: TypeAlias = Literal[
    "not allowed",  # the host is not among those configured (P8)
    "dns",
    "tcp",
    "proxy",  # it refused, failed or spoke no HTTP
    "proxy authentication",
    "tls",
    "certificate",
    "http",
    "timeout",  # of the whole exchange
]

STEPS: Final[tuple[Step, ...]] = (
    "not allowed",
    "dns",
    "tcp",
    "proxy",
    "proxy authentication",
    "tls",
    "certificate",
    "http",
    "timeout",
)


class ExchangeFailed(OSError):
    """There is no connection, or no answer. `detail` holds no secret and names nobody."""

    def __init__(self, step: Step, detail: str, *, at_proxy: bool = False) -> None:
        super().__init__(f"{step}: {detail}")
        self.step: Final = step
        self.detail: Final = detail
        self.at_proxy: Final = at_proxy  # the proxy, or the way to it, not the service behind


class NoOtherAddress(ExchangeFailed):
    """The proxy has no address but the one that was used already (PROXY-06)."""

    def __init__(self) -> None:
        super().__init__("proxy", "it has no other address", at_proxy=True)
