"""A formula is planned once and run over arrays: what is asked twice is computed once, and nothing is held too long."""

import weakref
from collections.abc import Callable

import numpy as np
import pytest

from jutsu_core.indicators.inputs import FloatArray
from jutsu_core.indicators.lines import Line, Operation
from jutsu_core.indicators.programs import Plan

CLOSES = np.array([3.0, 1.0, 2.0, 5.0, 4.0])


def rows_of(plan: Plan, count: int, *inputs: FloatArray) -> FloatArray:
    rows = np.empty((count, len(inputs[0])))
    plan.program().run(inputs, list(rows))
    return rows


def counted(calls: list[int]) -> Operation:
    def double(values: FloatArray) -> FloatArray:
        calls.append(len(values))
        return values * 2.0

    return Operation(double, lambda value: value * 2.0)


def test_what_is_asked_twice_is_computed_once() -> None:
    calls: list[int] = []
    plan, double = Plan({"close": True}), counted(calls)
    for _ in range(2):
        plan.result(plan.lines["close"].apply(double) + 1.0)
    rows = rows_of(plan, 2, CLOSES)
    assert calls == [5]
    assert rows.tolist() == [(CLOSES * 2 + 1).tolist()] * 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (lambda line: line + 1.0, lambda line: line + 2.0),
        (lambda line: line - 1.0, lambda line: line + 1.0),
        (lambda line: line.lag(1), lambda line: line.lag(2)),
        (lambda line: line.skip(1), lambda line: line.lag(1)),
        (lambda line: line.mean(2), lambda line: line.mean(3)),
        (lambda line: line.highest(2), lambda line: line.lowest(2)),
        (lambda line: line.choose(2.0, 1.0, 0.0), lambda line: line.choose(2.0, 0.0, 1.0)),
    ],
)
def test_what_differs_is_not_taken_for_the_same(one: Callable[[Line], Line], other: Callable[[Line], Line]) -> None:
    together, alone = Plan({"close": True}), []
    for formula in (one, other):
        plan = Plan({"close": True})
        plan.result(formula(plan.lines["close"]))
        alone.append(rows_of(plan, 1, CLOSES)[0])
        together.result(formula(together.lines["close"]))
    rows = rows_of(together, 2, CLOSES)
    np.testing.assert_array_equal(rows, np.array(alone))
    assert not np.array_equal(rows[0], rows[1], equal_nan=True)


def test_an_input_may_be_a_result_and_is_never_written_to() -> None:
    plan, before = Plan({"close": True}), CLOSES.copy()
    close = plan.lines["close"]
    for line in (close, close.lag(2), close - 1.0, close):
        plan.result(line)
    rows = rows_of(plan, 4, CLOSES)
    assert rows[0].tolist() == rows[3].tolist() == before.tolist()
    assert rows[1].tolist()[2:] == [3.0, 1.0, 2.0]
    assert np.isnan(rows[1][:2]).all()
    assert rows[2].tolist() == [2.0, 0.0, 1.0, 4.0, 3.0]
    assert CLOSES.tolist() == before.tolist()


@pytest.mark.parametrize("length", range(6))
def test_a_series_of_any_length_has_a_row_of_it(length: int) -> None:
    plan = Plan({"close": True})
    close = plan.lines["close"]
    lines = (
        close.lag(3),
        close.mean(3).lag(2),
        (close.change(2) * 2.0).highest(2),
        close.exponential(4),
        close.skip(9),
    )
    for line in lines:
        plan.result(line)
    rows = rows_of(plan, len(lines), CLOSES[:length])
    for row, line in zip(rows, lines, strict=True):
        assert np.isnan(row).tolist() == [place < line.start for place in range(length)]


def test_an_array_is_let_go_after_its_last_reader() -> None:
    made: list[weakref.ref[FloatArray]] = []
    alive: list[int] = []

    def watched(values: FloatArray) -> FloatArray:
        alive.append(sum(reference() is not None for reference in made))
        array = values + 1.0
        made.append(weakref.ref(array))
        return array

    plan = Plan({"close": True})
    line: Line = plan.lines["close"]
    for _ in range(6):
        line = line.apply(Operation(watched, lambda value: value + 1.0))
    plan.result(line)
    assert rows_of(plan, 1, CLOSES)[0].tolist() == (CLOSES + 6).tolist()
    assert alive == [0, 1, 1, 1, 1, 1]


def test_a_program_runs_again_with_other_arrays() -> None:
    plan = Plan({"close": True})
    plan.result(plan.lines["close"].mean(2))
    program = plan.program()
    for values in (CLOSES, CLOSES[:1], CLOSES * 3.0):
        row = np.empty(len(values))
        program.run([values], [row])
        np.testing.assert_array_equal(row[1:], (values[1:] + values[:-1]) / 2)
