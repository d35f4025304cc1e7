"""For the component that `canopy rules build` makes: the rule's function as the contract's export.

It can be imported only inside the component, where the modules of the contract are.
"""

import rule
import wit_world.exports
from componentize_py_types import Err
from wit_world.exports import pricing_rule as contract
from wit_world.imports import log as contract_log

from .errors import Refusal
from .log import log, log_to
from .pricing import PricedLine

_ERRORS = {
    "configuration": contract.RuleError_Configuration,
    "unsupported": contract.RuleError_Unsupported,
    "failed": contract.RuleError_Failed,
}


def _line(line: PricedLine) -> contract.PricedLine:
    items = [contract.LineItem(item.description, item.quantity, item.amount) for item in line.items]
    return contract.PricedLine(line.amount, items, line.reason)


class PricingRule(wit_world.exports.PricingRule):
    """A refusal becomes the contract's error; anything else is logged and crashes."""

    def price(self, input: contract.PricingInput) -> list[contract.PricedLine]:
        log_to(contract_log.write)
        try:
            return [_line(line) for line in rule.price(input)]
        except Refusal as refusal:
            raise Err(_ERRORS[refusal.kind](refusal.message)) from None
        except Exception as error:
            log(f"{type(error).__name__}: {error}")
            raise
