"""What the dates of a file prove of the order of day and month.

A 13 is no month, so one such date proves an order. Where there is none, an order is still disproved by
daily bars that would lie on weekends, or all of them a month apart, while those of the other order do not.
"""

from itertools import pairwise

from jutsu_assets.barfiles.dates import NumericDate
from jutsu_assets.barfiles.placing import WeekendDays
from jutsu_assets.barfiles.reading import DateOrder

_ORDERS: tuple[DateOrder, ...] = ("day_first", "month_first")
_A_MONTH = 25


class OrderEvidence:
    """Collects dates of which only the year is certain.

    Args:
        is_of_days: Whether their bars are of days or shorter, so that weekends and gaps say something.

    Attributes:
        proofs: By order, where the first date stands that has no other one.
    """

    def __init__(self, *, is_of_days: bool) -> None:
        self._is_of_days = is_of_days
        self._days: dict[DateOrder, set[int]] = {order: set() for order in _ORDERS}
        self.proofs: dict[DateOrder, int] = {}

    def take(self, written: NumericDate, offset: int) -> None:
        """Remember a date and where it stands."""
        read = {order: day for order in _ORDERS if (day := written.read(order)) is not None}
        if len(read) == 1:
            self.proofs.setdefault(next(iter(read)), offset)
        for order, day in read.items():
            self._days[order].add(day.toordinal())

    def order(self) -> DateOrder | None:
        """Return the only order that the dates can be in, None if that is not known."""
        left = list(self.proofs) or [order for order in _ORDERS if not self._is_disproved(order)]
        return left[0] if len(left) == 1 else None

    def _is_disproved(self, order: DateOrder) -> bool:
        days = sorted(self._days[order])
        if not self._is_of_days or len(days) <= 1:
            return False
        return bool(WeekendDays(days).stray) or min(after - before for before, after in pairwise(days)) >= _A_MONTH
