"""Every public call of the core refuses what it cannot mean, with our error and by the caller's name.

The table below has a row for each public function, method and constructor of the core, and in it what
kind of thing each parameter is. What a kind refuses stands once. A call without a row, or a
parameter without a kind, fails here, so that nothing new comes in unchecked.
"""

import importlib
import inspect
import math
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

import numpy as np
import pandas as pd
import pytest

import jutsu_core
from jutsu_core import access, answers, bars, bounds, calendar, events, history, ports, sessions, windows
from jutsu_core.backtest import orders, portfolio
from jutsu_core.backtest.book import OrderBook
from jutsu_core.backtest.loop import EventLoop
from jutsu_core.backtest.strategies import MovingAverageCross
from jutsu_core.backtest.strategy import Tape, View
from jutsu_core.backtest.window import Window
from jutsu_core.bars import BarColumns, Timeframe
from jutsu_core.calendar import TradingCalendar
from jutsu_core.errors import InvalidInputError
from jutsu_core.history import DailyHistory, HistoryRequest
from jutsu_core.indicators import catalog as indicator_catalog
from jutsu_core.indicators import definitions, latest
from jutsu_core.indicators.accumulators import Accumulator
from jutsu_core.metrics import (
    attribution,
    benchmark,
    catalog,
    contributions,
    drawdown,
    figures,
    group_attribution,
    many,
    market,
    measures,
    periods,
    regression,
    returns,
    risk,
    rolling,
    series,
    splits,
    stored_report,
    trade_measures,
    trades,
)
from jutsu_core.metrics.analyzer import PerformanceAnalyzer
from jutsu_core.metrics.drawdown import Drawdown
from jutsu_core.ports import CoverageWindow
from jutsu_core.quoted import QuotedSession, QuotedUpdates
from jutsu_core.windows import SessionWindow
from tests.jutsu_core.indicators.references import random_bars
from tests.support.bad_values import (
    ANYTHING,
    ARRAYS,
    BARS,
    BELOW,
    BELOW_FIRST,
    BOUNDS,
    CHOICES,
    CODES,
    COSTS,
    DATE_LISTS,
    DATED,
    DATES,
    EMPTY,
    EVERY_SERIES,
    FAR_APART,
    FLAGS,
    FRAMES,
    FRIDAY,
    HISTORIES,
    INTEGERS,
    LISTS,
    MOMENTS,
    NAIVE,
    NAMES,
    NOT_DAILY,
    NUMBERS,
    PERIODS,
    PRICES,
    RATES,
    REALS,
    SYMBOLS,
    TRADES,
    TRIPS,
    VOLUMES,
    WIDTHS,
    YEARLY,
    ZONES,
    Bad,
    with_value,
)
from tests.support.builders import NOON, SettableClock, bar, event, fetched
from tests.support.memory_store import MemoryBarStore
from tests.support.streamed_bars import StreamedBars

NYSE = TradingCalendar("XNYS", date(2013, 1, 1), date(2013, 12, 31))
Kind = tuple[object, Bad]


@dataclass(frozen=True)
class Row:
    """A call that works, and by parameter what it refuses."""

    call: Callable[..., object]
    sound: dict[str, object]
    refused: dict[str, Bad]


def row(call: Callable[..., object], /, **parameters: Kind) -> Row:
    sound = {name: value for name, (value, _) in parameters.items()}
    return Row(call, sound, {name: bad for name, (_, bad) in parameters.items()})


def optional(kind: Kind) -> Kind:
    """Return ``kind`` where None may be given."""
    return kind[0], {name: bad for name, bad in kind[1].items() if bad is not None}


def a_fill(price: str = "5", direction: Literal["BUY", "SELL"] = "BUY") -> events.FillEvent:
    return events.FillEvent(
        symbol="AAPL", timestamp=NOON, direction=direction, quantity=Decimal(1), fill_price=Decimal(price)
    )


class NoSource(ports.BarSource):
    """A source that nobody asks."""

    name = "none"

    def fetch(self, symbol: str, timeframe: Timeframe, start: datetime, end: datetime) -> ports.FetchedBars:
        raise AssertionError((symbol, timeframe, start, end))


