/* Unit tests of the rule, run natively: README.md has the command. */
#include "canopy_limits.h"
#include "canopy_test.h"

static canopy_limits_input question(uint32_t level, canopy_string configuration) {
  canopy_limits_input input = {0};
  input.plan = CANOPY_TEXT("pln_a");
  input.kind = CANOPY_SUBACCOUNT;
  input.level = level;
  input.configuration = configuration;
  return input;
}

int main(void) {
  canopy_string configuration =
      CANOPY_TEXT("{\"plans\": {\"*\": {\"members\": 10, \"subaccounts\": 25, \"depth\": 3}}, \"per_level_ppm\": 500000}");
  /* Each level has half of the one above. */
  static const int64_t expected[] = {10, 5, 2};
  for (uint32_t level = 0; level < 3; level++) {
    canopy_limits_input input = question(level, configuration);
    canopy_limits_answer answer = {0};
    canopy_error error;
    CANOPY_CHECK(canopy_evaluate(&input, &answer, &error));
    CANOPY_CHECK(answer.limits[1].max.value == expected[level]);
  }
  /* A plan that is not named is refused. */
  canopy_limits_input input = question(0, CANOPY_TEXT("{\"plans\": {}, \"per_level_ppm\": 0}"));
  canopy_limits_answer answer = {0};
  canopy_error error;
  CANOPY_CHECK(!canopy_evaluate(&input, &answer, &error) && error.kind == CANOPY_UNSUPPORTED);
  return canopy_summary();
}
