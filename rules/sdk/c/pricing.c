/* Exports canopy_price as the component's pricing rule. On wasm32 the structs of
 * canopy_pricing.h have the component model's layout; that is held here. */
#include "canopy_pricing.h"

#ifdef __wasm32__

_Static_assert(sizeof(canopy_account) == 24, "account");
_Static_assert(sizeof(canopy_usage_line) == 80, "usage-line");
_Static_assert(offsetof(canopy_usage_line, attributes) == 40, "attributes");
_Static_assert(sizeof(canopy_line_item) == 24, "line-item");
_Static_assert(sizeof(canopy_priced_line) == 24, "priced-line");

typedef struct {
  uint8_t is_err;
  union {
    struct {
      canopy_priced_line *lines;
      size_t count;
    } ok;
    canopy_error err;
  };
} answer;

_Static_assert(offsetof(answer, ok) == 4 && sizeof(answer) == 16, "result");

__attribute__((export_name("canopy:rules/pricing-rule@1.0.0#price"))) answer *canopy_export_price(
    const char *seller_path, size_t seller_path_len, const char *currency, size_t currency_len,
    const char *configuration, size_t configuration_len, const canopy_account *accounts, size_t account_count,
    const canopy_usage_line *lines, size_t line_count) {
  canopy_pricing_input input = {
      {seller_path, seller_path_len}, {currency, currency_len}, {configuration, configuration_len},
      accounts, account_count, lines, line_count,
  };
  answer *result = canopy_new(answer, 1);
  canopy_priced_line *priced = canopy_new(canopy_priced_line, line_count);
  canopy_error error = {CANOPY_FAILED, {NULL, 0}};
  if (canopy_price(&input, priced, &error)) {
    result->ok.lines = priced;
    result->ok.count = line_count;
  } else {
    result->is_err = 1;
    result->err = error;
  }
  return result;
}

#endif