STORE = MemoryBarStore(SettableClock(NOON))
STORE.write("DONE", Timeframe.D1, fetched(bar(FRIDAY)))
HISTORY = DailyHistory(NoSource(), STORE, NYSE, SettableClock(NOON))
REQUEST = HistoryRequest(symbol="AAPL", first=FRIDAY)
QUOTED = QuotedUpdates(STORE, HISTORY, NYSE, SettableClock(NOON))
QUOTE = QuotedSession(bar=bar(FRIDAY), previous_close=1, asked_at=NOON)
COVERAGE = [CoverageWindow(start=NOON, end=NOON, asked_at=NOON, bars=0)]
COLUMNS = (DATED.to_frame("a") / 100, FRAMES)
WEIGHTS = pd.DataFrame([[0.4, 0.6]], columns=["a", "b"])
SPLIT = splits.Split(symbol="AAPL", timestamp=NOON, ratio=Decimal(2))
TRIALS = measures.Trials(10, 0.01)
TRIP = trades.round_trips([a_fill(), a_fill("6", "SELL")])
ANALYZER = PerformanceAnalyzer(annualize_partial_years=True)
STORED = stored_report.stored_report([], [{"timestamp": NOON, "total_value": 1}])
STATE = access.AccessState()
TAPE = Tape()
TAPE.add(NOON, [event()])
VIEW = View(TAPE, portfolio.Portfolio(Decimal(1)), OrderBook())
STATES = (STATE, ANYTHING)
HOLDER = ("me", SYMBOLS)
A_MOMENT = (NOON, MOMENTS)
POSITIVE = (DATED, EVERY_SERIES | EMPTY | BELOW | FAR_APART)
BASED = (DATED, EVERY_SERIES | EMPTY | BELOW_FIRST)
RETURNS = (DATED / 100, EVERY_SERIES | {"beyond sense": with_value(1e200, 3, "float64")})
FLOWS = optional((DATED * 0, EVERY_SERIES | {"other rows": DATED[1:] * 0}))
CLOSES = (np.array(NUMBERS), ARRAYS)
DATA = (DATED, EVERY_SERIES | EMPTY)
PERIOD = (2, PERIODS)
A_YEAR = (252, YEARLY)
RATE = (0.02, RATES)
FLAG = (True, FLAGS)
ELAPSED = optional((400, INTEGERS))
SPAN: dict[str, Kind] = {"elapsed_days": ELAPSED, "annualize_partial_years": FLAG}
SYMBOL = ("AAPL", SYMBOLS)
ZONE = ("America/New_York", ZONES)
SEVERAL = {name: bad for name, bad in LISTS.items() if name != "text"} | {"one None": ["AAPL", None]}
SPECS = ([indicator_catalog.indicator("rsi")], LISTS)
ACCUMULATOR = Accumulator([indicator_catalog.indicator("sma", period=2)])
COUNTS = INTEGERS | {"negative": -1}
BAR = bars.Bar(NOON, 1_000_000, 2_000_000, 1_000_000, 2_000_000, 7)
IDENTITY: dict[str, tuple[object, Bad]] = {
    "symbol": ("AAPL", SYMBOLS | {"blank": " "}),
    "timestamp": (NOON, MOMENTS),
}
TICKER = ("AAPL", SYMBOLS | {"blank": " "})
AMOUNTS = {name: bad for name, bad in PRICES.items() if name != "zero"} | {
    "infinity": Decimal("Infinity"),
    "a signalling NaN": Decimal("sNaN"),
    "too large": Decimal("1e15"),
    "too fine": Decimal("1e-13"),
}
POSITIVE_AMOUNTS = AMOUNTS | {"zero": Decimal(0), "negative": Decimal(-1)}
ACCOUNT: dict[str, Kind] = {
    "cash": (Decimal(1), POSITIVE_AMOUNTS),
    "costs": (portfolio.NO_COSTS, ANYTHING),
    "lot": (Decimal(1), POSITIVE_AMOUNTS),
    "allows_short": FLAG,
}
FRAME_FRAMES = FRAMES | {
    "newest first": random_bars(4).iloc[::-1],
    "a column twice": pd.concat([random_bars(4), random_bars(4)[["close"]]], axis="columns"),
}

