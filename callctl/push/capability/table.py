"""A table of the catalogue for people, and where in it an answer was read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """One table as text. The first cell of each row is its name, which no other row has."""

    name: str  # "C3"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def row_names(self) -> tuple[str, ...]:
        """The rows, in order."""
        return tuple(row[0] for row in self.rows)


@dataclass(frozen=True, slots=True)
class Source:
    """The row that an answer came from, and the column where a row has several answers."""

    table: str  # the name of a `Table`
    row: str
    column: str = ""
    rule: str = ""  # what led to this row and no other, such as "OP-61"

    def __str__(self) -> str:
        where = f"{self.table} {self.row}" + (f" / {self.column}" if self.column else "")
        return f"{where} ({self.rule})" if self.rule else where


def words(value: object) -> str:
    """A cell: what is not there is `not applicable`."""
    return "not applicable" if value is None else str(value)
