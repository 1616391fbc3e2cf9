"""How exactly money is reckoned with."""

from decimal import Context

# Wide enough for any product of two prices and quantities, whatever context the caller has set.
EXACT = Context(prec=60)
