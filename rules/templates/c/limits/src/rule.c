/* How many members and subaccounts an account may have, by its plan; the deeper it lies
 * in the tree, the fewer. configuration.schema.json says what the configuration holds. */
#include "canopy_limits.h"

/* What is left of a count at a level; a part of one does not count. */
static bool left_at(uint32_t level, int64_t ppm, int64_t *count) {
  for (uint32_t i = 0; i < level && i < 64; i++) {
    if (!canopy_mul_div(*count, ppm, CANOPY_UNIT, CANOPY_DOWN, count)) return false;
  }
  return true;
}

static bool read_count(canopy_json object, canopy_string name, int64_t *count, canopy_error *error) {
  canopy_json value;
  if (canopy_json_member(object, name, &value) && canopy_json_integer(value, count) && *count >= 0) return true;
  return canopy_refuse(error, CANOPY_CONFIGURATION,
                       canopy_join(CANOPY_TEXT("`"), name, CANOPY_TEXT("` is not a count.")));
}

static canopy_resource_limit limit(canopy_string name, int64_t max, uint32_t level) {
  canopy_string reason = canopy_join(CANOPY_TEXT("The plan allows "), canopy_integer(max), CANOPY_TEXT(" "), name,
                                     CANOPY_TEXT(" at level "), canopy_integer(level), CANOPY_TEXT("."));
  return (canopy_resource_limit){name, {1, max}, reason};
}

/* What holds for the subaccounts of the account: they manage their own keys and members,
 * and are paid for from the parent's pool. */
static canopy_policy policy(void) {
  static const uint8_t modes[] = {CANOPY_MANUAL, CANOPY_RESELLING};
  return (canopy_policy){
      .keys = CANOPY_KEYS_OWN,
      .members = CANOPY_MEMBERS_OWN,
      .credit_modes = modes,
      .credit_mode_count = 2,
  };
}

bool canopy_evaluate(const canopy_limits_input *input, canopy_limits_answer *answer, canopy_error *error) {
  canopy_json root, plans, plan;
  if (!canopy_json_parse(input->configuration, &root) ||
      !canopy_json_member(root, CANOPY_TEXT("plans"), &plans)) {
    return canopy_refuse(error, CANOPY_CONFIGURATION, CANOPY_TEXT("`plans` is missing."));
  }
  if (!canopy_json_member(plans, input->plan, &plan) && !canopy_json_member(plans, CANOPY_TEXT("*"), &plan)) {
    return canopy_refuse(error, CANOPY_UNSUPPORTED,
                         canopy_join(CANOPY_TEXT("There is no plan `"), input->plan, CANOPY_TEXT("`.")));
  }
  int64_t ppm, members, subaccounts, depth;
  if (!read_count(root, CANOPY_TEXT("per_level_ppm"), &ppm, error) ||
      !read_count(plan, CANOPY_TEXT("members"), &members, error) ||
      !read_count(plan, CANOPY_TEXT("subaccounts"), &subaccounts, error) ||
      !read_count(plan, CANOPY_TEXT("depth"), &depth, error)) {
    return false;
  }
  canopy_log(canopy_join(CANOPY_TEXT("plan "), input->plan, CANOPY_TEXT(", level "), canopy_integer(input->level)));
  if (ppm > CANOPY_UNIT || !left_at(input->level, ppm, &members) || !left_at(input->level, ppm, &subaccounts)) {
    return canopy_refuse(error, CANOPY_CONFIGURATION, CANOPY_TEXT("`per_level_ppm` is out of range."));
  }
  answer->limits = canopy_new(canopy_resource_limit, 3);
  answer->limits[0] = limit(CANOPY_TEXT("depth"), depth, input->level);
  answer->limits[1] = limit(CANOPY_TEXT("members"), members, input->level);
  answer->limits[2] = limit(CANOPY_TEXT("subaccounts"), subaccounts, input->level);
  answer->limit_count = 3;
  answer->policy = policy();
  return true;
}
