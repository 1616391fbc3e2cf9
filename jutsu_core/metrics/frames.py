"""What a calculation over several columns accepts: frames of finite numbers, in the order of time."""

import numpy as np
import pandas as pd

from jutsu_core.arguments import refuse, require_series, require_type, shown
from jutsu_core.metrics.series import FloatArray, checked_values


def checked_frame(name: str, frame: object) -> FloatArray:
    """Return the numbers of a frame.

    Raises:
        InvalidInputError: It is no frame, is empty, is unsorted, repeats a column, or holds what is no finite number.
    """
    checked = require_type(name, frame, pd.DataFrame, "a pandas DataFrame")
    if not len(checked) or not len(checked.columns):
        refuse(name, "at least one row long and one column wide", f"{len(checked)} by {len(checked.columns)}")
    if not checked.columns.is_unique:
        refuse(name, "of columns that differ", f"with {shown(checked.columns[checked.columns.duplicated()][0])} twice")
    require_series(name, pd.Series(0.0, index=checked.index))
    return np.column_stack(
        [
            checked_values(f"{name}[{column!r}]", checked.iloc[:, place], positive="none")
            for place, column in enumerate(checked.columns)
        ]
    )
