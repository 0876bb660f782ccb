"""The headers of one message: raw lines that stay as they came, found by canonical name."""

from __future__ import annotations

from typing import Any

from sipstack.message.grammar import split_list, unfold
from sipstack.message.names import key_of


class Headers:
    """Header lines in order, without an object for each.

    `keys[i]` is the canonical name of `lines[i]` ("via", "call-id": lower-case, long, interned),
    and `lines[i]` the line as received, folding and spelling included, without its last CRLF.
    A line that nobody edits leaves byte for byte as it came.

    Every `key` argument is canonical; every `name` argument may be in any spelling. Edit through
    the methods only: they drop what `cache` holds for the header they touch.
    """

    __slots__ = ("cache", "keys", "lines")

    def __init__(self, keys: list[str] | None = None, lines: list[str] | None = None) -> None:
        self.keys: list[str] = [] if keys is None else keys
        self.lines: list[str] = [] if lines is None else lines
        self.cache: dict[str, Any] = {}  # key -> what typed access made of it; see message.py

    def first(self, key: str) -> str | None:
        """Value of the first line of that name, unfolded and stripped; None if there is none."""
        keys = self.keys
        if key not in keys:
            return None
        value = self.lines[keys.index(key)].partition(":")[2].strip(" \t")
        return unfold(value) if "\n" in value else value

    def all(self, key: str) -> list[str]:
        """Value of each line of that name, unfolded and stripped; comma lists stay whole."""
        if self.keys.count(key) == 1:
            return [self.first(key) or ""]
        values = []
        for at, line in zip(self.keys, self.lines, strict=True):
            if at == key:
                value = line.partition(":")[2].strip(" \t")
                values.append(unfold(value) if "\n" in value else value)
        return values

    def values(self, key: str) -> list[str]:
        """Each value of that name: `all()`, with comma lists split outside quotes and <>."""
        count = self.keys.count(key)
        if count == 0:
            return []
        if count == 1 and (text := self.first(key)) and "," not in text:
            return [text]
        return [value for text in self.all(key) for value in split_list(text)]

    def has(self, key: str) -> bool:
        return key in self.keys

    def count(self, key: str) -> int:
        """How many lines have that name."""
        return self.keys.count(key)

    def append(self, name: str, value: str) -> None:
        """Add a line after all others."""
        key = key_of(name)
        self.keys.append(key)
        self.lines.append(f"{name}: {value}")
        self.cache.pop(key, None)

    def prepend(self, name: str, value: str) -> None:
        """Add a line before all others."""
        key = key_of(name)
        self.keys.insert(0, key)
        self.lines.insert(0, f"{name}: {value}")
        self.cache.pop(key, None)

    def set(self, name: str, value: str) -> None:
        """Make this the only line of its name: in place of the first, or after all others."""
        key = key_of(name)
        count = self.keys.count(key)
        if count == 0:
            self.append(name, value)
            return
        if count > 1:
            self._keep_first_only(key)
        self.replace_first(name, value)

    def replace_first(self, name: str, value: str) -> None:
        """Put this line in place of the first of its name.

        Raises: KeyError if there is none.
        """
        key = key_of(name)
        if key not in self.keys:
            raise KeyError(name)
        self.lines[self.keys.index(key)] = f"{name}: {value}"
        self.cache.pop(key, None)

    def remove(self, key: str) -> None:
        """Drop every line of that name."""
        if key not in self.keys:
            return
        kept = [index for index, at in enumerate(self.keys) if at != key]
        self.lines = [self.lines[index] for index in kept]
        self.keys = [self.keys[index] for index in kept]
        self.cache.pop(key, None)

    def remove_first_value(self, key: str) -> str | None:
        """Drop the topmost value of a comma list (Via, Route) and return it; None if none is left.

        The line goes with its last value. What stays in the line is written anew, on one line.
        """
        while key in self.keys:
            self.cache.pop(key, None)
            index = self.keys.index(key)
            name, _, text = self.lines[index].partition(":")
            if "," not in text and "\n" not in text and (value := text.strip(" \t")):
                del self.keys[index], self.lines[index]
                return value
            values = split_list(unfold(text))
            if len(values) > 1:
                self.lines[index] = f"{name}: {', '.join(values[1:])}"
                return values[0]
            del self.keys[index], self.lines[index]
            if values:
                return values[0]
        return None

    def copy(self) -> Headers:
        """Headers of their own: an edit of one does not show in the other."""
        twin = Headers(self.keys.copy(), self.lines.copy())
        twin.cache = self.cache.copy()
        return twin

    def _keep_first_only(self, key: str) -> None:
        first = self.keys.index(key)
        kept = [index for index, at in enumerate(self.keys) if at != key or index == first]
        self.lines = [self.lines[index] for index in kept]
        self.keys = [self.keys[index] for index in kept]