TABLE: dict[str, Row] = {
    "access.admit": row(access.admit, state=STATES, now=A_MOMENT, holder=HOLDER),
    "access.after_success": row(access.after_success, state=STATES, holder=HOLDER),
    "access.after_failure": row(
        access.after_failure,
        state=STATES,
        now=A_MOMENT,
        holder=HOLDER,
        reason=("why", SYMBOLS),
        rest=(timedelta(1), ANYTHING),
    ),
    "access.after_retry": row(access.after_retry, state=STATES, _=(NOON, {})),
    "access.is_admitted": row(access.is_admitted, state=STATES, now=A_MOMENT, holder=HOLDER),
    "answers.checked_symbol": row(answers.checked_symbol, symbol=("AAPL", SYMBOLS | {"blank": " "})),
    "answers.checked_answer": row(answers.checked_answer, fetched=(fetched(bar(FRIDAY)), ANYTHING)),
    "answers.later_windows": row(
        answers.later_windows, fetched=(fetched(bar(FRIDAY)), ANYTHING), coverage=(COVERAGE, LISTS), now=A_MOMENT
    ),
    "answers.are_outside": row(
        answers.are_outside, values=(np.ones((1, 6), dtype=np.int64), ANYTHING), windows=(COVERAGE, LISTS)
    ),
    "backtest.orders.TradeQuantity": row(
        orders.TradeQuantity, symbol=TICKER, quantity=(Decimal(1), AMOUNTS | {"zero": Decimal(0)})
    ),
    "backtest.orders.TargetQuantity": row(orders.TargetQuantity, symbol=TICKER, quantity=(Decimal(1), AMOUNTS)),
    "backtest.orders.TargetWeight": row(
        orders.TargetWeight, symbol=TICKER, weight=(Decimal(1), AMOUNTS | {"two": Decimal(2)})
    ),
    "backtest.portfolio.TradingCosts": row(
        portfolio.TradingCosts,
        **dict.fromkeys(("per_fill", "per_share", "minimum"), (Decimal(1), COSTS | AMOUNTS)),
        **dict.fromkeys(("commission_rate", "slippage_rate"), (Decimal(1), COSTS | AMOUNTS | {"two": Decimal(2)})),
    ),
    "backtest.portfolio.Portfolio": row(portfolio.Portfolio, **ACCOUNT),
    "backtest.loop.EventLoop": row(
        EventLoop,
        handler=(StreamedBars([event()]), ANYTHING | {"a class": StreamedBars}),
        strategy=(MovingAverageCross(), ANYTHING | {"a class": MovingAverageCross}),
        **ACCOUNT,
    ),
    "backtest.loop.EventLoop.run": row(
        EventLoop(StreamedBars([event()]), MovingAverageCross(), cash=Decimal(1)).run,
    ),
    "backtest.strategies.MovingAverageCross": row(
        MovingAverageCross,
        fast=(2, INTEGERS | {"zero": 0}),
        slow=(3, INTEGERS | {"one": 1, "as fast": 2}),
        weight=(Decimal(1), AMOUNTS | {"two": Decimal(2), "negative": Decimal(-1)}),
    ),
    "backtest.strategies.MovingAverageCross.decide": row(MovingAverageCross().decide, view=(VIEW, {})),
    "backtest.strategy.View.position": row(VIEW.position, symbol=("AAPL", NAMES)),
    "backtest.strategy.View.bars": row(VIEW.bars, symbol=("AAPL", NAMES), count=(1, INTEGERS | {"zero": 0})),
    "backtest.strategy.View.closes": row(VIEW.closes, symbol=("AAPL", NAMES), count=(1, INTEGERS | {"zero": 0})),
    "backtest.window.Window": row(
        Window,
        handler=(StreamedBars([event()]), ANYTHING | {"a class": StreamedBars}),
        symbols=(["AAPL"], SEVERAL),
        start=(NOON, BOUNDS),
        end=(NOON, BOUNDS | {"before the start": NOON - timedelta(1)}),
    ),
    "bars.Timeframe.parse": row(Timeframe.parse, text=("1d", {"timeframe": None, "unknown": "2d", "a list": ["1d"]})),
    "bars.BarColumns.of": row(BarColumns.of, bars=([bar(FRIDAY)], BARS)),
    "bars.to_micros": row(
        bars.to_micros, price=(Decimal("1.5"), {name: bad for name, bad in PRICES.items() if name != "zero"})
    ),
    "bars.from_micros": row(bars.from_micros, micros=(7, INTEGERS)),
    "bars.session_timestamp": row(bars.session_timestamp, session=(FRIDAY, DATES)),
    "bars.to_epoch": row(bars.to_epoch, moment=A_MOMENT),
    "bars.from_epoch": row(bars.from_epoch, microseconds=(7, INTEGERS | {"beyond time": 2**63})),
    "bars.bars_to_frame": row(bars.bars_to_frame, symbol=SYMBOL, bars=([bar(FRIDAY)], BARS)),
    "bars.columns_to_frame": row(
        bars.columns_to_frame, symbol=SYMBOL, columns=(BarColumns.of([bar(FRIDAY)]), ANYTHING)
    ),
    "bounds.instant_of": row(
        bounds.instant_of, name=("start", {}), bound=("2013-03-01", BOUNDS), absent=(NOON, {}), exchange_zone=ZONE
    ),
    "calendar.TradingCalendar": row(
        TradingCalendar, name=("XNYS", CODES), first=(date(2013, 1, 1), DATES), last=(date(2013, 12, 31), DATES)
    ),
    "calendar.TradingCalendar.sessions": row(NYSE.sessions, first=(FRIDAY, DATES), last=(FRIDAY, DATES)),
    "calendar.TradingCalendar.open": row(NYSE.open, session=(FRIDAY, DATES)),
    "calendar.TradingCalendar.close": row(NYSE.close, session=(FRIDAY, DATES)),
    "calendar.TradingCalendar.last_complete_session": row(NYSE.last_complete_session, now=A_MOMENT),
    "calendar.exchange_zone": row(calendar.exchange_zone, name=("XNYS", CODES), year=(2013, YEARLY)),
    "calendar.closing_times": row(calendar.closing_times, name=("XNYS", CODES), year=(2013, YEARLY)),
    "calendar.day_off": row(calendar.day_off, name=("XNYS", CODES), day=(date(2013, 3, 2), DATES)),
    "events.MarketDataEvent": row(
        events.MarketDataEvent,
        **IDENTITY,
        **dict.fromkeys(("open", "high", "low", "close"), (Decimal(5), PRICES)),
        volume=(7, VOLUMES),
        timeframe=(Timeframe.D1, {"None": None, "text": "1d"}),
    ),
    "events.MarketDataEvent.of_bar": row(
        events.MarketDataEvent.of_bar,
        symbol=SYMBOL,
        bar=(bar(FRIDAY), ANYTHING | {"a tuple": tuple(bar(FRIDAY))}),
        timeframe=(Timeframe.D1, {"None": None, "text": "1d"}),
    ),
    "events.SignalEvent": row(
        events.SignalEvent, **IDENTITY, direction=("EXIT", CHOICES), strength=(Decimal(1), PRICES | {"two": Decimal(2)})
    ),
    "events.OrderEvent": row(
        events.OrderEvent,
        **IDENTITY,
        direction=("BUY", CHOICES),
        quantity=(Decimal(1), PRICES),
        order_type=("STOP_LIMIT", CHOICES),
        limit_price=(Decimal(1), PRICES),
        stop_price=(Decimal(1), PRICES),
    ),
    "events.FillEvent": row(
        events.FillEvent,
        **IDENTITY,
        direction=("BUY", CHOICES),
        quantity=(Decimal(1), PRICES),
        fill_price=(Decimal(1), PRICES),
        commission=(Decimal(1), COSTS),
        slippage=(Decimal(1), COSTS),
    ),
    "history.HistoryRequest": row(
        HistoryRequest,
        symbol=SYMBOL,
        first=(FRIDAY, DATES),
        last=optional((FRIDAY, DATES)),
        verify=FLAG,
    ),
    "history.DailyHistory.require_session": row(
        HISTORY.require_session, first=(FRIDAY, DATES), last=optional((FRIDAY, DATES))
    ),
    "history.DailyHistory.expected_sessions": row(
        HISTORY.expected_sessions, first=(FRIDAY, DATES), last=optional((FRIDAY, DATES))
    ),
    "history.DailyHistory.missing_sessions": row(HISTORY.missing_sessions, request=(REQUEST, ANYTHING)),
    "history.DailyHistory.update": row(
        HISTORY.update, request=(HistoryRequest(symbol="DONE", first=FRIDAY, last=FRIDAY), ANYTHING)
    ),
    "history.sessions_without_bar": row(
        history.sessions_without_bar,
        expected=([FRIDAY], DATE_LISTS),
        store=(STORE, {}),
        symbol=SYMBOL,
        calendar=(NYSE, ANYTHING),
    ),
    "indicators.catalog.IndicatorSpec": row(
        indicator_catalog.IndicatorSpec,
        name=("rsi", NAMES),
        arguments=((14,), {"None": None, "text": "14", "a number": 14}),
    ),
    "indicators.catalog.indicator": row(indicator_catalog.indicator, name=("sma", NAMES), period=PERIOD),
    "indicators.catalog.indicator_columns": row(indicator_catalog.indicator_columns, indicators=SPECS),
    "indicators.catalog.require_indicators": row(indicator_catalog.require_indicators, indicators=SPECS),
    "indicators.catalog.compute_indicators": row(
        indicator_catalog.compute_indicators,
        bars=(random_bars(4), FRAME_FRAMES),
        indicators=SPECS,
        benchmark=(None, {"text": "SPY", "a list": [1.0], "a frame": DATED.to_frame()}),
        allow_benchmark_gaps=FLAG,
        allow_no_volume=FLAG,
        exchange_zone=("America/New_York", ZONES),
    ),
    "indicators.catalog.catalog_fingerprint": row(indicator_catalog.catalog_fingerprint, indicators=SPECS),
    "indicators.records.ParameterDefinition.check": row(definitions.CATALOG["rsi"].parameters[0].check, value=PERIOD),
    "indicators.accumulators.Accumulator": row(
        Accumulator,
        indicators=SPECS,
        remembered=(3, COUNTS),
        allow_benchmark_gaps=FLAG,
        exchange_zone=("America/New_York", ZONES),
    ),
    "indicators.accumulators.Accumulator.update": row(
        ACCUMULATOR.update, bar=(BAR, ANYTHING), benchmark=(None, {"text": "SPY", "a list": [1.0], "a close": 1.5})
    ),
    "indicators.accumulators.Accumulator.rollback": row(ACCUMULATOR.rollback, bars=(0, COUNTS)),
    "indicators.accumulators.Accumulator.restate": row(ACCUMULATOR.restate, bars=([], LISTS), benchmarks=([], LISTS)),
    "indicators.definitions.definition_of": row(definitions.definition_of, name=("rsi", SYMBOLS)),
    "indicators.latest.calculate_sma": row(latest.calculate_sma, prices=DATA, period=PERIOD),
    "indicators.latest.calculate_ema": row(latest.calculate_ema, prices=DATA, period=PERIOD),
    "indicators.latest.calculate_rsi": row(latest.calculate_rsi, prices=DATA, period=PERIOD),
    "indicators.latest.calculate_bollinger_bands": row(
        latest.calculate_bollinger_bands, prices=DATA, period=PERIOD, std=(2, WIDTHS)
    ),
    "metrics.analyzer.PerformanceAnalyzer": row(
        PerformanceAnalyzer,
        periods_per_year=A_YEAR,
        risk_free_rate=RATE,
        annualize_partial_years=FLAG,
        exchange_zone=ZONE,
        accept_other_periods=FLAG,
        flows_at=("end", CHOICES),
        matching=("closing_order", CHOICES),
        splits=([SPLIT], LISTS),
        benchmark=optional((DATED, EVERY_SERIES | BELOW | NAIVE)),
        risk_free_returns=optional((DATED / 100, EVERY_SERIES | NAIVE)),
        trials=optional((TRIALS, ANYTHING)),
        bars=optional((random_bars(4), {"a list": [1], "no close": random_bars(4)[["high"]]})),
    ),
    "metrics.analyzer.PerformanceAnalyzer.calculate_metrics": row(
        ANALYZER.calculate_metrics,
        trades=([a_fill()], TRADES),
        portfolio_history=([{"timestamp": NOON, "total_value": 1}], HISTORIES),
    ),
    "metrics.analyzer.PerformanceAnalyzer.calculate_sharpe_ratio": row(
        ANALYZER.calculate_sharpe_ratio, returns=RETURNS
    ),
    "metrics.analyzer.PerformanceAnalyzer.calculate_max_drawdown": row(
        ANALYZER.calculate_max_drawdown, equity_curve=BASED
    ),
    "metrics.analyzer.PerformanceAnalyzer.calculate_win_rate": row(
        ANALYZER.calculate_win_rate, trades=([a_fill(), a_fill("6", "SELL")], TRADES)
    ),
    "metrics.attribution.link_contributions": row(attribution.link_contributions, contributions=COLUMNS),
    "metrics.attribution.brinson_fachler": row(
        attribution.brinson_fachler,
        weights=(WEIGHTS, FRAMES),
        returns=(WEIGHTS, FRAMES),
        benchmark_weights=(WEIGHTS, FRAMES),
        benchmark_returns=(WEIGHTS, FRAMES),
    ),
    "metrics.contributions.attribute_fills": row(
        contributions.attribute_fills,
        fills=([], TRADES),
        prices=COLUMNS,
        starting_equity=(100.0, REALS | {"nothing": 0.0}),
        cash_flows=FLOWS,
        flows_at=("end", CHOICES),
    ),
    "metrics.group_attribution.attribute_groups": row(
        group_attribution.attribute_groups,
        fills=([], TRADES),
        prices=COLUMNS,
        groups=(dict.fromkeys(COLUMNS[0].columns, "Tech"), ANYTHING),
        benchmark_weights=({"Tech": 0.5}, ANYTHING),
        benchmark_prices=(COLUMNS[0].iloc[:, :1].set_axis(["Tech"], axis=1), FRAMES),
        starting_equity=(100.0, REALS | {"nothing": 0.0}),
        rebalanced=("never", CHOICES),
        cash_flows=FLOWS,
        flows_at=("end", CHOICES),
    ),
    "metrics.regression.factor_regression": row(
        regression.factor_regression,
        returns=RETURNS,
        factors=COLUMNS,
        risk_free_returns=(0.0, REALS),
    ),
    "metrics.benchmark.benchmark_measures": row(
        benchmark.benchmark_measures,
        returns=RETURNS,
        benchmark=RETURNS,
        risk_free_rate=RATE,
        periods_per_year=A_YEAR,
        **SPAN,
    ),
    "metrics.catalog.records_of": row(catalog.records_of, names=(["cagr"], LISTS | {"unknown": ["no such"]})),
    "metrics.catalog.definitions_of": row(
        catalog.definitions_of, names=(("cagr",), LISTS | {"unknown": ["no such"], "a name": "cagr"})
    ),
    "metrics.drawdown.drawdown_series": row(drawdown.drawdown_series, values=BASED),
    "metrics.drawdown.worst_drawdowns": row(drawdown.worst_drawdowns, values=BASED, count=(2, YEARLY)),
    "metrics.measures.Trials": row(measures.Trials, count=(10, YEARLY), variance=(0.1, REALS | {"negative": -1.0})),
    "metrics.measures.return_measures": row(
        measures.return_measures,
        returns=RETURNS,
        risk_free_rate=RATE,
        periods_per_year=A_YEAR,
        trials=optional((TRIALS, ANYTHING)),
        **SPAN,
    ),
    "metrics.many.many_figures": row(
        many.many_figures,
        values=COLUMNS,
        periods_per_year=A_YEAR,
        risk_free_rate=RATE,
        annualize_partial_years=FLAG,
    ),
    "metrics.rolling.rolling_measures": row(
        rolling.rolling_measures,
        returns=RETURNS,
        window=(2, YEARLY),
        risk_free_rate=RATE,
        periods_per_year=A_YEAR,
        benchmark=optional(RETURNS),
    ),
    "metrics.drawdown.max_drawdown": row(drawdown.max_drawdown, values=BASED),
    "metrics.figures.iso_date": row(figures.iso_date, label=A_MOMENT),
    "metrics.figures.iso_time": row(figures.iso_time, label=A_MOMENT),
    "metrics.figures.Scale": row(
        figures.Scale,
        periods_per_year=A_YEAR,
        risk_free_rate=RATE,
        annualize_partial_years=FLAG,
        label=(figures.iso_time, ANYTHING),
        exchange_zone=ZONE,
    ),
    "metrics.figures.period_figures": row(
        figures.period_figures,
        values=(DATED, EVERY_SERIES | EMPTY | BELOW | NAIVE),
        periods_per_year=A_YEAR,
        risk_free_rate=RATE,
        annualize_partial_years=FLAG,
        label=(figures.iso_time, ANYTHING),
    ),
    "metrics.periods.symbol_performance": row(
        periods.symbol_performance,
        closes=(DATED, EVERY_SERIES | EMPTY | BELOW | NAIVE | NOT_DAILY),
        periods_per_year=A_YEAR,
        risk_free_rate=RATE,
        benchmark=optional((DATED, EVERY_SERIES | EMPTY | BELOW | NAIVE | NOT_DAILY)),
    ),
    "metrics.periods.last_weekday": row(periods.last_weekday, year=(2013, YEARLY | {"too late": 10_000})),
    "metrics.returns.simple_returns": row(returns.simple_returns, prices=POSITIVE),
    "metrics.returns.total_return": row(returns.total_return, prices=BASED),
    "metrics.returns.elapsed_days": row(returns.elapsed_days, first=(FRIDAY, DATES), last=(FRIDAY, DATES)),
    "metrics.returns.is_a_year": row(returns.is_a_year, days=ELAPSED),
    "metrics.returns.cagr": row(
        returns.cagr,
        prices=(DATED, EVERY_SERIES | EMPTY | BELOW_FIRST | NAIVE),
        annualize_partial_years=FLAG,
        exchange_zone=ZONE,
    ),
    "metrics.returns.best_return": row(returns.best_return, returns=RETURNS),
    "metrics.returns.worst_return": row(returns.worst_return, returns=RETURNS),
    "metrics.returns.positive_share": row(returns.positive_share, returns=RETURNS),
    "metrics.risk.volatility": row(risk.volatility, returns=RETURNS, periods_per_year=A_YEAR, **SPAN),
    "metrics.risk.sharpe_ratio": row(
        risk.sharpe_ratio, returns=RETURNS, risk_free_rate=RATE, periods_per_year=A_YEAR, **SPAN
    ),
    "metrics.risk.sortino_ratio": row(
        risk.sortino_ratio, returns=RETURNS, risk_free_rate=RATE, periods_per_year=A_YEAR, **SPAN
    ),
    "metrics.risk.calmar_ratio": row(
        risk.calmar_ratio,
        annual_growth=optional((0.1, REALS)),
        drawdown=(Drawdown(-0.1, None, None, None), ANYTHING | {"a depth": -0.1}),
    ),
    "metrics.series.check_periods_per_year": row(series.check_periods_per_year, periods_per_year=A_YEAR),
    "metrics.series.risk_free_per_period": row(
        series.risk_free_per_period, risk_free_rate=RATE, periods_per_year=A_YEAR
    ),
    "metrics.splits.Split": row(splits.Split, symbol=SYMBOL, timestamp=A_MOMENT, ratio=(Decimal(2), PRICES)),
    "metrics.market.trip_excursions": row(
        market.trip_excursions,
        trips=(TRIP, TRIPS),
        bars=(
            random_bars(4),
            {"a list": [1], "no close": random_bars(4)[["high"]], "newest first": random_bars(4).iloc[::-1]},
        ),
        exchange_zone=ZONE,
    ),
    "metrics.stored_report.stored_report": row(
        stored_report.stored_report,
        trades=([a_fill()], TRADES),
        portfolio_history=([{"timestamp": NOON, "total_value": 1}], HISTORIES),
        options=({"matching": "fifo"}, {"a text": "fifo", "unknown": {"lots": "fifo"}}),
        bars=optional((random_bars(4), {"a list": [1], "no close": random_bars(4)[["high"]]})),
        benchmark=optional((DATED, EVERY_SERIES | BELOW | NAIVE)),
    ),
    "metrics.stored_report.as_bytes": row(stored_report.as_bytes, stored=({}, {"NaN": {"a": math.nan}, "a set": {1}})),
    "metrics.stored_report.differences": row(stored_report.differences, stored=(STORED, ANYTHING)),
    "metrics.trade_measures.trade_measures": row(trade_measures.trade_measures, trips=(TRIP, TRIPS)),
    "metrics.trades.round_trips": row(
        trades.round_trips, fills=([a_fill()], TRADES), matching=("fifo", CHOICES), splits=([SPLIT], LISTS)
    ),
    "metrics.trades.win_rate": row(trades.win_rate, trips=(TRIP, TRIPS)),
    "metrics.trades.profit_factor": row(trades.profit_factor, trips=(TRIP, TRIPS)),
    "metrics.trades.average_win": row(trades.average_win, trips=(TRIP, TRIPS)),
    "metrics.trades.average_loss": row(trades.average_loss, trips=(TRIP, TRIPS)),
    "metrics.trades.expectancy": row(trades.expectancy, trips=(TRIP, TRIPS)),
    "ports.checked_symbols": row(ports.checked_symbols, symbols=(["AAPL"], SEVERAL)),
    "ports.require_symbol": row(ports.require_symbol, symbol=SYMBOL),
    "ports.checked_window": row(
        ports.checked_window,
        start=(NOON, BOUNDS),
        end=(NOON, BOUNDS | {"before the start": NOON - timedelta(1)}),
        timeframe=(Timeframe.D1, {"text": "1d", "a number": 7, "a list": [Timeframe.D1]}),
        exchange_zone=ZONE,
    ),
    "ports.skips_missing": row(ports.skips_missing, missing=("skip", SYMBOLS | {"unknown": "ignore", "a flag": True})),
    "ports.merge_in_time_order": row(ports.merge_in_time_order, streams=([[event()]], LISTS)),
    "quoted.QuotedUpdates.candidates": row(QUOTED.candidates, requests=([REQUEST], LISTS)),
    "quoted.QuotedUpdates.take": row(QUOTED.take, symbol=SYMBOL, quoted=(QUOTE, ANYTHING)),
    "sessions.zone_of": row(sessions.zone_of, exchange_zone=ZONE),
    "sessions.clock_date": row(sessions.clock_date, moment=A_MOMENT, exchange_zone=ZONE),
    "sessions.exchange_date": row(sessions.exchange_date, moment=A_MOMENT, exchange_zone=ZONE),
    "sessions.session_bound": row(sessions.session_bound, moment=A_MOMENT, exchange_zone=ZONE),
    "windows.known_empty": row(
        windows.known_empty,
        absent=([FRIDAY], DATE_LISTS),
        coverage=(COVERAGE, LISTS),
        calendar=(NYSE, ANYTHING),
        now=optional(A_MOMENT),
        broken=([FRIDAY], DATE_LISTS),
    ),
    "windows.window_around": row(windows.window_around, missing=([FRIDAY], DATE_LISTS)),
    "windows.with_overlap": row(
        windows.with_overlap,
        window=(SessionWindow(FRIDAY, FRIDAY), ANYTHING | {"a tuple": (FRIDAY, FRIDAY)}),
        held=([FRIDAY], DATE_LISTS),
        sessions=(1, INTEGERS | {"negative": -1}),
    ),
}


