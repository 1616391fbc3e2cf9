"""The page of the docs that lists every indicator, made of the catalogue and nothing else.

``make indicators-page`` writes it to ``docs/indicators.md``, and its pictures (``pictures``) beside it; a test fails
while they differ.

What does not belong here: anything that a record or a docstring could say.
"""

import inspect
import re
from collections.abc import Iterator

from jutsu_core.indicators.definitions import CATALOG
from jutsu_core.indicators.pictures import SHOWN_BARS
from jutsu_core.indicators.records import IndicatorDefinition, ParameterDefinition, ResultDefinition

_HEAD = """\
# Indicators

{count} indicators. This page is made of the catalogue by `make indicators-page`; a test fails while the two differ.

Each is a function of arrays (`from jutsu_core.indicators.trend import sma`), a set of columns that
`compute_indicators` adds to a frame of bars, and, with the same bits, an `Accumulator` that takes one bar after
another and takes restated ones back. Where several are chosen, a name is the one with its defaults:
`compute_indicators(bars, ["rsi", indicator("sma", period=20)])`. Which are stored is chosen in `universe.yaml`:

```yaml
indicators:
  1d: swing               # a set below, or the built-in one: standard

indicator_sets:
  swing:
    - sma: {{period: 20}}
    - rsi                 # with its defaults
```

A column is called after its result and the parameters, `sma_20`; a point becomes a `p`. Values are missing until
the warm-up is over. "Exact from then on" means that a value depends on its window alone, to the bit, wherever the
history begins; otherwise the page says how the start fades. A window of prices, which are whole micros, is summed
exactly and its mean correctly rounded. Moves, prices and ratios that are equal as decimals count as equal, though
their floats may differ: where a rise of 0.10 stands beside a fall of 0.10, rounding does not decide. What an
indicator cannot be made of, such as prices that are not above 0 or an index that has no volume, is refused and named.
With `allow_no_volume=True`, and in stored series, what needs volume is missing there instead, and the rest computed.

`session` is a number that the bars of one exchange session have in common: `compute_indicators` and `Accumulator` take
it from the clocks of `exchange_zone`. `benchmark` is the close of a benchmark's bar of the same time: give its closes,
labelled with their times, as `compute_indicators(bars, chosen, benchmark=closes)`, and its bars as
`update(bar, benchmark)`. A bar without one is refused, those before the benchmark begins too, unless
`allow_benchmark_gaps=True`: what compares is then computed of the bars that both have, one after another, and is
missing at the others. Stored series are made so, beside the `benchmark` of `universe.yaml`, and the next run over a
symbol computes its series again where a close that it was compared with came or changed, or the benchmark is another.

Pictures show each with its defaults over {shown} sample bars of AAPL; what compares does so with MSFT.

Averages that fade come from TA-Lib, which is built with and without fused arithmetic: their last bits are those of
the machine that computed them, the same for series and accumulators.

To add one: its formula, function and record in the module of its family; its arithmetic and answers in
`tests/jutsu_core/indicators/answers`; this page. Columns, schemas, run config, laws and tests follow from the record.

| name | indicator | reads | columns | leading bars without a value |
| --- | --- | --- | --- | --- |
"""
_SECTION = re.compile(r"^(Formula|Args|Returns|Raises|Warm-up|References|Examples):$", re.MULTILINE)


def indicators_page() -> str:
    """Return the page, in Markdown."""
    rows = "\n".join(map(_row, CATALOG.values()))
    sections = "\n".join("\n".join(_section(definition)) for definition in CATALOG.values())
    return f"{_HEAD.format(count=len(CATALOG), shown=SHOWN_BARS)}{rows}\n\n{sections}\n"


def _row(definition: IndicatorDefinition) -> str:
    columns = ", ".join(f"`{result.name}`" for result in definition.results)
    reads = ", ".join(definition.inputs)
    link = f"[`{definition.name}`](#{definition.name})"
    return f"| {link} | {definition.title} | {reads} | {columns} | {_warm_up(definition)} |"


def _warm_up(definition: IndicatorDefinition) -> str:
    """Return the warm-up with the defaults, and with a period of 20 where one must be given."""
    chosen = {p.name: 20 if p.default is None else p.default for p in definition.parameters}
    given = [f"{p.name} 20" for p in definition.parameters if p.default is None and p.name == "period"]
    return f"{definition.warm_up_bars(chosen)}{' with ' if given else ''}{', '.join(given)}"


def _section(definition: IndicatorDefinition) -> Iterator[str]:
    said = _parts(inspect.getdoc(definition.function) or "")
    module = definition.function.__module__
    yield f"## {definition.name}\n"
    summary = _lines(said[""]).removeprefix("Return ")
    yield f"**{definition.title}** (`{module}`): {summary}\n"
    yield f"![{definition.title}](images/indicators/{definition.name}.svg)\n"
    formula = said["Formula"].replace("``", "")
    yield f"```text\n{formula}\n```\n"
    if definition.parameters:
        yield "| parameter | values | default |\n| --- | --- | --- |"
        yield from map(_parameter, definition.parameters)
        yield ""
    yield "| column | what | unit | from | to |\n| --- | --- | --- | --- | --- |"
    yield from map(_result, definition.results)
    yield ""
    if definition.needs_positive_prices:
        yield "Prices must be above 0.\n"
    yield f"Warm-up: {_lines(said['Warm-up'])}\n"
    yield f"Source: {_lines(said['References'])}\n"


def _parts(docstring: str) -> dict[str, str]:
    """Return what stands below each heading of a docstring; what stands before the first is called by no name."""
    first, *rest = _SECTION.split(docstring)
    parts = {"": first.strip()}
    for heading, text in zip(rest[::2], rest[1::2], strict=True):
        parts[heading] = inspect.cleandoc(text).strip()
    return parts


def _lines(text: str) -> str:
    return " ".join(text.split()).replace("``", "`")


def _parameter(parameter: ParameterDefinition) -> str:
    most = f"{parameter.maximum:,.0f}"
    values = f"{parameter.minimum:g} to {most}" if parameter.is_integer else f"above {parameter.minimum:g}, to {most}"
    above = f", above `{parameter.above}`" if parameter.above else ""
    default = "must be given" if parameter.default is None else f"{parameter.default:g}"
    return f"| `{parameter.name}` | {values}{above} | {default} |"


def _result(result: ResultDefinition) -> str:
    least, most = ("" if limit is None else f"{limit:g}" for limit in (result.least, result.most))
    description = re.sub(r"\{(\w+)\}", r"`\1`", result.description)
    return f"| `{result.name}` | {description} | {result.unit} | {least} | {most} |"
