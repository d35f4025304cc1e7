"""Rules for Canopy in Python: the typed contract, exact money, configuration, log.

The two contracts are in `canopy_rules.pricing` and `canopy_rules.limits`. Everything works natively too, for tests.
"""

from .configuration import configuration, micros
from .errors import Refusal
from .log import log

__all__ = ["Refusal", "configuration", "log", "micros"]