def indicator_rows() -> dict[str, Row]:
    """Return a row for every function of the catalogue: inputs are arrays, parameters are periods or widths."""
    rows = {}
    for name, definition in definitions.CATALOG.items():
        function = definition.function
        kinds: dict[str, Kind] = {
            parameter.name: CLOSES
            for parameter in inspect.signature(function).parameters.values()
            if parameter.kind is not parameter.KEYWORD_ONLY
        }
        chosen = {parameter.name: parameter.default or 2 for parameter in definition.parameters}
        kinds |= {
            parameter.name: (chosen[parameter.name], PERIODS if parameter.is_integer else WIDTHS)
            for parameter in definition.parameters
        }
        rows[f"{function.__module__.removeprefix('jutsu_core.')}.{name}"] = row(function, **kinds)
    return rows


TABLE = indicator_rows() | TABLE
CALLED = {
    ("bars.Timeframe.parse", "text"): "timeframe",
    ("bounds.instant_of", "bound"): "start",
    ("indicators.records.ParameterDefinition.check", "value"): "period",
}
"""What a message calls a parameter that its caller does not spell."""

RECORD = "holds what it is given: whoever takes it checks it"
PORT = "an interface"
CHECK = "is such a check itself"
KERNEL = "computes on arrays that its caller has checked"
PARTS = "is put together of parts by the one place that knows them all"
WITHOUT_ROW = {
    "access": {"AccessState Admission Limits Claim": RECORD, "AccessLedger": PORT},
    "arguments": {"*": CHECK},
    "backtest.book": {"Unfilled": RECORD, "OrderBook": KERNEL},
    "backtest.exact": {"require_amount require_price": CHECK, "to_micro": KERNEL},
    "backtest.loop": {"BacktestResult": RECORD},
    "backtest.portfolio": {
        "TradingCosts.commission TradingCosts.slippage": KERNEL,
        "Portfolio.position Portfolio.mark Portfolio.quantity_worth Portfolio.bearable Portfolio.fill": KERNEL,
    },
    "backtest.window": {
        "Window.get_next_bar Window.get_latest_bar Window.get_bars_range Window.get_bars_batch Window.get_frame": PORT
    },
    "backtest.strategy": {"Tape": KERNEL, "View": PARTS, "Strategy": PORT},
    "bars": {"Bar BarColumns RejectedBar Timeframe": RECORD, "require_aware": CHECK},
    "history": {"HistoryUpdate": RECORD, "DailyHistory": PARTS},
    "indicators.averages": {"*": KERNEL, "WholePrices": KERNEL},
    "indicators.kernels": {"*": KERNEL},
    "indicators.stream_lines": {"StreamLine": KERNEL, "Tape": KERNEL},
    "indicators.programs": {"*": KERNEL, "Program Plan PlannedLine": KERNEL},
    "indicators.composites": {"*": KERNEL, "Composite Rounding": RECORD},
    "indicators.catalog": {"IndicatorColumn": RECORD, "compute_arrays": KERNEL},
    "indicators.direction": {"Aroon DirectionalMovement Ichimoku Supertrend": RECORD},
    "indicators.historical": {"log_ratio": KERNEL},
    "indicators.lines": {"Line": KERNEL, "Operation": PORT},
    "indicators.momentum": {"Stochastic": RECORD, "typical_price": KERNEL},
    "indicators.one_window": {"*": KERNEL},
    "indicators.oscillators": {"PpoSeries TsiSeries": RECORD},
    "indicators.page": {"indicators_page": "takes nothing"},
    "indicators.pictures": {"indicator_picture": KERNEL},
    "indicators.records": {
        "ParameterDefinition ResultDefinition level distance index period_of number_of": RECORD,
        "IndicatorDefinition plan_of": KERNEL,
    },
    "indicators.inputs": {"*": CHECK},
    "indicators.trend": {"MacdSeries": RECORD},
    "indicators.volatility": {"BollingerBands BollingerPosition Channels": RECORD, "true_range": KERNEL},
    "metrics.account": {"account_of": CHECK, "Account grown idle_rows is_nothing money_weighted_return": KERNEL},
    "metrics.answer": {"Measured": RECORD, "measured": KERNEL},
    "metrics.attribution": {"Attribution": RECORD, "linked": KERNEL},
    "metrics.contributions": {"Earned": RECORD},
    "metrics.frames": {"checked_frame": CHECK},
    "metrics.regression": {"Regression": RECORD},
    "metrics.benchmark": {"require_same_labels": CHECK, "beside relative_years": KERNEL},
    "metrics.drawdown": {"Drawdown DrawdownSpan Stretch": RECORD, "stretches": KERNEL},
    "metrics.figures": {"figures_of": KERNEL},
    "metrics.kernels": {"*": KERNEL},
    "metrics.measures": {
        "Context Shape": RECORD,
        "checked_returns risk_free_of": CHECK,
        "annual_of kelly longest_run measures_of moments_of shape_of": KERNEL,
    },
    "metrics.market": {
        "BarArrays Excursion": RECORD,
        "checked_bars require_bars": CHECK,
        "market_measures": KERNEL,
    },
    "metrics.metric": {"Metric": RECORD},
    "metrics.findings": {"*": KERNEL},
    "metrics.options": {"Options": RECORD},
    "metrics.portfolio": {"report_of": KERNEL},
    "metrics.portfolio_blocks": {"*": KERNEL},
    "metrics.reconciliation": {"Finding *": KERNEL},
    "metrics.returns": {"ExtremeReturn": RECORD},
    "metrics.rhythm": {"Rhythm *": KERNEL},
    "metrics.rolling": {"rolling_arrays": KERNEL},
    "metrics.series": {"checked_values checked_stamps require_finite": CHECK, "elapsed_days_between": KERNEL},
    "metrics.stored_report": {"Difference": RECORD, "places": KERNEL},
    "metrics.splits": {"checked_splits": CHECK, "restated split_suspects": KERNEL},
    "metrics.trades": {
        "RoundTrip": RECORD,
        "checked_fills checked_matching checked_trips": CHECK,
        "match_fills": KERNEL,
    },
    "metrics.window_kernels": {"*": KERNEL},
    "ports": {
        "Clock Sleeper DataHandler BarSource BarStore": PORT,
        "FetchedBars CoverageWindow PartitionVersion WriteResult BarRevision": RECORD,
        "never_stored": "makes an error",
        "ranges_frame": KERNEL,
    },
    "quoted": {"QuotedSession": RECORD, "QuoteSource": PORT, "QuotedUpdates": PARTS},
    "windows": {"SessionWindow": RECORD},
}


