"""How a file of bars is to be read, where it does not say so itself.

A file whose meaning would be a guess is refused with the option that settles it. Every option is
one of these, for whoever reads files of bars.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from jutsu_core.arguments import refuse, require_flag, require_type, shown
from jutsu_core.bars import PRICE_COLUMNS, Timeframe

DateOrder = Literal["day_first", "month_first"]
DecimalMark = Literal[".", ","]
OnBadRow = Literal["error", "quarantine"]
NoVolume = Literal["error", "zero"]
BrokenBars = Literal["error", "keep"]
Weekends = Literal["error", "keep"]

_SPELLINGS: Mapping[str, Mapping[str, str | None]] = MappingProxyType(
    {
        "date_order": {
            **dict.fromkeys(("day_first", "dayfirst", "day", "dmy"), "day_first"),
            **dict.fromkeys(("month_first", "monthfirst", "month", "mdy"), "month_first"),
        },
        "decimal": {".": ".", ",": ","},
        "on_bad_row": {"error": "error", "quarantine": "quarantine"},
        "no_volume": {"error": "error", "zero": "zero"},
        "weekends": {"error": "error", "keep": "keep"},
        "broken_bars": {"error": "error", "keep": "keep"},
    }
)
"""What may be said of each option, and what it comes to."""
_COLUMNS = ("symbol", "time", *PRICE_COLUMNS, "volume")
_MAY_BE_UNSAID = ("date_order", "decimal")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How to read files of bars.

    Attributes:
        timeframe: How long the bars last. One of a day or longer starts at 00:00 UTC of its date.
        symbol: The only symbol of a file. If None, its symbol column or header says, or else its name.
        timezone: Where times without an offset are meant, for example ``America/New_York``. If None, an
            intraday file with such times is refused. The date of an epoch is that in this zone, else in UTC.
        date_order: Whether 03/04/2013 is in March (``month_first``) or April (``day_first``). If None, the
            file itself must prove one of them.
        decimal: Whether ``12,345`` has decimals (``,``) or thousands (``.``). If None, a decimal point is
            meant, and a row whose numbers could be meant either way is refused.
        on_bad_row: ``error`` refuses the file with the first row that is no bar, ``quarantine`` leaves
            out such rows, and in a folder such files, and remembers them.
        no_volume: ``error`` refuses a row that names no volume, ``zero`` takes it for 0.
        weekends: ``error`` refuses daily bars of a Saturday or a Sunday, unless all of the file's
            weekends (two or more) have both; ``keep`` takes them.
        broken_bars: ``error`` takes a row whose prices contradict each other, or are not above 0, for no bar;
            ``keep`` takes it as it is, for whoever plays a source that sends such bars.
        round_to_scale: Whether prices of more than six decimals and volumes that are no whole numbers
            are rounded (half to even); they are refused otherwise.
        columns: What the file calls ``symbol``, ``time``, ``open``, ``high``, ``low``, ``close`` and
            ``volume``, where that is not what vendors usually do.

    Raises:
        InvalidInputError: An option is none of those that it may be.
    """

    timeframe: Timeframe = Timeframe.D1
    symbol: str | None = None
    timezone: str | None = None
    date_order: DateOrder | None = None
    decimal: DecimalMark | None = None
    on_bad_row: OnBadRow = "error"
    no_volume: NoVolume = "error"
    weekends: Weekends = "error"
    broken_bars: BrokenBars = "error"
    round_to_scale: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require_type("timeframe", self.timeframe, Timeframe, "a Timeframe")
        if self.symbol is not None and not require_type("symbol", self.symbol, str, "a text such as 'AAPL'").strip():
            refuse("symbol", "a text such as 'AAPL'", shown(self.symbol))
        for role, name in require_type("columns", self.columns, dict, "a dict such as {'time': 'Zeit'}").items():
            if role not in _COLUMNS:
                refuse("columns", f"of {', '.join(_COLUMNS)}", f"of {shown(role)}")
            require_type(f"columns[{role!r}]", name, str, "a text such as 'Zeit'")
        object.__setattr__(self, "round_to_scale", require_flag("round_to_scale", self.round_to_scale))
        for name, spellings in _SPELLINGS.items():
            said: object = getattr(self, name)
            if said is None and name in _MAY_BE_UNSAID:
                continue
            meant = spellings.get(said.strip().lower()) if isinstance(said, str) else None
            if meant is None:
                must_be = " or ".join(map(repr, dict.fromkeys(spellings.values())))
                refuse(name, must_be, shown(said))
            object.__setattr__(self, name, meant)
        if self.timezone is not None:
            _zone(self.timezone)

    @property
    def zone(self) -> ZoneInfo | None:
        """Return the time zone of ``timezone``, None where it is not said."""
        return None if self.timezone is None else _zone(self.timezone)

    def of(self, symbol: str | None) -> Self:
        """Return the same reading of a file of ``symbol``."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return type(self)(**{**values, "symbol": symbol})


class LeftOutRow(NamedTuple):
    """A row that is no bar, or a whole file of a folder that is none of bars, and was left out.

    Attributes:
        path: The file.
        line: Its line there, the first being 1; 0 for the whole file.
        reason: What is wrong with it.
        row: Its text, none of a file.
    """

    path: Path
    line: int
    reason: str
    row: str


def _zone(name: object) -> ZoneInfo:
    try:
        if isinstance(name, str):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    return refuse("timezone", "an IANA name such as America/New_York", shown(name))
