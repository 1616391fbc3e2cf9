"""What other programs write of a portfolio, as fills and a history.

Each format is a row of the table at the end; ``docs/portfolios.md`` has the same columns in words. A format reads
what its program writes by default; columns that are not named are not looked at.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from jutsu_assets.portfolios.cells import amount, column, found, is_empty, moment, plain_symbol, symbol
from jutsu_assets.portfolios.rows import Row, read_json, read_rows
from jutsu_core.errors import ConfigurationError, InvalidInputError
from jutsu_core.events import FillEvent

_ZERO = Decimal(0)
_INDEX = ("timestamp", "date", "Date", "dt", "period_close", "index", "", "Unnamed: 0", "level_0")
_POSITIONS_BESIDE = ("cash", *_INDEX)
_DIRECTIONS = {"BUY": "BUY", "SELL": "SELL", "LONG": "BUY", "SHORT": "SELL"}
_FILLED, _PARTLY = "filled", "partly"
_LEAN_STATUS = {"filled": _FILLED, "3": _FILLED, "partiallyfilled": _PARTLY, "2": _PARTLY}
_LEAN_FILL, _LEAN_FEE = ("FillQuantity", "fillQuantity"), ("OrderFeeAmount", "orderFeeAmount", "Fee", "fee")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file is meant.

    Attributes:
        zone: Where times without an offset are; None where that was not said.
        symbol: The one symbol of a file that names none.
    """

    zone: ZoneInfo | None = None
    symbol: str | None = None


Fills = Callable[[Path, Reading], list[FillEvent]]
History = Callable[[Path, Reading], list[dict[str, Any]]]


class Format(NamedTuple):
    """How a program's files are read.

    Attributes:
        fills: Reads its executed orders.
        history: Reads its values.
    """

    fills: Fills
    history: History


def _fills(path: Path, reading: Reading) -> list[FillEvent]:
    """Read fills with a direction: our own, and those of the origin engine."""
    made = []
    for row in read_rows(path):
        side = column(row, ("direction", "side"))
        direction = _DIRECTIONS.get(str(row.cells[side]).strip().upper().removeprefix("DIRECTION."))
        if direction is None:
            row.refuse(side, "BUY or SELL", row.cells[side])
        quantity = amount(row, column(row, ("quantity",)), above=0)
        price = amount(row, column(row, ("fill_price", "price")), above=0)
        made.append(_fill(row, reading, direction, quantity, price))
    return _in_order(made)


def _signed_fills(path: Path, reading: Reading) -> list[FillEvent]:
    """Read transactions whose amount is above 0 for what was bought: pyfolio's and zipline's."""
    made = []
    for row in read_rows(path):
        name = column(row, ("amount",))
        quantity = amount(row, name)
        if not quantity:
            row.refuse(name, "other than 0", row.cells[name], "take the row out")
        price = amount(row, column(row, ("price",)), above=0)
        made.append(_fill(row, reading, "BUY" if quantity > 0 else "SELL", abs(quantity), price))
    return _in_order(made)


def _round_trips(path: Path, reading: Reading) -> list[FillEvent]:
    """Read the trades of backtesting.py, each of which is two fills."""
    made = []
    for row in read_rows(path):
        size = amount(row, column(row, ("Size",)))
        if not size:
            row.refuse("Size", "other than 0", row.cells["Size"], "take the row out")
        half = amount(row, "Commission", at_least=0, default=_ZERO) / 2
        sides = ("BUY", "SELL") if size > 0 else ("SELL", "BUY")
        for side, which in zip(sides, ("Entry", "Exit"), strict=True):
            price = amount(row, column(row, (f"{which}Price",)), above=0)
            time_ = column(row, (f"{which}Time",))
            made.append((row, _made(row, reading, time_, side, abs(size), price, half)))
    # A trade is written when it is closed; its entry was before the exits of others.
    return [fill for _, fill in sorted(made, key=lambda pair: pair[1].timestamp)]


def _fill(row: Row, reading: Reading, direction: str, quantity: Decimal, price: Decimal) -> tuple[Row, FillEvent]:
    costs = amount(row, "commission", at_least=0, default=_ZERO)
    return row, _made(row, reading, column(row, _INDEX), direction, quantity, price, costs)


