/* The contract `limits`: wit/limits.wit says what each field means.
 *
 * A rule implements canopy_evaluate and nothing else.
 */
#ifndef CANOPY_LIMITS_H
#define CANOPY_LIMITS_H

#include "canopy.h"

enum { CANOPY_PLATFORM, CANOPY_MAIN, CANOPY_SUBACCOUNT };           /* Kinds of account. */
enum { CANOPY_MANUAL, CANOPY_RESELLING };                           /* Credit modes. */
enum { CANOPY_KEYS_OWN, CANOPY_KEYS_AUTO_ONE, CANOPY_KEYS_PARENT }; /* Key policies. */
enum { CANOPY_MEMBERS_OWN, CANOPY_MEMBERS_INHERITED };              /* Member policies. */

typedef struct {
  canopy_string name;
  int64_t used;
} canopy_resource_count;

typedef struct {
  canopy_string plan;
  canopy_string path;
  uint8_t kind; /* CANOPY_PLATFORM, … */
  uint32_t level;
  bool has_credit_mode;
  uint8_t credit_mode; /* CANOPY_MANUAL, … */
  const canopy_resource_count *counts;
  size_t count_count;
  canopy_string configuration;
} canopy_limits_input;

typedef struct {
  uint8_t is_some;
  int64_t value;
} canopy_optional_int;

typedef struct {
  canopy_string name;
  canopy_optional_int max; /* Without a value: unlimited. */
  canopy_string reason;
} canopy_resource_limit;

typedef struct {
  uint8_t keys;    /* CANOPY_KEYS_OWN, … */
  uint8_t members; /* CANOPY_MEMBERS_OWN, … */
  int64_t starter_credits;
  int64_t credit_value;
  const uint8_t *credit_modes; /* At least one. */
  size_t credit_mode_count;
  const canopy_string *shared_resources;
  size_t shared_resource_count;
  bool allow_below_cost;
} canopy_policy;

typedef struct {
  canopy_resource_limit *limits;
  size_t limit_count;
  canopy_policy policy;
} canopy_limits_answer;

/* The rule. `answer` is all zero. Answers true when it has filled it in, or false with
 * the error filled in. */
bool canopy_evaluate(const canopy_limits_input *input, canopy_limits_answer *answer, canopy_error *error);

#endif
