"""TA-Lib's functions as they are in C: loaded when the first is called, without what TA-Lib puts around them.

Around them stands what takes series of pandas and of Polars. It takes as long as a thousand values do, and loads
Polars wherever that is installed, half a second that who computes nothing need not wait for.

What does not belong here: what is put right in what a kernel returns (``averages``, ``composites``).
"""

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any

from jutsu_core.errors import InvalidInputError


@cache
def ta_lib(name: str) -> Callable[..., Any]:
    """Return a function of TA-Lib that takes arrays of float64 alone.

    Examples:
        >>> import numpy as np
        >>> ta_lib("SMA")(np.array([1.0, 3.0]), timeperiod=2)
        array([nan,  2.])
    """
    function: Callable[..., Any] = getattr(_library(), name)
    return getattr(function, "__wrapped__", function)


def require_kernel_defaults(*functions: str) -> None:
    """Check that nobody in this process has changed what TA-Lib computes.

    TA-Lib keeps an "unstable period" for each function, which hides leading values, and its
    older releases a compatibility mode, which starts averages differently; all threads share them.

    Args:
        functions: TA-Lib functions about to be used.

    Raises:
        InvalidInputError: A setting is not the default; the remedy is named.
    """
    talib = _library()
    for function in functions:
        hidden = talib.get_unstable_period(function)
        if hidden:
            message = (
                f"TA-Lib's unstable period of {function} must be 0, was {hidden}; "
                f"call talib.set_unstable_period({function!r}, 0)"
            )
            raise InvalidInputError(message)
    mode = talib.get_compatibility()
    if mode:
        message = f"TA-Lib's compatibility mode must be 0, was {mode}; call talib.set_compatibility(0)"
        raise InvalidInputError(message)


@cache
def _library() -> Any:  # noqa: ANN401 - a module without types
    return importlib.import_module("talib")
