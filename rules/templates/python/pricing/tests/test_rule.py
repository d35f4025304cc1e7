import unittest

import rule
from canopy_rules import Refusal, sample

CONFIGURATION = {"meters": {"call_minutes": {"day": "0.12", "night": "0.08"}}, "margin_ppm": 100_000}


def amount(line):
    return rule.price(sample.pricing(CONFIGURATION, [line]))[0].amount


class Price(unittest.TestCase):
    def test_nights_are_cheaper(self):
        self.assertEqual(amount(sample.line("call_minutes", 10_000_000)), 1_200_000)
        self.assertEqual(amount(sample.line("call_minutes", 10_000_000, occurred_at=23 * 3_600)), 800_000)

    def test_the_margin_over_cost_is_kept(self):
        self.assertEqual(amount(sample.line("call_minutes", 1_000_000, 1_000_000)), 1_100_000)

    def test_an_unknown_meter_is_refused(self):
        with self.assertRaises(Refusal):
            amount(sample.line("sms", 1))


if __name__ == "__main__":
    unittest.main()
