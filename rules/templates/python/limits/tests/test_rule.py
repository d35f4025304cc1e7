import unittest

import rule
from canopy_rules import Refusal, sample

CONFIGURATION = {"plans": {"*": {"members": 10, "subaccounts": 25, "depth": 3}}, "per_level_ppm": 500_000}


class Evaluate(unittest.TestCase):
    def test_each_level_has_half_of_the_one_above(self):
        def members(level):
            return rule.evaluate(sample.limits(CONFIGURATION, "pln_a", level)).limits[1].max

        self.assertEqual([members(0), members(1), members(2)], [10, 5, 2])

    def test_a_plan_that_is_not_named_is_refused(self):
        with self.assertRaises(Refusal):
            rule.evaluate(sample.limits({"plans": {}, "per_level_ppm": 0}, "pln_a", 0))


if __name__ == "__main__":
    unittest.main()