def public_calls() -> Iterator[str]:
    """Yield every public function, constructor and method of the core but for the rules of quality and the errors."""
    for found in pkgutil.walk_packages(jutsu_core.__path__, "jutsu_core."):
        place = found.name.removeprefix("jutsu_core.")
        if place.split(".")[0] in ("quality", "errors"):
            continue
        for name, thing in vars(importlib.import_module(found.name)).items():
            if name.startswith("_") or getattr(thing, "__module__", "") != found.name or not callable(thing):
                continue
            yield f"{place}.{name}"
            if inspect.isclass(thing):
                methods = {key for key, value in vars(thing).items() if isinstance(value, METHODS) and key[0] != "_"}
                yield from (f"{place}.{name}.{method}" for method in sorted(methods))


METHODS = (type(public_calls), classmethod, staticmethod)


def needs_no_row(call: str) -> bool:
    """Return whether the call, or the class whose method it is, stands among those without a row."""
    for place, groups in WITHOUT_ROW.items():
        for names, reason in groups.items():
            is_of_class = reason is PORT or reason is CHECK or reason is KERNEL
            for name in names.split():
                whole = f"{place}.{name}"
                if whole == call or (name == "*" and call.rpartition(".")[0] == place):
                    return True
                if is_of_class and call.startswith(f"{whole}."):
                    return True
    return False


