"""Formulas over whole arrays: planned once, then run over the bars of one symbol after another.

What a formula asks of its lines is the same for every symbol: what is added to what, how long each window is, where
each line begins. A ``Plan`` hands the formula lines without numbers and notes what it does with them as steps. The
``Program`` takes the steps over arrays: what was asked twice is computed once, and an array is let go after the last
step that reads it.

What does not belong here: operations on numbers (``averages``, ``lines``), and lines that grow by the bar
(``stream_lines``).
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from jutsu_core.indicators.averages import (
    WholePrices,
    distance_sums,
    highest,
    lowest,
    product_sums,
    since_highest,
    smoothed,
)
from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.kernels import require_kernel_defaults
from jutsu_core.indicators.lines import ExactKind, Line, Operation, State
from jutsu_core.indicators.one_window import start_of

_FEW = 64
# To add it costs half of adding the number 0.0, which is made an array of each time.
_ZERO = np.zeros(())
_ROWS = 0


class Read(NamedTuple):
    """What a step reads: an array, from some place on, less some at its end.

    Attributes:
        slot: Which array.
        first: How many of its first numbers are left out.
        behind: How many of its last are.
    """

    slot: int
    first: int = 0
    behind: int = 0

    @property
    def part(self) -> slice | None:
        """Return the part of the array, None if it is all."""
        return slice(self.first, -self.behind or None) if self.first or self.behind else None


class Step(NamedTuple):
    """One array that a program computes.

    Attributes:
        compute: Makes it of what is read.
        reads: Slots and the parts of them, None for all.
        spent: Slots that no later step reads.
    """

    compute: Callable[..., Any]
    reads: tuple[tuple[int, slice | None], ...]
    spent: tuple[int, ...]


class Program(NamedTuple):
    """What formulas compute, in an order in which each step finds what it reads.

    Attributes:
        steps: One for each array.
        is_recursive: Whether a kernel may be among them that obeys TA-Lib's process-wide settings.

    Examples:
        >>> plan = Plan({"close": True})
        >>> plan.result(plan.lines["close"].mean(2))
        >>> row = np.empty(3)
        >>> plan.program().run([np.array([1.0, 2.0, 6.0])], [row])
        >>> row
        array([nan, 1.5, 4. ])
    """

    steps: tuple[Step, ...]
    is_recursive: bool

    def run(self, inputs: Sequence[FloatArray], rows: Sequence[FloatArray]) -> None:
        """Write every result into its row, NaN before its first number.

        Args:
            inputs: Arrays of one length for the inputs of the plan, in its order; never written to.
            rows: An array of that length for every result, in the order in which the plan was told of them.

        Raises:
            InvalidInputError: TA-Lib's process-wide settings were changed.
        """
        # Once for all of them: to ask costs as much as an average of a thousand values.
        if self.is_recursive:
            require_kernel_defaults("EMA", "RSI")
        held: list[Any] = [rows, *inputs]
        for compute, reads, spent in self.steps:
            held.append(compute(*[held[slot] if part is None else held[slot][part] for slot, part in reads]))
            for slot in spent:
                held[slot] = None


class Plan:
    """A program while formulas are telling what they compute.

    Args:
        inputs: Whether they are prices, whose whole micros are summed exactly, by name.

    Attributes:
        lines: The inputs' lines, by name.
        is_recursive: Whether a kernel was asked for that may obey TA-Lib's process-wide settings.
    """

    def __init__(self, inputs: Mapping[str, bool]) -> None:
        self.lines: dict[str, PlannedLine] = {
            name: PlannedLine(self, slot, 0, is_price=is_price)
            for slot, (name, is_price) in enumerate(inputs.items(), _ROWS + 1)
        }
        self._steps: list[tuple[Callable[..., Any], tuple[Read, ...]]] = []
        self._known: dict[tuple[object, tuple[Read, ...]], int] = {}
        self._moved: dict[int, int] = {}
        self._results = 0
        self.is_recursive = False

    def step(self, compute: Callable[..., Any], reads: tuple[Read, ...], key: object = None) -> int:
        """Return the slot of what ``compute`` makes of ``reads``: a new one, or that of an equal ``key``."""
        slot = self._known.get((key, reads)) if key is not None else None
        if slot is None:
            self._steps.append((compute, reads))
            slot = len(self.lines) + len(self._steps)
            if key is not None:
                self._known[key, reads] = slot
        return self._moved.get(slot, slot)

    def knows(self, key: object, reads: tuple[Read, ...]) -> bool:
        """Return whether there is such a step."""
        return (key, reads) in self._known

    def result(self, line: Line) -> None:
        """Note that ``line`` is the next result."""
        if not isinstance(line, PlannedLine):
            raise TypeError
        place, start = self._results, line.start
        self._results += 1

        def write(rows: Sequence[FloatArray], values: FloatArray) -> FloatArray:
            row = rows[place]
            row[:start] = np.nan
            # Which zero a minimum or a maximum takes is the machine's choice; + 0.0 leaves one.
            written: FloatArray = np.add(values, _ZERO, out=row[start:])
            return written

        slot = self.step(write, (Read(_ROWS), line.read(start)))
        # Who reads the line after this reads it there, so that its numbers are held once.
        if line.is_whole_array:
            self._moved[line.slot] = slot
            line.slot = slot

    def program(self) -> Program:
        """Return the program."""
        last = {slot: place for place, (_, reads) in enumerate(self._steps) for slot, _, _ in reads}
        spent: list[list[int]] = [[] for _ in self._steps]
        for slot, place in last.items():
            if slot != _ROWS:
                spent[place].append(slot)
        steps = [
            Step(compute, tuple([(read.slot, read.part) for read in reads]), tuple(gone))
            for (compute, reads), gone in zip(self._steps, spent, strict=True)
        ]
        return Program(tuple(steps), self.is_recursive)


class PlannedLine(Line):
    """A line of a plan, which has numbers while the program runs.

    Args:
        plan: What computes it.
        slot: The array that its numbers stand in.
        first: Place of the bar of the array's first number.
        start: Place of the bar of the line's; None if it is that of the array's.
        behind: How many bars ago the line's number of a bar is among the array's.
        is_price: Whether they are prices, whose whole micros are summed exactly.
    """

    def __init__(
        self, plan: Plan, slot: int, first: int, *, start: int | None = None, behind: int = 0, is_price: bool = False
    ) -> None:
        super().__init__()
        self.slot = slot
        self.start = first if start is None else start
        self._plan, self._first, self._behind, self._is_price = plan, first, behind, is_price

    @property
    def is_whole_array(self) -> bool:
        """Return whether its numbers are all that stand in its array."""
        return self.start == self._first

    def read(self, start: int) -> Read:
        """Return what reads its numbers from the bar ``start`` on."""
        return Read(self.slot, start - self._behind - self._first, self._behind)

    def apply(self, operation: Operation, *others: "Line | float") -> "PlannedLine":  # noqa: D102 - as the base says
        lines: list[PlannedLine] = [self]
        numbers: list[float | None] = [None]
        # Numbers first: to ask a number whether it is a line, an abstract class, takes long.
        for other in others:
            if isinstance(other, float | int):
                numbers.append(float(other))
            elif isinstance(other, PlannedLine):
                numbers.append(None)
                lines.append(other)
        compute = operation.arrays if len(lines) == len(numbers) else _bound(operation.arrays, numbers)
        return self._made(compute, lines, key=(operation.arrays, *numbers))

    def lag(self, bars: int) -> "PlannedLine":  # noqa: D102
        return PlannedLine(self._plan, self.slot, self._first, start=self.start + bars, behind=self._behind + bars)

    def skip(self, bars: int) -> "PlannedLine":  # noqa: D102
        start, behind = self.start + bars, self._behind
        return PlannedLine(self._plan, self.slot, self._first, start=start, behind=behind, is_price=self._is_price)

    def highest(self, period: int) -> "PlannedLine":  # noqa: D102
        return self._made(lambda values: highest(values, period), [self], period - 1, key=("highest", period))

    def lowest(self, period: int) -> "PlannedLine":  # noqa: D102
        return self._made(lambda values: lowest(values, period), [self], period - 1, key=("lowest", period))

    def since_highest(self, period: int) -> "PlannedLine":  # noqa: D102
        return self._made(lambda values: since_highest(values, period), [self], period, key=("since_highest", period))

    def cumulative(self) -> "PlannedLine":  # noqa: D102
        return self._made(np.cumsum, [self], key="cumulative")

    def distances(self, center: Line, period: int, *, squared: bool) -> "PlannedLine":  # noqa: D102
        if not isinstance(center, PlannedLine):
            raise TypeError
        reads = (self.read(self.start), center.read(center.start))
        slot = self._plan.step(
            lambda values, centers: distance_sums(values, centers, period, squared=squared),
            reads,
            key=("distances", period, squared),
        )
        return PlannedLine(self._plan, slot, center.start)

    def products(self, center: Line, other: Line, other_center: Line, period: int) -> "PlannedLine":  # noqa: D102
        lines = (center, other, other_center)
        centers, others, other_centers = (line for line in lines if isinstance(line, PlannedLine))
        start, end = max(self.start, others.start), centers.start
        reads = (self.read(start), centers.read(end), others.read(start), other_centers.read(end))
        slot = self._plan.step(
            lambda values, centers, others, other_centers: product_sums(values, centers, others, other_centers, period),
            reads,
            key=("products", period),
        )
        return PlannedLine(self._plan, slot, end)

    def scan(  # noqa: D102
        self,
        begin: Callable[..., State],
        step: Callable[..., State],
        *others: Line,
        results: int = 1,
        warm_up: int = 0,
        kernel: Callable[..., tuple[FloatArray, ...]] | None = None,
    ) -> tuple[Line, ...]:
        lines = [line for line in (self, *others) if isinstance(line, PlannedLine)]
        self._plan.is_recursive |= kernel is not None
        all_steps = kernel or (lambda *columns: scanned(begin, step, columns, results))
        made = self._made(all_steps, lines, key=("scan", begin, step, results, kernel))
        return tuple(
            PlannedLine(
                self._plan,
                self._plan.step(_picked(place, warm_up), (Read(made.slot),), key=("picked", place, warm_up)),
                made.start + warm_up,
            )
            for place in range(results)
        )

    def _smoothed(self, first: int, period: int) -> "PlannedLine":
        self._plan.is_recursive = True
        own = self.read(self.start)
        # The running sums of all prices cost more than a few prices one by one; both give the same bits.
        is_price = self._is_price
        reads = (own, self._whole()) if is_price and (first > _FEW or self._plan.knows(WholePrices, (own,))) else (own,)
        slot = self._plan.step(
            lambda values, whole=None: _begun(values, whole, first, period, is_price=is_price),
            reads,
            key=("smoothed", first, period),
        )
        return PlannedLine(self._plan, slot, self.start + first - 1)

    def _exact(self, kind: ExactKind, period: int) -> "PlannedLine | None":
        if not self._is_price:
            return None
        slot = self._plan.step(
            lambda values, whole: _windows(values, whole, kind, period),
            (self.read(self.start), self._whole()),
            key=(kind, period),
        )
        return PlannedLine(self._plan, slot, self.start + period - 1)

    def _whole(self) -> Read:
        """Return what reads its prices in whole micros."""
        return Read(self._plan.step(WholePrices, (self.read(self.start),), key=WholePrices))

    def _made(
        self, compute: Callable[..., Any], lines: "Sequence[PlannedLine]", later: int = 0, *, key: object
    ) -> "PlannedLine":
        """Return the line of what ``compute`` makes of ``lines`` where all have numbers, ``later`` bars later."""
        start = max([line.start for line in lines])
        slot = self._plan.step(compute, tuple([line.read(start) for line in lines]), key)
        return PlannedLine(self._plan, slot, start + later)


def scanned(
    begin: Callable[..., State], step: Callable[..., State], columns: Sequence[FloatArray], results: int
) -> tuple[FloatArray, ...]:
    """Return what ``Line.scan`` says, state by state.

    Examples:
        >>> scanned(lambda x: (x,), lambda state, x: (state[0] + x,), [np.array([1.0, 2.0])], 1)
        (array([1., 3.]),)
    """
    rows = zip(*(column.tolist() for column in columns), strict=True)
    first = next(rows, None)
    if first is None:
        return tuple(np.empty(0) for _ in range(results))
    states = [state := begin(*first)]
    for row in rows:
        state = step(state, *row)
        states.append(state)
    return tuple(np.array([state[place] for state in states]) for place in range(results))


def _bound(function: Callable[..., Any], numbers: Sequence[float | None]) -> Callable[..., Any]:
    """Return ``function`` of the operands that are None; the others are these numbers."""
    # As arrays: of a number, NumPy makes one with every call.
    constants = [None if number is None else np.asarray(number) for number in numbers]
    if len(constants) == 2:  # noqa: PLR2004 - nearly all have two operands
        _, second = constants
        return lambda values: function(values, second)

    def call(*values: FloatArray) -> Any:  # noqa: ANN401 - what the function returns
        rest = iter(values)
        return function(*[next(rest) if constant is None else constant for constant in constants])

    return call


def _picked(place: int, warm_up: int) -> Callable[[tuple[FloatArray, ...]], FloatArray]:
    return lambda made: made[place][warm_up:]


def _begun(values: FloatArray, whole: WholePrices | None, first: int, period: int, *, is_price: bool) -> FloatArray:
    """Return the exponential average that begins with the mean of the ``first`` values."""
    if len(values) < first:
        return values[:0]
    start = whole.first_mean(first) if whole is not None else None
    if start is None:
        start = start_of(values[:first].tolist(), is_price=is_price)
    return smoothed(values[first:], start, period)


def _windows(values: FloatArray, whole: WholePrices, kind: ExactKind, period: int) -> FloatArray:
    """Return the windows of prices: exact where they hold whole micros alone, in floats elsewhere."""
    if len(values) < period:
        return values[:0]
    is_exact = whole.is_whole(period)
    if is_exact is not None and not is_exact.any():
        return _in_floats(values, kind, period)
    made = np.empty(len(values) - period + 1)
    if kind == "deviation":
        is_narrow = whole.deviation(period, out=made)
        if is_narrow is not None:
            is_exact = is_narrow if is_exact is None else is_exact & is_narrow
    elif kind == "mean":
        whole.mean(period, out=made)
    else:
        whole.weighted_mean(period, out=made)
    if is_exact is not None and not is_exact.all():
        np.copyto(made, _in_floats(values, kind, period), where=~is_exact)
    return made


def _in_floats(values: FloatArray, kind: ExactKind, period: int) -> FloatArray:
    row = np.empty(len(values))
    _program_of_floats(kind, period).run([values], [row])
    return row[period - 1 :]


@lru_cache(maxsize=256)
def _program_of_floats(kind: ExactKind, period: int) -> Program:
    plan = Plan({"prices": True})
    plan.result(plan.lines["prices"].window_of_floats(kind, period))
    return plan.program()
