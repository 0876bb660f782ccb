"""Users: who may register, and with which password."""

from __future__ import annotations

from dataclasses import dataclass


class Secret:
    """A text that shows in no representation, log or traceback; asked for by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def get_secret_value(self) -> str:
        """The text itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)


@dataclass(frozen=True, slots=True)
class User:
    """One person. Every device of a user registers with the user's id and password."""

    user_id: str
    password: Secret
    display_name: str = ""
    mobility_identity: str | None = None  # the user's mobile number, as dialled (MOB-02)
