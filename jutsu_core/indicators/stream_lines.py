"""Lines that grow by one number a bar: formulas over what comes one bar after another.

Each line remembers its last numbers, so that bars are taken back by dropping list ends.

What does not belong here: bars and what is demanded of them (``accumulators``), and operations on whole
arrays (``programs``).
"""

from collections.abc import Callable, Sequence
from math import nan, sqrt
from operator import mul
from typing import Any

from jutsu_core.bars import MICROS_PER_UNIT
from jutsu_core.indicators.averages import WIDEST_WINDOW, kernel_multiply_add, whole_micros
from jutsu_core.indicators.lines import ExactKind, Line, Operation, State
from jutsu_core.indicators.one_window import mean_of, ramp_of, start_of


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
        self, tape: "Tape", start: int, numbers: list[float], behind: int = 0, *, is_price: bool = False
    ) -> None:
        super().__init__()
        self.tape, self.start, self.numbers, self.behind, self.is_price = tape, start, numbers, behind, is_price
        self._whole: _Whole | None = None

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

    def products(self, center: Line, other: Line, other_center: Line, period: int) -> "StreamLine":  # noqa: D102
        if not isinstance(other, StreamLine):
            raise TypeError
        window, others = self.window(period), other.window(period)
        middle, other_middle = _reader(center), _reader(other_center)

        def step() -> float:
            around, other_around, total = middle(), other_middle(), 0.0
            for number, beside in zip(window(), others(), strict=True):
                total += (number - around) * (beside - other_around)
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


class Tape:
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

    def held(self) -> tuple[int, list[list[Any]]]:
        """Return how many bars came, and what is remembered of every line."""
        return self.bars, [list(numbers) for numbers in self._lists]

    def resume(self, held: tuple[int, list[list[Any]]]) -> None:
        """Go on from what another tape of the same lines held."""
        self.bars, remembered = held
        for numbers, values in zip(self._lists, remembered, strict=True):
            numbers[:] = values


class _Whole:
    """Prices as whole micros, with running sums; what is none is counted."""

    def __init__(self, line: StreamLine) -> None:
        self._line, tape = line, line.tape
        self._micros = tape.numbers()
        read = _reader(line)
        tape.steps.append((self._micros, lambda: whole_micros(read()), 0))
        micros = self._micros
        self._sums = self._running(lambda: micros[-1] or 0)
        self._squares: list[int] | None = None
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
        if self._squares is None:
            self._squares = self._running(lambda: (micros[-1] or 0) ** 2)
        squares = self._squares

        def step() -> float:
            if not self._sum(self._others, period):
                held = micros[-period:]
                if period * (max(held) - min(held)) <= WIDEST_WINDOW:
                    spread = period * self._sum(squares, period) - self._sum(self._sums, period) ** 2
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