def _made(
    row: Row, reading: Reading, when: str, direction: str, quantity: Decimal, price: Decimal, commission: Decimal
) -> FillEvent:
    named = found(row, ("symbol", "Symbol", "sid", "Ticker", "ticker"))
    if reading.symbol is not None and (named is None or is_empty(row.cells[named])):
        ticker = reading.symbol
    elif named is None:
        row.refuse("symbol", "a column", "none", "or say in the portfolio file which it is: symbol: AAPL")
    else:
        ticker = symbol(row, named)
    try:
        return FillEvent(
            symbol=ticker,
            timestamp=moment(row, when, reading.zone),
            direction="BUY" if direction == "BUY" else "SELL",
            quantity=quantity,
            fill_price=price,
            commission=commission,
            slippage=amount(row, "slippage", at_least=0, default=_ZERO),
        )
    except InvalidInputError as error:
        if isinstance(error, ConfigurationError):
            raise
        return row.refuse("symbol", "a fill", str(error))


def _in_order(made: Iterable[tuple[Row, FillEvent]]) -> list[FillEvent]:
    fills: list[FillEvent] = []
    for row, fill in made:
        if fills and fill.timestamp < fills[-1].timestamp:
            was = fill.timestamp.isoformat()
            row.refuse(
                column(row, _INDEX), f"at or after the row before, {fills[-1].timestamp.isoformat()}", was, "sort"
            )
        fills.append(fill)
    return fills


def _values(names: tuple[str, ...], cash: tuple[str, ...]) -> History:
    """Return the reader of a history with one column of values, and cash, flows and positions where they are there."""

    def read(path: Path, reading: Reading) -> list[dict[str, Any]]:
        rows = []
        for row in read_rows(path):
            told: dict[str, Any] = {
                "timestamp": moment(row, column(row, _INDEX), reading.zone),
                "total_value": amount(row, column(row, names)),
            }
            for key, columns in (("cash", cash), ("cash_flow", ("cash_flow",))):
                name = found(row, columns)
                if name is not None and not is_empty(row.cells[name]):
                    told[key] = amount(row, name)
            positions = row.cells.get("positions")
            if isinstance(positions, dict):
                told["positions"] = positions
            rows.append((row, told))
        return _checked(path, rows)

    return read


def _worths(path: Path, reading: Reading) -> list[dict[str, Any]]:
    """Read pyfolio's positions: a column for what each symbol is worth, and one for cash; together the total."""
    rows = []
    for row in read_rows(path):
        cash = amount(row, column(row, ("cash",)))
        names = [name for name in row.cells if name not in _POSITIONS_BESIDE]
        held = {name: amount(row, name, default=_ZERO) for name in names}
        told = {
            "timestamp": moment(row, column(row, _INDEX), reading.zone),
            "total_value": sum(held.values(), cash),
            "cash": cash,
            "positions": {plain_symbol(name): worth for name, worth in held.items() if worth},
        }
        rows.append((row, told))
    return _checked(path, rows)


def _checked(path: Path, rows: list[tuple[Row, dict[str, Any]]]) -> list[dict[str, Any]]:
    last: datetime | None = None
    if not rows:
        message = f"{path} must have a row for each period, has none; the first is the starting equity"
        raise ConfigurationError(message)
    for row, told in rows:
        if last is not None and told["timestamp"] <= last:
            was = told["timestamp"].isoformat()
            remedy = "sort, and keep one row a period"
            row.refuse(column(row, _INDEX), f"after the row before, {last.isoformat()}", was, remedy)
        last = told["timestamp"]
    first = rows[0][0]
    if rows[0][1]["total_value"] <= 0:
        first.refuse("total_value", "above 0 in the first row, which is the starting equity", rows[0][1]["total_value"])
    return [told for _, told in rows]


