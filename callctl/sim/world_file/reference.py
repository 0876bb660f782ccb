"""The reference page of the world file, generated from its schema: `docs/simulation.md`.

`python -m callctl.sim.world_file.reference` prints it. The text above the tables is kept beside
this module, in preamble.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from callctl.model.schema_table import Kinds, keys_table, shown, table
from callctl.sim.cloud_way import Way
from callctl.sim.judges import INVARIANTS
from callctl.sim.scenario import Trouble
from callctl.sim.small_model import PLOTS
from callctl.sim.world_file import draw_schema, schema
from callctl.sim.world_file.values import NEVER, Count, Span, percent_text, seconds_text, span_text

PREAMBLE: Final = Path(__file__).with_name("preamble.md")

SECTIONS: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("phones", schema.PhoneEntry),
    ("phones.looks", schema.LookEntry),
    ("desk_phones", schema.DeskPhoneEntry),
    ("peers", schema.PeerEntry),
    ("answer", schema.AnswerEntry),
    ("calls", schema.CallEntry),
    ("faults", schema.FaultsEntry),
    ("faults.troubles", schema.TroubleEntry),
    ("faults.weather", schema.LinksEntry),
    ("sip`, `bus`, `cloud` and `good_weather", schema.WeatherEntry),
    ("faults.ci`, `faults.push_rest` and `faults.partners", schema.CloudFaultEntry),
    ("cloud", schema.CloudPlanEntry),
    ("draw", draw_schema.DrawEntry),
    ("draw.cluster", draw_schema.DrawClusterEntry),
    ("draw.habits", draw_schema.HabitsEntry),
    ("draw.calls", draw_schema.DrawCallsEntry),
    ("draw.troubles", draw_schema.DrawTroublesEntry),
)

FORMS: Final = (
    ("seconds", "`20`, `20.25`, with up to nine decimals: a run knows nanoseconds"),
    ("from-to", "`0.5-2`: each time that it is needed, one is drawn from it"),
    ("per cent", "`0` to `100`, with one decimal: `12.5`"),
    ("switch", "`true` or `false`"),
)


def page() -> str:
    """The whole page, in Markdown."""
    plots = "".join(f"- `{plot.name}`: {plot.what}.\n" for plot in PLOTS.values())
    parts = [PREAMBLE.read_text("utf-8").replace("{plots}\n", plots)]
    parts += ["## Forms of values\n", table(("Value", "Form"), FORMS)]
    parts += ["## Top level\n", _keys(schema.WorldFile)]
    for name, model in SECTIONS:
        parts += [f"## `{name}`\n", f"{model.__doc__}\n", _keys(model)]
    parts += ["## Troubles\n", f"{_listed(it.value for it in Trouble)}.\n"]
    parts += ["`how`, for what is unreachable: "]
    parts[-1] += f"{_listed(way.value for way in Way if way is not Way.OPEN)}.\n"
    parts += ["## Judges\n", f"{_listed(INVARIANTS)}.\n"]
    return "\n".join(parts)


def _keys(model: type[BaseModel]) -> str:
    return keys_table(model, kinds=KINDS, written=_written)


KINDS: Final[Kinds] = {Trouble: "trouble", Way: "how"}
"""What has a list of its own on the page."""

WRITTEN: Final[Mapping[str, Callable[[int], str]]] = {
    "seconds": seconds_text,
    "seconds, or `never`": lambda ns: "never" if ns == NEVER else seconds_text(ns),
    "per cent": percent_text,
}
"""How a number is written, by what it is."""


def _written(default: object, kind: str) -> str:
    if isinstance(default, Span):
        return span_text(*default)
    if isinstance(default, Count):
        low, high = default
        return f"{low}" if low == high else f"{low}-{high}"
    if isinstance(default, int) and kind in WRITTEN:
        return WRITTEN[kind](default)
    return shown(default)


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())  # whatever the terminal speaks, the page is UTF-8
