/* Unit tests of the rule, run natively: README.md has the command. */
#include "canopy_test.h"

static const char configuration[] =
    "{\"meters\": {\"call_minutes\": {\"day\": \"0.12\", \"night\": \"0.08\"}}, \"margin_ppm\": 100000}";

static int64_t amount(int64_t quantity, int64_t cost, int hour) {
  canopy_usage_line line = canopy_sample_line(CANOPY_TEXT("call_minutes"), quantity, cost);
  line.occurred_at = hour * 3600;
  canopy_pricing_input input = canopy_sample_input(configuration, &line);
  canopy_priced_line priced = {0};
  canopy_error error;
  CANOPY_CHECK(canopy_price(&input, &priced, &error));
  return priced.amount;
}

int main(void) {
  /* Nights are cheaper. */
  CANOPY_CHECK(amount(10000000, 0, 12) == 1200000);
  CANOPY_CHECK(amount(10000000, 0, 23) == 800000);
  /* The margin over cost is kept. */
  CANOPY_CHECK(amount(1000000, 1000000, 12) == 1100000);
  /* An unknown meter is refused. */
  canopy_usage_line line = canopy_sample_line(CANOPY_TEXT("sms"), 1, 0);
  canopy_pricing_input input = canopy_sample_input(configuration, &line);
  canopy_priced_line priced = {0};
  canopy_error error;
  CANOPY_CHECK(!canopy_price(&input, &priced, &error) && error.kind == CANOPY_UNSUPPORTED);
  return canopy_summary();
}
