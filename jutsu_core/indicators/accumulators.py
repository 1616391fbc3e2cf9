"""Indicators of one bar after another, for a live feed or an event loop, with the bits of the series.

An ``Accumulator`` runs the very formulas of the catalogue over lines that grow by the bar, which remember their
last numbers, so bars that were restated are taken back and given again.

What does not belong here: formulas (the families) and the lines that grow (``stream_lines``).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from math import nan

from jutsu_core.arguments import refuse, require_integer, require_items, require_type
from jutsu_core.bars import MICROS_PER_UNIT, Bar, require_aware
from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.catalog import IndicatorSpec, indicator_columns
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
        indicators: What to compute; the order is that of the values.
        remembered: How many of the last bars can be taken back.
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
        self, indicators: Sequence[IndicatorSpec], *, remembered: int = 100, exchange_zone: str = EXCHANGE_ZONE
    ) -> None:
        zone_of(exchange_zone)
        limit = require_integer("remembered", remembered, minimum=0, maximum=MOST_REMEMBERED)
        self.columns = tuple(column.name for column in indicator_columns(indicators))
        definitions = [spec.definition for spec in indicators]
        read = {name: definition.name for definition in definitions for name in definition.inputs}
        self._reads_volume, self._comparing = "volume" in read, read.get("benchmark")
        self._needs_positive = {
            name: definition.name
            for definition in definitions
            if definition.needs_positive_prices
            for name in definition.inputs
            if name in PRICE_INPUTS
        }
        self._tape = Tape(limit)
        self._inputs: dict[str, StreamLine] = {name: self._tape.line(0, is_price=name in PRICES) for name in read}
        self._values: dict[str, Callable[[Bar, Bar | None], float]] = {
            **_VALUES,
            "session": lambda bar, _: float(exchange_date(bar.timestamp, exchange_zone).toordinal()),
        }
        self._results: list[StreamLine] = [
            line
            for spec in indicators
            for line in spec.definition.lines({**self._inputs}, spec.parameters)
            if isinstance(line, StreamLine)
        ]
        self._times: list[datetime] = []
        self._tape.close()

    def update(self, bar: Bar, benchmark: Bar | None = None) -> tuple[float, ...]:
        """Return the values at ``bar``, the next one; NaN until an indicator's warm-up is over.

        Args:
            bar: After all that came before.
            benchmark: The benchmark's bar of the same time, for indicators that compare with it.

        Raises:
            InvalidInputError: The bar is not after the one before, or an indicator cannot be computed of it;
                nothing has changed then.
        """
        self._check(bar, benchmark)
        for name, line in self._inputs.items():
            line.numbers.append(self._values[name](bar, benchmark))
        self._tape.advance()
        self._times.append(bar.timestamp)
        if len(self._times) > 2 * self._tape.remembered + 2:
            del self._times[: -self._tape.remembered - 1]
        bars = self._tape.bars
        # + 0.0 as series do, which leaves one of the two zeros.
        return tuple(line.now() + 0.0 if bars > line.start else nan for line in self._results)

    def rollback(self, bars: int) -> None:
        """Forget the last ``bars`` bars, as if they had never come.

        Raises:
            InvalidInputError: There were fewer, or fewer are remembered.
        """
        count = require_integer("bars", bars, minimum=0)
        most = min(self._tape.bars, self._tape.remembered)
        if count > most:
            remedy = "make an Accumulator with a larger remembered, and give it the history again"
            refuse("bars", f"at most {most}, as so many are remembered", count, remedy)
        self._tape.rollback(count)
        del self._times[len(self._times) - count :]

    def restate(self, bars: Iterable[Bar], benchmarks: Iterable[Bar] = ()) -> list[tuple[float, ...]]:
        """Return the values of ``bars``, which take the place of all bars from the first one's time on.

        Args:
            bars: Oldest first.
            benchmarks: The benchmark's bars of the same times, for indicators that compare with it.

        Raises:
            InvalidInputError: As ``update`` and ``rollback`` say; bars before the one that is refused have been taken.
        """
        restated = require_items("bars", bars, Bar, "a Bar, its prices in micros")
        beside: list[Bar | None] = [*require_items("benchmarks", benchmarks, Bar, "a Bar, its prices in micros")]
        if not restated:
            return []
        if beside and len(beside) != len(restated):
            refuse("benchmarks", f"as many as bars, {len(restated)}", len(beside), "give the one of each bar's time")
        beside = beside or [None] * len(restated)
        first = require_aware("timestamp of bars[0]", restated[0].timestamp)
        self.rollback(sum(time >= first for time in self._times))
        return [self.update(bar, other) for bar, other in zip(restated, beside, strict=True)]

    def _check(self, bar: Bar, benchmark: Bar | None) -> None:
        require_type("bar", bar, Bar, "a Bar, its prices in micros")
        if benchmark is not None:
            require_type("benchmark", benchmark, Bar, "a Bar, its prices in micros")
        moment = require_aware("timestamp of bar", bar.timestamp)
        if self._times and moment <= self._times[-1]:
            remedy = "restate takes bars back and gives them again"
            refuse("timestamp of bar", f"after {self._times[-1].isoformat()}", moment.isoformat(), remedy)
        if self._reads_volume and bar.volume < 0:
            refuse(f"volume of the bar {moment.isoformat()}", "0 or more", bar.volume, "correct the bar")
        for name, indicator in self._needs_positive.items():
            if (price := getattr(bar, name)) <= 0:
                message = (
                    f"{name} of the bar {moment.isoformat()} must be above 0, was {price / MICROS_PER_UNIT:g}; "
                    f"{indicator} divides by prices: leave it out, or shift the prices"
                )
                raise InvalidInputError(message)
        if self._comparing is not None:
            self._check_benchmark(bar, benchmark, self._comparing)

    @staticmethod
    def _check_benchmark(bar: Bar, benchmark: Bar | None, indicator: str) -> None:
        moment = bar.timestamp.isoformat()
        if benchmark is None:
            refuse("benchmark", f"the benchmark's bar of {moment}", "None", f"{indicator} compares with it")
        if benchmark.timestamp != bar.timestamp:
            refuse("timestamp of benchmark", f"that of bar, {moment}", benchmark.timestamp.isoformat())
        if benchmark.close <= 0:
            was = f"{benchmark.close / MICROS_PER_UNIT:g}"
            refuse(f"close of the benchmark's bar {moment}", "above 0", was, f"{indicator} divides by it")
