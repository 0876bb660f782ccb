"""The reference page of the world file, generated from its schema: `docs/simulation.md`.

`python -m callctl.sim.world_file.reference` prints it. The text above the tables is kept beside
this module, in preamble.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from callctl.model.schema_table import shown, table
from callctl.model.values import Kind
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
    hints = get_type_hints(model, include_extras=True)
    rows = (
        (f"`{name}`", _kind(hints[name]), _default(hints[name], field), field.description or "")
        for name, field in model.model_fields.items()
    )
    return table(("Key", "Value", "Default", "Meaning"), rows)


def _kind(hint: Any) -> str:  # noqa: ANN401  (any annotation)
    """What a value is, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kinds = [part.text for part in arguments if isinstance(part, Kind)]
        return kinds[0] if kinds else _kind(arguments[0])
    if origin is list:
        return f"list: {_kind(arguments[0])}"
    if origin is dict:
        return f"{_kind(arguments[0])}: {_kind(arguments[1])}"
    if type(None) in arguments:
        return _kind(arguments[0])
    if hint is Trouble:
        return "trouble"
    if hint is Way:
        return "how"
    if hint is int:
        return "number"
    return "true or false" if hint is bool else "see below"


WRITTEN: Final[Mapping[str, Callable[[int], str]]] = {
    "seconds": seconds_text,
    "seconds, or `never`": lambda ns: "never" if ns == NEVER else seconds_text(ns),
    "per cent": percent_text,
}
"""How a number is written, by what it is."""


def _default(hint: Any, field: FieldInfo) -> str:  # noqa: ANN401  (any annotation)
    default = field.default
    if field.is_required():
        return "required"
    if isinstance(default, BaseModel) or default in (None, "", {}, []):
        return ""
    if isinstance(default, Span):
        return f"`{span_text(*default)}`"
    if isinstance(default, Count):
        low, high = default
        return f"`{low}`" if low == high else f"`{low}-{high}`"
    if isinstance(default, dict):
        return f"`{', '.join(f'{shown(key)}: {value}' for key, value in default.items())}`"
    return f"`{WRITTEN.get(_kind(hint), shown)(default)}`"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())  # whatever the terminal speaks, the page is UTF-8