def test_every_public_call_has_a_row_or_a_reason_to_have_none() -> None:
    calls = set(public_calls())
    assert sorted(call for call in calls if call not in TABLE and not needs_no_row(call)) == []
    assert sorted(TABLE.keys() - calls) == [], "rows of what is there no more"
    named = {f"{place}.{name}" for place, groups in WITHOUT_ROW.items() for names in groups for name in names.split()}
    assert sorted(name for name in named - calls if not name.endswith("*")) == []
    assert len(calls) > 150


@pytest.mark.parametrize("call", TABLE)
def test_every_parameter_has_a_kind_and_what_is_sound_is_taken(call: str) -> None:
    known = TABLE[call]
    parameters = inspect.signature(known.call).parameters.values()
    fixed = {parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD}
    assert fixed - known.sound.keys() == set()
    known.call(**known.sound)


@pytest.mark.parametrize("call", TABLE)
def test_what_a_parameter_cannot_mean_is_refused_by_its_name(call: str) -> None:
    known = TABLE[call]
    wrong = [
        f"{parameter}, {name}: {problem}"
        for parameter, kind in known.refused.items()
        for name, bad in kind.items()
        if (problem := problem_with(known, parameter, bad, CALLED.get((call, parameter), parameter)))
    ]
    assert wrong == []


def problem_with(known: Row, parameter: str, bad: object, called: str) -> str:
    """Return what is wrong with how a call refuses ``bad`` for ``parameter``; nothing if it is right."""
    try:
        known.call(**(known.sound | {parameter: bad}))
    except InvalidInputError as error:
        message = str(error)
    except Exception as error:  # noqa: BLE001 - any other error is what this looks for
        return f"raised {error!r}"
    else:
        return "was taken"
    is_right = re.search(rf"\b{called}\b.* must .*, was .", message)
    return "" if is_right and "\n" not in message else f"was refused with {message!r}"
