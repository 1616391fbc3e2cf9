"""Indicators of one bar after another, for a live feed or an event loop, with the bits of the series.

An ``Accumulator`` runs the very formulas of the catalogue over lines that grow by the bar. Each line
remembers its last numbers, so bars that were restated are taken back and given again.

What does not belong here: formulas (the families) and their operations on whole arrays (``lines``).
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from math import nan, sqrt
from operator import mul
from typing import Any

from jutsu_core.arguments import refuse, require_integer, require_items, require_type
from jutsu_core.bars import MICROS_PER_UNIT, Bar, require_aware
from jutsu_core.errors import InvalidInputError
from jutsu_core.indicators.averages import WIDEST_WINDOW, kernel_multiply_add, whole_micros
from jutsu_core.indicators.catalog import IndicatorSpec, indicator_columns
from jutsu_core.indicators.lines import ExactKind, Line, Operation, State
from jutsu_core.indicators.one_window import mean_of, ramp_of, start_of
from jutsu_core.indicators.records import PRICE_INPUTS, PRICES
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
        self._tape = _Tape(limit)
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


class StreamLine(Line):
    """A line that grows by one number a bar.

    Args:
        tape: What makes it grow.
        start: Place of the first bar with a number.
        numbers: One for each of the last bars, whatever stands before the start.
        behind: How many bars ago the line's number of now is among ``numbers``.
        is_price: Whether they are prices, whose whole micros are summed exactly.
    """

    def __init__(
        self, tape: "_Tape", start: int, numbers: list[float], behind: int = 0, *, is_price: bool = False
    ) -> None:
        super().__init__()
        self.tape, self.start, self.numbers, self.behind, self.is_price = tape, start, numbers, behind, is_price
        self._whole: _Whole | None = None

    def now(self) -> float:
        """Return the number of the last bar."""
        return self.numbers[-1 - self.behind]

    def window(self, period: int) -> Callable[[], list[float]]:
        """Return what returns the last ``period`` numbers."""
        self.tape.looks_back(period + self.behind)
        numbers, first, last = self.numbers, -period - self.behind, -self.behind or None
        return lambda: numbers[first:last]

    def apply(self, operation: Operation, *others: Line | float) -> "StreamLine":  # noqa: D102 - as the base says
        lines = [line for line in (self, *others) if isinstance(line, StreamLine)]
        start = max(line.start for line in lines)
        for line in lines:
            self.tape.looks_back(line.behind + 1)
        return self.tape.line(start, _applied(operation.numbers, (self, *others)))

    def lag(self, bars: int) -> "StreamLine":  # noqa: D102
        return StreamLine(self.tape, self.start + bars, self.numbers, self.behind + bars)

    def skip(self, bars: int) -> "StreamLine":  # noqa: D102
        return StreamLine(self.tape, self.start + bars, self.numbers, self.behind, is_price=self.is_price)

    def highest(self, period: int) -> "StreamLine":  # noqa: D102
        window = self.window(period)
        return self.tape.line(self.start + period - 1, lambda: max(window()))

    def lowest(self, period: int) -> "StreamLine":  # noqa: D102
        window = self.window(period)
        return self.tape.line(self.start + period - 1, lambda: min(window()))

    def since_highest(self, period: int) -> "StreamLine":  # noqa: D102
        window = self.window(period + 1)

        def step() -> float:
            latest_first = window()[::-1]
            return float(latest_first.index(max(latest_first)))

        return self.tape.line(self.start + period, step)

    def cumulative(self) -> "StreamLine":  # noqa: D102
        line = self.tape.line(self.start)
        tape, start, own, read = self.tape, self.start, line.numbers, _reader(self)
        tape.steps.append((own, lambda: read() if tape.bars == start else own[-1] + read(), start))
        return line

    def distances(self, center: Line, period: int, *, squared: bool) -> "StreamLine":  # noqa: D102
        window, middle = self.window(period), _reader(center)

        def step() -> float:
            around, total = middle(), 0.0
            for number in window():
                far = number - around
                total += far * far if squared else abs(far)
            return total

        return self.tape.line(center.start, step)

    def scan(  # noqa: D102
        self,
        begin: Callable[..., State],
        step: Callable[..., State],
        *others: Line,
        results: int = 1,
        warm_up: int = 0,
        kernel: object = None,  # noqa: ARG002 - a function of whole arrays is of no use here
    ) -> tuple[Line, ...]:
        lines = (self, *others)
        start = max(line.start for line in lines)
        readers = [_reader(line) for line in lines]
        states: list[Any] = self.tape.line(start).numbers

        def advance() -> Any:  # noqa: ANN401 - a state among numbers
            row = [read() for read in readers]
            return begin(*row) if self.tape.bars == start else step(states[-1], *row)

        self.tape.steps.append((states, advance, start))
        return tuple(self.tape.line(start + warm_up, _picked(states, place)) for place in range(results))

    def _smoothed(self, first: int, period: int) -> "StreamLine":
        start, window, read, tape = self.start + first - 1, self.window(first), _reader(self), self.tape
        line = tape.line(start)
        own, weight, multiply_add = line.numbers, 2.0 / (period + 1), kernel_multiply_add()

        def step() -> float:
            if tape.bars == start:
                return start_of(window(), is_price=self.is_price)
            return multiply_add(read() - own[-1], weight, own[-1]) if period > 1 else read()

        tape.steps.append((own, step, start))
        return line

    def _exact(self, kind: ExactKind, period: int) -> "StreamLine | None":
        if not self.is_price:
            return None
        whole = self._whole = self._whole or _Whole(self)
        steps = {"mean": whole.mean, "weighted_mean": whole.weighted_mean, "deviation": whole.deviation}
        return self.tape.line(self.start + period - 1, steps[kind](period))


class _Tape:
    """All lines of an accumulator, in an order in which each finds what it reads.

    Attributes:
        bars: How many came, less one while they are being worked through.
        remembered: How many can be taken back.
        steps: For each line that is computed: its numbers, how to compute the next, and from which bar on.
    """

    def __init__(self, remembered: int) -> None:
        self.bars = 0
        self.remembered = remembered
        self.steps: list[tuple[list[Any], Callable[[], Any], int]] = []
        self._lists: list[list[Any]] = []
        self._reach = 1
        self._warm = 0

    def line(self, start: int, step: Callable[[], float] | None = None, *, is_price: bool = False) -> StreamLine:
        """Return a new line; who gives no ``step`` appends to it."""
        numbers = self.numbers()
        if step is not None:
            self.steps.append((numbers, step, start))
        return StreamLine(self, start, numbers, is_price=is_price)

    def numbers(self) -> list[Any]:
        """Return a list that gets one entry a bar."""
        numbers: list[Any] = []
        self._lists.append(numbers)
        return numbers

    def looks_back(self, bars: int) -> None:
        """Keep that many numbers of every line."""
        self._reach = max(self._reach, bars + 1)

    def close(self) -> None:
        """Note that all lines are there."""
        self._warm = max((start for _, _, start in self.steps), default=0)

    def advance(self) -> None:
        """Compute the next number of every line; those of the inputs are there."""
        bar = self.bars
        if bar >= self._warm:
            for numbers, step, _ in self.steps:
                numbers.append(step())
        else:
            for numbers, step, start in self.steps:
                numbers.append(step() if bar >= start else nan)
        self.bars = bar + 1
        kept = self._reach + self.remembered
        if bar % (kept + 256) == 0:
            for numbers in self._lists:
                del numbers[:-kept]

    def rollback(self, bars: int) -> None:
        """Take the last ``bars`` numbers of every line back."""
        if bars:
            for numbers in self._lists:
                del numbers[len(numbers) - bars :]
        self.bars -= bars


class _Whole:
    """Prices as whole micros, with running sums; what is none is counted."""

    def __init__(self, line: StreamLine) -> None:
        self._line, tape = line, line.tape
        self._micros = tape.numbers()
        read = _reader(line)
        tape.steps.append((self._micros, lambda: whole_micros(read()), 0))
        micros = self._micros
        self._sums = self._running(lambda: micros[-1] or 0)
        self._squares = self._running(lambda: (micros[-1] or 0) ** 2)
        self._others = self._running(lambda: int(micros[-1] is None))

    def _running(self, read: Callable[[], int]) -> list[int]:
        """Return the list of sums so far."""
        sums: list[int] = self._line.tape.numbers()
        self._line.tape.steps.append((sums, lambda: (sums[-1] if sums else 0) + read(), 0))
        return sums

    def _sum(self, sums: list[int], period: int) -> int:
        return sums[-1] - (sums[-1 - period] if self._line.tape.bars >= period else 0)

    def mean(self, period: int) -> Callable[[], float]:
        window, divisor = self._line.window(period), period * MICROS_PER_UNIT
        sums, others = self._sums, self._others

        def step() -> float:
            if self._sum(others, period):
                return mean_of(window())
            return self._sum(sums, period) / divisor

        return step

    def weighted_mean(self, period: int) -> Callable[[], float]:
        window, weights = self._line.window(period), range(1, period + 1)
        weight = period * (period + 1) // 2
        micros, others = self._micros, self._others

        def step() -> float:
            if self._sum(others, period):
                numbers = window()
                return numbers[-1] if period == 1 else numbers[-1] + ramp_of(numbers) / weight
            total: int = sum(map(mul, weights, micros[-period:]))
            return total / (weight * MICROS_PER_UNIT)

        return step

    def deviation(self, period: int) -> Callable[[], float]:
        window, mean = self._line.window(period), self.mean(period)
        micros = self._micros

        def step() -> float:
            if not self._sum(self._others, period):
                held = micros[-period:]
                if period * (max(held) - min(held)) <= WIDEST_WINDOW:
                    spread = period * self._sum(self._squares, period) - self._sum(self._sums, period) ** 2
                    return sqrt(spread) / (period * MICROS_PER_UNIT)
            middle, total = mean(), 0.0
            for number in window():
                total += (number - middle) * (number - middle)
            return sqrt(total / period)

        return step


def _picked(states: list[Any], place: int) -> Callable[[], float]:
    return lambda: states[-1][place]


def _reader(line: Line) -> Callable[[], float]:
    """Return what returns the line's number of the last bar."""
    if not isinstance(line, StreamLine):
        raise TypeError
    numbers, place = line.numbers, -1 - line.behind
    line.tape.looks_back(line.behind + 1)
    return lambda: numbers[place]


def _applied(numbers: Callable[..., float], operands: Sequence[Line | float]) -> Callable[[], float]:
    """Return what returns ``numbers`` of the operands' numbers of the last bar."""
    places = [(one.numbers, -1 - one.behind) if isinstance(one, StreamLine) else ([one], 0) for one in operands]
    if len(places) == 1:
        ((only, place),) = places
        return lambda: numbers(only[place])
    if len(places) == 2:  # noqa: PLR2004 - nearly all have two operands
        (left, first), (right, second) = places
        return lambda: numbers(left[first], right[second])
    return lambda: numbers(*[row[place] for row, place in places])
