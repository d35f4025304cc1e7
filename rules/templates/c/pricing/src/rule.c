/* A price per unit that is lower at night, and never below the cost plus a margin.
 * configuration.schema.json says what the configuration holds. */
#include "canopy_pricing.h"

typedef struct {
  canopy_json meters;
  int64_t margin_ppm; /* Least margin over cost, in millionths of it. */
} settings;

static bool read_settings(canopy_string json, settings *into, canopy_error *error) {
  canopy_json root, margin;
  if (!canopy_json_parse(json, &root) || !canopy_json_member(root, CANOPY_TEXT("meters"), &into->meters)) {
    return canopy_refuse(error, CANOPY_CONFIGURATION, CANOPY_TEXT("`meters` is missing."));
  }
  into->margin_ppm = 0;
  if (canopy_json_member(root, CANOPY_TEXT("margin_ppm"), &margin) &&
      !canopy_json_integer(margin, &into->margin_ppm)) {
    return canopy_refuse(error, CANOPY_CONFIGURATION, CANOPY_TEXT("`margin_ppm` is not an integer."));
  }
  return true;
}

static bool read_price(canopy_json prices, canopy_string name, int64_t *price, canopy_error *error) {
  canopy_json value;
  if (canopy_json_member(prices, name, &value) && canopy_json_micros(value, price)) return true;
  return canopy_refuse(error, CANOPY_CONFIGURATION,
                       canopy_join(CANOPY_TEXT("A meter's `"), name, CANOPY_TEXT("` is not a price.")));
}

/* The cost and its margin; a part of a micro-unit is rounded away from zero. */
static bool least(int64_t cost, int64_t margin_ppm, int64_t *amount) {
  int64_t margin;
  return canopy_mul_div(cost, margin_ppm, CANOPY_UNIT, CANOPY_UP, &margin) && canopy_add(cost, margin, amount);
}

static bool price_line(const settings *settings, const canopy_usage_line *line, canopy_priced_line *priced,
                       canopy_error *error) {
  canopy_json prices;
  if (!canopy_json_member(settings->meters, line->meter, &prices)) {
    return canopy_refuse(error, CANOPY_UNSUPPORTED,
                         canopy_join(CANOPY_TEXT("There is no price for `"), line->meter, CANOPY_TEXT("`.")));
  }
  int64_t second = line->occurred_at % 86400; /* of the day, in UTC */
  int64_t hour = (second < 0 ? second + 86400 : second) / 3600;
  bool day = hour >= 6 && hour < 22;
  canopy_string time = day ? CANOPY_TEXT("by day") : CANOPY_TEXT("at night");
  canopy_log(canopy_join(line->meter, CANOPY_TEXT(" "), time, CANOPY_TEXT(", cost "), canopy_decimal(line->cost)));

  int64_t unit_price, used, floor;
  if (!read_price(prices, day ? CANOPY_TEXT("day") : CANOPY_TEXT("night"), &unit_price, error)) return false;
  if (!canopy_times(line->quantity, unit_price, &used) || !least(line->cost, settings->margin_ppm, &floor)) {
    return canopy_refuse(error, CANOPY_FAILED, CANOPY_TEXT("An amount is out of range."));
  }
  priced->items = canopy_new(canopy_line_item, 2);
  priced->items[0] = (canopy_line_item){
      canopy_join(line->meter, CANOPY_TEXT(" "), time, CANOPY_TEXT(", "), canopy_decimal(unit_price),
                  CANOPY_TEXT(" each")),
      line->quantity, used};
  priced->item_count = 1;
  /* A correction has a negative quantity and gives back what was charged for it. */
  bool short_of_floor = line->quantity < 0 ? used > floor : used < floor;
  priced->amount = short_of_floor ? floor : used;
  if (short_of_floor) {
    priced->items[1] = (canopy_line_item){CANOPY_TEXT("Up to the least margin"), 0, floor - used};
    priced->item_count = 2;
  }
  priced->reason = canopy_join(CANOPY_TEXT("Used "), time, CANOPY_TEXT("."));
  return true;
}

bool canopy_price(const canopy_pricing_input *input, canopy_priced_line *priced, canopy_error *error) {
  settings settings;
  if (!read_settings(input->configuration, &settings, error)) return false;
  for (size_t i = 0; i < input->line_count; i++) {
    if (!price_line(&settings, &input->lines[i], &priced[i], error)) return false;
  }
  return true;
}