def _lean_fills(path: Path, reading: Reading) -> list[FillEvent]:
    """Read what Lean filled: its order events, the orders of a result, or the table that QuantConnect exports."""
    rows = read_rows(path) if path.suffix.lower() != ".json" else _lean_orders(path)
    made = []
    for row in rows:
        status = found(row, ("Status", "status"))
        said = _FILLED if status is None else _LEAN_STATUS.get(str(row.cells[status]).lower().replace(" ", ""))
        if said is None:
            continue
        is_event = found(row, _LEAN_FILL) is not None
        if status is not None and said != _FILLED and not is_event:
            # How much of it was filled, an order does not say.
            row.refuse(status, "filled, or not", row.cells[status], "name the file of order events instead")
        name = column(row, (*_LEAN_FILL, "Quantity", "quantity"))
        quantity = amount(row, name)
        price = amount(row, column(row, ("FillPrice", "fillPrice", "Price", "price")), above=0)
        when = column(row, ("LastFillTime", "lastFillTime", "Time", "time", "CreatedTime", "createdTime"))
        if not quantity:
            row.refuse(name, "other than 0", row.cells.get(name), "take the order out")
        side = "BUY" if quantity > 0 else "SELL"
        fee = amount(row, found(row, _LEAN_FEE) or "Fee", at_least=0, default=_ZERO)
        made.append(_made(row, reading, when, side, abs(quantity), price, fee))
    return sorted(made, key=lambda fill: fill.timestamp)


def _lean_orders(path: Path) -> list[Row]:
    told = read_json(path)
    orders = _first_of(told, ("Orders", "orders")) if isinstance(told, dict) else told
    listed = list(orders.values()) if isinstance(orders, dict) else orders
    if not isinstance(listed, list) or not all(isinstance(order, dict) for order in listed):
        message = f"{path} must be a result of Lean with Orders, or a list of them, and is not; name the right file"
        raise ConfigurationError(message)
    rows = []
    for number, order in enumerate(listed, start=1):
        # An event names the ticker beside Lean's own identifier, an order within it.
        ticker = _first_of(order, ("SymbolValue", "symbolValue", "Symbol", "symbol"))
        value = _first_of(ticker, ("Value", "value")) if isinstance(ticker, dict) else ticker
        rest = {name: cell for name, cell in order.items() if name != "Symbol"}
        rows.append(Row(path, number, rest | {"symbol": value}))
    return rows


def _lean_history(path: Path, reading: Reading) -> list[dict[str, Any]]:
    """Read the chart Strategy Equity of a result of Lean: instants since 1970, and the value of the portfolio then."""
    if path.suffix.lower() != ".json":
        return _values(("Equity", "equity", "total_value"), ("Cash", "cash"))(path, reading)
    told: Any = read_json(path)
    for names in (("Charts", "charts"), ("Strategy Equity",), ("Series", "series"), ("Equity",), ("Values", "values")):
        told = _first_of(told, names)
    if not isinstance(told, list):
        message = f"{path} must be a result of Lean with the chart Strategy Equity, and is not; name the right file"
        raise ConfigurationError(message)
    rows: list[tuple[Row, dict[str, Any]]] = []
    for number, point in enumerate(told, start=1):
        # A point is {x, y}, or [time, value], or [time, open, high, low, close].
        pair = [point.get("x"), point.get("y")] if isinstance(point, dict) else point
        is_pair = isinstance(pair, list) and len(pair) > 1
        row = Row(path, number, {"x": pair[0], "y": pair[-1]} if is_pair else {})
        rows.append((row, {"timestamp": moment(row, "x", reading.zone), "total_value": amount(row, "y")}))
    # Lean says the value of an instant again when it ends a day and begins the next.
    last_of = {point["timestamp"]: (row, point) for row, point in rows}
    return _checked(path, [last_of[when] for when in sorted(last_of)])


def _first_of(told: object, names: Iterable[str]) -> Any:  # noqa: ANN401 - whatever the file says
    return next((told[name] for name in names if isinstance(told, dict) and name in told), None)


_OWN = Format(_fills, _values(("total_value", "total_equity", "equity"), ("cash",)))
FORMATS: Mapping[str, Format] = {
    "jutsu": _OWN,
    "pyfolio": Format(_signed_fills, _worths),
    "backtesting.py": Format(_round_trips, _values(("Equity",), ())),
    "zipline": Format(_signed_fills, _values(("portfolio_value",), ("ending_cash",))),
    "quantconnect": Format(_lean_fills, _lean_history),
}
"""By the name that a portfolio file gives under ``format``."""
