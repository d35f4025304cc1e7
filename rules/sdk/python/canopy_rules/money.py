"""Exact arithmetic on micro-units: integers in millionths, within ±2^53.

Nothing rounds without being told how; a number out of range ends the call with a refusal.
"""

import re
from enum import Enum

from .errors import Refusal

#: Micro-units in one unit.
UNIT = 1_000_000

#: Bound of every number of the contract.
MAX = 2**53

_DECIMAL = re.compile(r"(-?)([0-9]{1,10})(?:\.([0-9]{1,6}))?")


class Rounding(Enum):
    """How an exact quotient becomes an integer."""

    #: To the nearest; halves to the even one. Over many lines it has no drift.
    HALF_EVEN = "half-even"
    #: To the nearest; halves away from zero, as taught at school.
    HALF_UP = "half-up"
    #: Towards zero.
    DOWN = "down"
    #: Away from zero.
    UP = "up"
    #: Towards minus infinity.
    FLOOR = "floor"
    #: Towards plus infinity.
    CEILING = "ceiling"


def _bounded(value: int) -> int:
    if not isinstance(value, int) or abs(value) > MAX:
        raise Refusal("failed", "An amount is out of range.")
    return value


def add(a: int, b: int) -> int:
    """`a + b`."""
    return _bounded(_bounded(a) + _bounded(b))


def mul_div(a: int, b: int, divisor: int, rounding: Rounding) -> int:
    """`a × b ÷ divisor`, exact until the one rounding at the end. The divisor is above zero."""
    if _bounded(divisor) <= 0:
        raise ValueError("a divisor must be above zero")
    product = _bounded(a) * _bounded(b)
    negative = product < 0
    quotient, rest = divmod(abs(product), divisor)
    if rest and _goes_away(rounding, quotient, rest, divisor, negative):
        quotient += 1
    return _bounded(-quotient if negative else quotient)


def _goes_away(rounding: Rounding, quotient: int, rest: int, divisor: int, negative: bool) -> bool:
    if rounding is Rounding.HALF_EVEN:
        return 2 * rest > divisor or (2 * rest == divisor and quotient % 2 == 1)
    if rounding is Rounding.HALF_UP:
        return 2 * rest >= divisor
    if rounding is Rounding.FLOOR:
        return negative
    if rounding is Rounding.CEILING:
        return not negative
    return rounding is Rounding.UP


def times(quantity: int, price: int) -> int:
    """A quantity times a price per unit, both in micro-units, rounded half to even."""
    return mul_div(quantity, price, UNIT, Rounding.HALF_EVEN)


def parse(text: str) -> int | None:
    """Reads a decimal number of units, like `-12.5`, with at most six digits after the point; None if it is none."""
    parts = _DECIMAL.fullmatch(text)
    if parts is None:
        return None
    micros = int(parts[2]) * UNIT + int((parts[3] or "").ljust(6, "0"))
    if micros > MAX:
        return None
    return -micros if parts[1] else micros


def format(micros: int) -> str:
    """Writes micro-units as a decimal number of units, without needless zeros."""
    whole, fraction = divmod(abs(micros), UNIT)
    text = f"{whole}.{fraction:06}".rstrip("0").rstrip(".")
    return f"-{text}" if micros < 0 else text
