"""How long each timer of RFC 3261 §17 and RFC 6026 runs, over datagrams and over streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sipstack.timing import MS, SECOND

TIMER_D_MIN_NS: Final = 32 * SECOND  # §17.1.1.2: at least 32 s, however small T1 is set


@dataclass(frozen=True, slots=True)
class TimerTable:
    """One column of the table. All in ns; 0 means that the timer does not run at all."""

    a_ns: int  # first repeat of an INVITE, doubling without limit
    b_ns: int  # an INVITE nobody answered
    d_ns: int  # a failed INVITE's client, there to repeat the ACK
    e_ns: int  # first repeat of another request, doubling up to T2
    f_ns: int  # another request nobody answered
    g_ns: int  # first repeat of a failure to an INVITE, doubling up to T2
    h_ns: int  # a failure nobody acknowledged
    i_ns: int  # an acknowledged failure, there to absorb more ACKs
    j_ns: int  # an answered request, there to repeat the answer
    k_ns: int  # another request's client, there to absorb more answers
    l_ns: int  # an accepted INVITE's server: repeats are absorbed, more 2xx pass (RFC 6026)
    m_ns: int  # an accepted INVITE's client: repeated and forked 2xx pass (RFC 6026)
    t2_ns: int  # limit of E and G


@dataclass(frozen=True, slots=True)
class TimerValues:
    """T1, T2 and T4 in ns, and the two columns that follow from them.

    Source: RFC 3261 §17.1.1.1, Table 4; RFC 6026 §8.4, §8.5.
    """

    t1_ns: int = 500 * MS
    t2_ns: int = 4 * SECOND
    t4_ns: int = 5 * SECOND
    unreliable: TimerTable = field(init=False, repr=False)
    reliable: TimerTable = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "unreliable", self._column(reliable=False))
        object.__setattr__(self, "reliable", self._column(reliable=True))

    def _column(self, *, reliable: bool) -> TimerTable:
        lifetime_ns = 64 * self.t1_ns
        return TimerTable(
            a_ns=0 if reliable else self.t1_ns,
            b_ns=lifetime_ns,
            d_ns=0 if reliable else max(TIMER_D_MIN_NS, lifetime_ns),
            e_ns=0 if reliable else self.t1_ns,
            f_ns=lifetime_ns,
            g_ns=0 if reliable else self.t1_ns,
            h_ns=lifetime_ns,
            i_ns=0 if reliable else self.t4_ns,
            j_ns=0 if reliable else lifetime_ns,
            k_ns=0 if reliable else self.t4_ns,
            # L and M run over streams too: a forked 2xx comes late over any transport.
            l_ns=lifetime_ns,
            m_ns=lifetime_ns,
            t2_ns=self.t2_ns,
        )
