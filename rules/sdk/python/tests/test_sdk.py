"""Unit tests of the SDK: python -m unittest discover."""

import unittest

from canopy_rules import Refusal, configuration, micros
from canopy_rules.money import MAX, Rounding, add, format, mul_div, parse, times


class Money(unittest.TestCase):
    def test_each_rounding_does_what_its_name_says(self):
        cases = [
            (5, [2, 3, 2, 3, 2, 3]),
            (-5, [-2, -3, -2, -3, -3, -2]),
            (7, [4, 4, 3, 4, 3, 4]),
            (-7, [-4, -4, -3, -4, -4, -3]),
            (4, [2, 2, 2, 2, 2, 2]),
        ]
        for a, expected in cases:
            self.assertEqual([mul_div(a, 1, 2, rounding) for rounding in Rounding], expected, a)
        self.assertEqual(mul_div(10, 1, 3, Rounding.HALF_UP), 3)

    def test_numbers_out_of_range_are_refused(self):
        self.assertEqual(mul_div(MAX, MAX, MAX, Rounding.HALF_EVEN), MAX)
        for out in (
            lambda: mul_div(MAX, 2, 1, Rounding.HALF_EVEN),
            lambda: add(MAX, 1),
            lambda: times(0.5, 1),
        ):
            with self.assertRaises(Refusal):
                out()
        with self.assertRaises(ValueError):
            mul_div(1, 1, 0, Rounding.UP)
        self.assertEqual(times(3_000_000, 90_000), 270_000)

    def test_decimals_are_read_and_written(self):
        for text, amount in (("0", 0), ("1.5", 1_500_000), ("-0.000001", -1), ("9007199254.740992", MAX), ("10", 10_000_000)):
            self.assertEqual(format(amount), text)
            self.assertEqual(parse(text), amount)
        for wrong in ("", "-", ".5", "5.", "1e3", "+1", "1.0000000", "9007199254.740993", "99999999999", "1 ", "1\n", "١"):
            self.assertIsNone(parse(wrong), wrong)


class Configuration(unittest.TestCase):
    def test_amounts_are_decimal_strings_or_integers_of_micro_units(self):
        self.assertEqual(micros("0.09", "price"), 90_000)
        self.assertEqual(micros(90_000, "price"), 90_000)
        for wrong in (0.09, "0.0000001", 2**53 + 1, None, True, ""):
            with self.assertRaises(Refusal) as caught:
                micros(wrong, "price")
            self.assertEqual(caught.exception.kind, "configuration")

    def test_a_configuration_is_an_object(self):
        self.assertEqual(configuration('{"a": 1}'), {"a": 1})
        for wrong in ("{", "[]", "1"):
            with self.assertRaises(Refusal):
                configuration(wrong)


if __name__ == "__main__":
    unittest.main()
