"""Reading a rule's configuration: JSON with exact numbers. Knows no rule."""

import json
from typing import Any

from . import money
from .errors import Refusal


def configuration(text: str) -> dict[str, Any]:
    """Reads the JSON of an input, which must be an object."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Refusal("configuration", f"The configuration is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise Refusal("configuration", "The configuration is not an object.")
    return value


def micros(value: Any, name: str) -> int:
    """An amount of money or a quantity, in micro-units.

    In JSON it is a string with a decimal number of units ("0.09") or an integer of micro-units (90000). `name` is
    what the refusal calls it.
    """
    amount = money.parse(value) if isinstance(value, str) else value
    if isinstance(amount, bool) or not isinstance(amount, int) or abs(amount) > money.MAX:
        raise Refusal("configuration", f'`{name}` is not a decimal number as a string, like "0.09".')
    return amount
