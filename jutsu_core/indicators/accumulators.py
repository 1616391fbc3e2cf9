"""Indicators of one bar after another, for a live feed or an event loop, with the bits of the series.

An ``Accumulator`` runs the very formulas of the catalogue over lines that grow by the bar, which remember their
last numbers, so bars that were restated are taken back and given again.

What does not belong here: formulas (the families) and the lines that grow (``stream_lines``).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from math import nan

from jutsu_core.arguments import refuse, require_flag, require_integer, require_items, require_type
from jutsu_core.bars import MICROS_PER_UNIT, Bar, require_aware
from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.catalog import IndicatorSpec, indicator_columns, require_indicators
from jutsu_core.indicators.lines import Line
from jutsu_core.indicators.records import PRICE_INPUTS, PRICES
from jutsu_core.indicators.stream_lines import StreamLine, Tape
from jutsu_core.sessions import EXCHANGE_ZONE, exchange_date, zone_of

MOST_REMEMBERED = 1_000_000

_VALUES: dict[str, Callable[[Bar, Bar | None], float]] = {
    "open": lambda bar, _: bar.open / MICROS_PER_UNIT,
    "high": lambda bar, _: bar.high / MICROS_PER_UNIT,
    "low": lambda bar, _: bar.low / MICROS_PER_UNIT,
    "close": lambda bar, _: bar.close / MICROS_PER_UNIT,
    "volume": lambda bar, _: float(bar.volume),
    "benchmark": lambda _, other: nan if other is None else other.close / MICROS_PER_UNIT,
}


class Accumulator:
    """The values of indicators, bar by bar.

    ``update`` returns, to the bit, what the last row of ``compute_indicators`` over all bars so far holds. What
    only a whole history shows, that an index never has any volume, is not refused here.

    Args:
        indicators: What to compute, a name with its defaults; the order is that of the values.
        remembered: How many bars can be taken back, of those before the furthest that ever came.
        allow_benchmark_gaps: Whether there may be bars that the benchmark has none beside. What compares is NaN
            there, and goes on with the next bar that both have.
        exchange_zone: Where the exchange's clocks are, which say what session a bar belongs to.

    Raises:
        InvalidInputError: Two indicators fill the same column, ``remembered`` is no whole number, or the zone is
            unknown.

    Examples:
        >>> from datetime import UTC, timedelta
        >>> from jutsu_core.indicators.catalog import indicator
        >>> averages = Accumulator([indicator("sma", period=2)])
        >>> day = datetime(2013, 3, 1, tzinfo=UTC)
        >>> first = Bar(day, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 7)
        >>> averages.update(first)
        (nan,)
        >>> averages.update(Bar(day + timedelta(1), 2_000_000, 2_000_000, 2_000_000, 2_000_000, 7))
        (1.5,)
        >>> averages.rollback(1)
        >>> averages.update(Bar(day + timedelta(1), 4_000_000, 4_000_000, 4_000_000, 4_000_000, 7))
        (2.5,)
    """

    def __init__(
        self,
        indicators: Sequence[IndicatorSpec | str],
        *,
        remembered: int = 100,
        allow_benchmark_gaps: bool = False,
        exchange_zone: str = EXCHANGE_ZONE,
    ) -> None:
        zone_of(exchange_zone)
        limit = require_integer("remembered", remembered, minimum=0, maximum=MOST_REMEMBERED)
        specs = require_indicators(indicators)
        self.columns = tuple(column.name for column in indicator_columns(specs))
        definitions = [spec.definition for spec in specs]
        read = {name: definition.name for definition in definitions for name in definition.inputs}
        self._reads_volume, self._comparing = "volume" in read, read.get("benchmark")
        self._allows_gaps = require_flag("allow_benchmark_gaps", allow_benchmark_gaps)
        self._needs_positive = {
            name: definition.name
            for definition in definitions
            if definition.needs_positive_prices
            for name in definition.inputs
            if name in PRICE_INPUTS
        }
        values: dict[str, Callable[[Bar, Bar | None], float]] = {
            **_VALUES,
            "session": lambda bar, _: float(exchange_date(bar.timestamp, exchange_zone).toordinal()),
        }
        # What compares runs on bars that both have, the rest on all.
        self._all, self._shared = _Reel(limit), _Reel(limit)
        results: list[StreamLine] = []
        self._gaps: list[int] = []
        for spec in specs:
            reel = self._shared if spec.definition.compares else self._all
            made = spec.definition.lines(reel.lines(spec.definition.inputs, values), spec.parameters)
            lines = [line for line in made if isinstance(line, StreamLine)]
            if spec.definition.compares:
                self._gaps += range(len(results), len(results) + len(lines))
            results += lines
        # Where the number of now stands, from which bar on, and whose bars those are.
        self._results = [(line.numbers, -1 - line.behind, line.start, line.tape) for line in results]
        self._came: list[tuple[datetime, bool]] = []
        self._furthest = 0
        self._all.tape.close()
        self._shared.tape.close()

    def update(self, bar: Bar, benchmark: Bar | None = None) -> tuple[float, ...]:
        """Return the values at ``bar``, the next one; NaN until an indicator's warm-up is over.

        Args:
            bar: After all that came before.
            benchmark: The benchmark's bar of the same time, for indicators that compare with it; None where gaps
                are allowed and this is one.

        Raises:
            InvalidInputError: The bar is not after the one before, or an indicator cannot be computed of it;
                nothing has changed then.
        """
        self._check(bar, benchmark)
        self._all.take(bar, benchmark)
        if benchmark is not None and self._gaps:
            self._shared.take(bar, benchmark)
        self._came.append((bar.timestamp, benchmark is not None))
        self._furthest = max(self._furthest, self._all.tape.bars)
        remembered = self._all.tape.remembered
        if len(self._came) > 2 * remembered + 2:
            del self._came[: -remembered - 1]
        # + 0.0 as series do, which leaves one of the two zeros.
        values = [numbers[place] + 0.0 if tape.bars > start else nan for numbers, place, start, tape in self._results]
        if benchmark is None:
            for place in self._gaps:
                values[place] = nan
        return tuple(values)

    def rollback(self, bars: int) -> None:
        """Forget the last ``bars`` bars, as if they had never come.

        Raises:
            InvalidInputError: There were fewer, or fewer are remembered.
        """
        count = require_integer("bars", bars, minimum=0)
        tape = self._all.tape
        # Counted from the furthest bar that ever came: what lay before was forgotten then, and does not come back.
        most = tape.bars - max(0, self._furthest - tape.remembered)
        if count > most:
            remedy = "make an Accumulator with a larger remembered, and give it the history again"
            refuse("bars", f"at most {most}, as so many are remembered", count, remedy)
        kept = len(self._came) - count
        tape.rollback(count)
        if self._gaps:
            self._shared.tape.rollback(sum(is_shared for _, is_shared in self._came[kept:]))
        del self._came[kept:]

    def restate(self, bars: Iterable[Bar], benchmarks: Iterable[Bar | None] = ()) -> list[tuple[float, ...]]:
        """Return the values of ``bars``, which take the place of all bars from the first one's time on.

        Args:
            bars: Oldest first.
            benchmarks: The benchmark's bars of the same times, for indicators that compare with it; None for a gap,
                where gaps are allowed.

        Raises:
            InvalidInputError: As ``update`` and ``rollback`` say; bars before the one that is refused have been taken.
        """
        restated = require_items("bars", bars, Bar, "a Bar, its prices in micros")
        beside: list[Bar | None] = []
        for place, other in enumerate(require_items("benchmarks", benchmarks, object, "a Bar, its prices in micros")):
            if other is not None:
                require_type(f"benchmarks[{place}]", other, Bar, "a Bar, its prices in micros")
            beside.append(other if isinstance(other, Bar) else None)
        if not restated:
            return []
        if beside and len(beside) != len(restated):
            refuse("benchmarks", f"as many as bars, {len(restated)}", len(beside), "give the one of each bar's time")
        pairs = list(zip(restated, beside or [None] * len(restated), strict=True))
        first = require_aware("timestamp of bars[0]", restated[0].timestamp)
        self.rollback(sum(time >= first for time, _ in self._came))
        return [self.update(bar, other) for bar, other in pairs]

    def _check(self, bar: Bar, benchmark: Bar | None) -> None:
        require_type("bar", bar, Bar, "a Bar, its prices in micros")
        if benchmark is not None:
            require_type("benchmark", benchmark, Bar, "a Bar, its prices in micros")
        moment = require_aware("timestamp of bar", bar.timestamp)
        if self._came and moment <= self._came[-1][0]:
            remedy = "restate takes bars back and gives them again"
            refuse("timestamp of bar", f"after {self._came[-1][0].isoformat()}", moment.isoformat(), remedy)
        if self._reads_volume and bar.volume < 0:
            refuse(f"volume of the bar {moment.isoformat()}", "0 or more", bar.volume, "correct the bar")
        for name, indicator in self._needs_positive.items():
            if (price := getattr(bar, name)) <= 0:
                message = (
                    f"{name} of the bar {moment.isoformat()} must be above 0, was {price / MICROS_PER_UNIT:g}; "
                    f"{indicator} divides by prices: leave it out, or shift the prices"
                )
                raise InvalidInputError(message)
        if self._comparing is not None and not (self._allows_gaps and benchmark is None):
            self._check_benchmark(bar, benchmark, self._comparing)

    @staticmethod
    def _check_benchmark(bar: Bar, benchmark: Bar | None, indicator: str) -> None:
        moment = bar.timestamp.isoformat()
        if benchmark is None:
            remedy = f"{indicator} compares with it: give it, or say allow_benchmark_gaps=True"
            refuse("benchmark", f"the benchmark's bar of {moment}", "None", remedy)
        if benchmark.timestamp != bar.timestamp:
            refuse("timestamp of benchmark", f"that of bar, {moment}", benchmark.timestamp.isoformat())
        if benchmark.close <= 0:
            was = f"{benchmark.close / MICROS_PER_UNIT:g}"
            refuse(f"close of the benchmark's bar {moment}", "above 0", was, f"{indicator} divides by it")


class _Reel:
    """What is computed of the same bars: a tape, and what is read of each bar."""

    def __init__(self, remembered: int) -> None:
        self.tape = Tape(remembered)
        self._inputs: dict[str, StreamLine] = {}
        self._reading: list[tuple[list[float], Callable[[Bar, Bar | None], float]]] = []

    def lines(self, names: Iterable[str], values: Mapping[str, Callable[[Bar, Bar | None], float]]) -> dict[str, Line]:
        """Return a line for each of ``names``, that of an earlier call where there is one."""
        for name in names:
            if name not in self._inputs:
                line = self._inputs[name] = self.tape.line(0, is_price=name in PRICES)
                self._reading.append((line.numbers, values[name]))
        return {**self._inputs}

    def take(self, bar: Bar, benchmark: Bar | None) -> None:
        """Compute the next number of every line."""
        for numbers, value in self._reading:
            numbers.append(value(bar, benchmark))
        self.tape.advance()
