"""Bulk files: users, lines and devices by the hundred thousand, from CSV or JSON lines.

Read row by row: what a row leaves behind are its run-time records and nothing else.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias

from pydantic import ValidationError

from callctl.errors import Finding
from callctl.model.consistency import DeviceCheck, Mistake, Spoiled
from callctl.model.document import key_text
from callctl.model.draft import Draft
from callctl.model.explain import mistakes_of
from callctl.model.line import Line
from callctl.model.schema import BulkRow
from callctl.model.user import Secret, User
from callctl.model.values import is_dn, quoted

FINDINGS_MAX: Final = 1000  # of one file; whoever made it has one mistake, not a thousand
LINE_MAX: Final = 65_536  # octets

COLUMNS: Final = tuple(BulkRow.model_fields)
REQUIRED: Final = tuple(name for name, it in BulkRow.model_fields.items() if it.is_required())

_Line: TypeAlias = tuple[int, str]
_Row: TypeAlias = tuple[int, dict[str, Any]]


class BulkReader:
    """Reads bulk files into a draft."""

    __slots__ = ("_check", "_draft", "_file", "_found", "_spoiled", "mobility_rows")

    def __init__(self, draft: Draft, check: DeviceCheck, spoiled: Spoiled) -> None:
        self._draft = draft
        self._check = check
        self._spoiled = spoiled
        self._file = ""
        self._found: list[Finding] = []
        self.mobility_rows: dict[str, tuple[str, int]] = {}
        """File and row of each mobility identity, by user: it may lead to a line that comes later.
        """

    def read(self, path: Path) -> list[Finding]:
        """Add every row of the file at `path`; returns what is wrong with it."""
        self._file, self._found = str(path), []
        rows = {".csv": self._csv_rows, ".jsonl": self._json_rows, ".ndjson": self._json_rows}
        try:
            if path.suffix not in rows:
                self._report(None, "", f"ends in {path.suffix!r}", ".csv or .jsonl")
            elif not path.is_file():
                self._report(None, "", "is not a file", "a file beside the cluster file")
            else:
                with path.open("rb") as file:
                    for line, row in rows[path.suffix](file):
                        for mistake in self._add(row, line):
                            self._report(line, key_text(mistake.path), *mistake[1:])
        except OSError as error:
            self._report(None, "", error.strerror or "cannot be read", "a file that can be read")
        except _TooMany:
            pass
        return self._found

    def _add(self, cells: dict[str, Any], line: int) -> Iterator[Mistake]:
        try:
            row = BulkRow.model_validate(cells)
        except ValidationError as error:
            yield from mistakes_of(error, BulkRow)
            return
        draft = self._draft
        user_id = draft.once(row.user)
        user = draft.users.get(user_id)
        if user is None:
            if row.password is not None:
                secret, mobile = Secret(row.password), row.mobility_identity
                draft.users[user_id] = User(user_id, secret, row.display_name, mobile)
                if mobile is not None:
                    self.mobility_rows[user_id] = (self._file, line)
            elif not self._spoiled.covers("users", user_id):
                problem = f"is missing, and {quoted(user_id)} is a new user"
                yield Mistake(("password",), problem, "a password")
                return
        elif row.mobility_identity not in (None, user.mobility_identity):
            problem = f"is not the one that {quoted(user_id)} has already"
            yield Mistake(("mobility_identity",), problem, "the same, or an empty cell")
        elif row.password is not None and user.password.get_secret_value() != row.password:
            problem = f"is not the one that {quoted(user_id)} has already"
            yield Mistake(("password",), problem, "the same, or an empty cell")
        dn = draft.once(row.line or row.user)
        if row.line is None and not is_dn(dn):
            problem = f"is missing, and the user id {quoted(dn)} is no directory number"
            yield Mistake(("line",), problem, "a directory number")
            return
        if dn not in draft.lines and not self._spoiled.covers("lines", dn):
            draft.lines[dn] = Line(dn, row.display_name)
        device = draft.device(row.device, user_id, (dn,), row)
        if isinstance(device, Mistake):
            yield device
        elif device.name in draft.devices:
            yield Mistake(("device",), f"{quoted(device.name)} comes again", "a name of its own")
        else:
            yield from self._check.mistakes(device)
            draft.devices[device.name] = device

    def _csv_rows(self, file: BinaryIO) -> Iterator[_Row]:
        lines = (text for _, text in self._lines(file))
        reader = csv.reader(lines, strict=True)
        try:
            header = [cell.strip() for cell in next(reader, [])]
            if not self._header_is_right(header):
                return
            for cells in reader:
                if not cells:
                    continue  # an empty line
                if len(cells) != len(header):
                    self._report(reader.line_num, "", f"has {len(cells)} cells", str(len(header)))
                    continue
                row = {}
                for column, cell in zip(header, cells, strict=True):
                    text = cell.strip()
                    if text:
                        row[column] = text
                yield reader.line_num, row
        except csv.Error as error:
            self._report(reader.line_num, "", f"is not CSV: {error}", "RFC 4180")

    def _header_is_right(self, header: list[str]) -> bool:
        before = len(self._found)
        for index, column in enumerate(header):
            if column not in COLUMNS:
                close = get_close_matches(column, COLUMNS, n=1)
                hint = f"{close[0]}; did you mean that?" if close else "one of "
                expected = hint if close else hint + ", ".join(COLUMNS) + ", commas between"
                self._report(1, column[:60], "unknown column", expected)
            elif column in header[:index]:
                self._report(1, column, "column comes again", "once")
        for column in REQUIRED:
            if column not in header:
                self._report(1, column, "column is missing", ", ".join(REQUIRED) + " at least")
        return len(self._found) == before

    def _json_rows(self, file: BinaryIO) -> Iterator[_Row]:
        for number, text in self._lines(file):
            if not text.strip():
                continue
            try:
                row = json.loads(text, object_pairs_hook=_object)
            except (ValueError, RecursionError) as error:
                problem = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                self._report(number, "", f"is not JSON: {problem}", "one JSON object in a line")
                continue
            if isinstance(row, dict):
                yield number, row
            else:
                self._report(number, "", "is not an object", "one JSON object in a line")

    def _lines(self, file: BinaryIO) -> Iterator[_Line]:
        octets = iter(partial(file.readline, LINE_MAX + 1), b"")
        for number, raw in enumerate(octets, start=1):
            if len(raw) > LINE_MAX:
                self._report(number, "", f"is longer than {LINE_MAX} octets", "a shorter line")
                return
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                self._report(number, "", "is not UTF-8", "UTF-8")
                text = "\n"  # keeps the count of lines right
            yield number, text

    def _report(self, line: int | None, key: str, problem: str, expected: str) -> None:
        if len(self._found) == FINDINGS_MAX:
            problem, expected = f"more than {FINDINGS_MAX} mistakes: not read further", "fewer"
            self._found.append(Finding(self._file, line, "", problem, expected))
            raise _TooMany
        self._found.append(Finding(self._file, line, key, problem, expected))


class _TooMany(Exception):
    """The file is not worth reading to its end."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        raise ValueError("a key comes again")
    return row
