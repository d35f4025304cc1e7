/* Exports canopy_evaluate as the component's limits rule. On wasm32 the structs of
 * canopy_limits.h have the component model's layout; that is held here. */
#include "canopy_limits.h"

#ifdef __wasm32__

_Static_assert(sizeof(canopy_resource_count) == 16, "resource-count");
_Static_assert(sizeof(canopy_resource_limit) == 32, "resource-limit");
_Static_assert(offsetof(canopy_resource_limit, reason) == 24, "reason");
_Static_assert(offsetof(canopy_policy, starter_credits) == 8, "starter-credits");
_Static_assert(offsetof(canopy_policy, allow_below_cost) == 40 && sizeof(canopy_policy) == 48, "policy");
_Static_assert(sizeof(canopy_limits_answer) == 56, "limits-answer");

typedef struct {
  uint8_t is_err;
  union {
    canopy_limits_answer ok;
    canopy_error err;
  };
} answer;

_Static_assert(offsetof(answer, ok) == 8 && sizeof(answer) == 64, "result");

__attribute__((export_name("canopy:rules/limits-rule@1.0.0#evaluate"))) answer *canopy_export_evaluate(
    const char *plan, size_t plan_len, const char *path, size_t path_len, uint32_t kind, uint32_t level,
    uint32_t has_credit_mode, uint32_t credit_mode, const canopy_resource_count *counts, size_t count_count,
    const char *configuration, size_t configuration_len) {
  canopy_limits_input input = {
      {plan, plan_len},     {path, path_len},     (uint8_t)kind, level,
      has_credit_mode != 0, (uint8_t)credit_mode, counts,        count_count,
      {configuration, configuration_len},
  };
  answer *result = canopy_new(answer, 1);
  canopy_error error = {CANOPY_FAILED, {NULL, 0}};
  if (!canopy_evaluate(&input, &result->ok, &error)) {
    result->is_err = 1;
    result->err = error;
  }
  return result;
}

#endif
