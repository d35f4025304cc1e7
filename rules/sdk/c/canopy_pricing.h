/* The contract `pricing`: wit/pricing.wit says what each field means.
 *
 * A rule implements canopy_price and nothing else.
 */
#ifndef CANOPY_PRICING_H
#define CANOPY_PRICING_H

#include "canopy.h"

typedef struct {
  canopy_string path;
  canopy_string buyer;
  canopy_string buyer_plan;
} canopy_account;

typedef struct {
  int64_t start;
  int64_t quantity;
  int64_t lines;
} canopy_period_totals;

typedef struct {
  uint8_t is_some;
  canopy_string value;
} canopy_optional_string;

typedef struct {
  uint32_t account; /* Index into the input's accounts. */
  canopy_string meter;
  int64_t quantity;
  int64_t cost;
  int64_t occurred_at;
  canopy_optional_string attributes;
  canopy_period_totals period;
} canopy_usage_line;

typedef struct {
  canopy_string seller_path;
  canopy_string currency;
  canopy_string configuration;
  const canopy_account *accounts;
  size_t account_count;
  const canopy_usage_line *lines;
  size_t line_count;
} canopy_pricing_input;

typedef struct {
  canopy_string description;
  int64_t quantity;
  int64_t amount;
} canopy_line_item;

typedef struct {
  int64_t amount;
  canopy_line_item *items;
  size_t item_count;
  canopy_string reason;
} canopy_priced_line;

/* The rule. `priced` has room for input->line_count lines, all zero. Answers true when
 * it has filled them in, or false with the error filled in. */
bool canopy_price(const canopy_pricing_input *input, canopy_priced_line *priced, canopy_error *error);

#endif
