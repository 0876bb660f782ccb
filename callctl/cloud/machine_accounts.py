"""What CI knows: machine accounts of clusters, their refresh tokens and access tokens.

Tokens are remembered by their SHA-256 alone. Source: CLOUD-02, CLOUD-03, OP-14, OP-15; RFC 6749 §6.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from callctl.cloud.access import Standing
from sipstack.entropy import Entropy, token, uuid4
from sipstack.timing import SECOND, Instant

ACCESS_LIFETIME_S: Final = 43_200
TOKENS_MAX: Final = 500  # good access tokens of one account at once: every restart costs one
REFRESH_TOKENS_MAX: Final = 100  # of one account; the oldest goes first
ACCOUNTS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Provisioned:
    """A machine account as FOS hands it to a cluster."""

    account_id: str
    organisation_id: str
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Granted:
    """What a refresh token was good for."""

    access_token: str = field(repr=False)
    lifetime_s: int
    refresh_token: str | None = field(default=None, repr=False)  # a new one, where they rotate


class GrantRefused(Exception):
    """A refresh token that gets nothing: an error code of RFC 6749 §5.2, or one of CI's own."""


@dataclass(slots=True)
class _Account:
    organisation_id: str
    suspended: bool = False
    refresh: dict[str, Instant | None] = field(default_factory=dict)  # digest: its end
    access: dict[str, Instant] = field(default_factory=dict)  # digest: its end


class MachineAccounts:
    """The table of accounts. Its settings act on what is given out from then on."""

    def __init__(self, entropy: Entropy) -> None:
        self.access_lifetime_s = ACCESS_LIFETIME_S
        self.refresh_lifetime_s: int | None = None  # None: refresh tokens do not end
        self.rotates = False  # each grant brings a new refresh token
        self.revokes_rotated = False  # and ends the one it was got with
        self.tokens_max = TOKENS_MAX
        self._entropy = entropy
        self._accounts: dict[str, _Account] = {}
        self._by_refresh: dict[str, str] = {}  # digest: account id
        self._by_access: dict[str, str] = {}

    def __contains__(self, account_id: str) -> bool:
        return account_id in self._accounts

    def __len__(self) -> int:
        return len(self._accounts)

    def provision(self, organisation_id: str, now: Instant) -> Provisioned:
        """A new account, at the word of FOS. Raises: ValueError if there are too many."""
        account_id, refresh_token = uuid4(self._entropy), token(self._entropy, 32)
        self.know(account_id, organisation_id, refresh_token, now)
        return Provisioned(account_id, organisation_id, refresh_token)

    def know(self, account_id: str, organisation_id: str, refresh_token: str, now: Instant) -> None:
        """An account that exists: a lab remembers it, and this is a new life of the emulator.

        Raises: ValueError if there are too many.
        """
        if account_id not in self._accounts:
            if len(self._accounts) >= ACCOUNTS_MAX:
                raise ValueError(f"CI holds {ACCOUNTS_MAX} machine accounts, and no more")
            self._accounts[account_id] = _Account(organisation_id)
        self._add_refresh(account_id, refresh_token, now)

    def remove(self, account_id: str) -> None:
        """The cluster left the cloud: none of its tokens is good for anything."""
        account = self._accounts.pop(account_id, None)
        for digest in () if account is None else account.refresh:
            del self._by_refresh[digest]
        for digest in () if account is None else account.access:
            del self._by_access[digest]

    def suspend(self, account_id: str, suspended: bool = True) -> None:
        """The account may not push any more, or may again; it still gets tokens."""
        self._accounts[account_id].suspended = suspended

    def expire(self, account_id: str) -> None:
        """The access of this machine has expired: its refresh tokens are good no more (TRB-20)."""
        account = self._accounts[account_id]
        account.refresh = dict.fromkeys(account.refresh, Instant(0))

    def revoke(self, account_id: str | None = None) -> None:
        """No access token given out so far, of one account or of all, is good any more."""
        for name, account in self._accounts.items():
            if account_id in (None, name):
                for digest in account.access:
                    del self._by_access[digest]
                account.access.clear()

    def standing(self, access_token: str, now: Instant) -> Standing:
        """What Push REST is told about `access_token`."""
        digest = _digest(access_token)
        account_id = self._by_access.get(digest)
        if account_id is None or now >= self._accounts[account_id].access[digest]:
            return Standing.UNKNOWN
        return Standing.FORBIDDEN if self._accounts[account_id].suspended else Standing.GOOD

    def account_of(self, access_token: str, now: Instant) -> str | None:
        """Whose it is; None if it is good no more."""
        if self.standing(access_token, now) is Standing.UNKNOWN:
            return None
        return self._by_access[_digest(access_token)]

    def grant(self, refresh_token: str, now: Instant) -> Granted:
        """An access token. Raises: GrantRefused."""
        digest = _digest(refresh_token)
        account_id = self._by_refresh.get(digest, "")
        account = self._accounts.get(account_id)
        ends_at = None if account is None else account.refresh[digest]
        if account is None or (ends_at is not None and now >= ends_at):
            raise GrantRefused("invalid_grant")
        for ended in [held for held, until in account.access.items() if now >= until]:
            del account.access[ended], self._by_access[ended]
        if len(account.access) >= self.tokens_max:
            raise GrantRefused("token_limit_reached")
        access_token = token(self._entropy, 32)
        account.access[_digest(access_token)] = Instant(now + self.access_lifetime_s * SECOND)
        self._by_access[_digest(access_token)] = account_id
        rotated = self._rotated(account_id, digest, now) if self.rotates else None
        return Granted(access_token, self.access_lifetime_s, rotated)

    def _rotated(self, account_id: str, digest: str, now: Instant) -> str:
        made = token(self._entropy, 32)
        if self.revokes_rotated:
            del self._accounts[account_id].refresh[digest], self._by_refresh[digest]
        self._add_refresh(account_id, made, now)
        return made

    def _add_refresh(self, account_id: str, refresh_token: str, now: Instant) -> None:
        refresh = self._accounts[account_id].refresh
        if len(refresh) >= REFRESH_TOKENS_MAX:
            oldest = next(iter(refresh))
            del refresh[oldest], self._by_refresh[oldest]
        lifetime_s, digest = self.refresh_lifetime_s, _digest(refresh_token)
        refresh[digest] = None if lifetime_s is None else Instant(now + lifetime_s * SECOND)
        self._by_refresh[digest] = account_id


def _digest(secret: str) -> str:
    return sha256(secret.encode(errors="replace")).hexdigest()
