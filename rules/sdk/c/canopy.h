/* Rules for Canopy in C: text, memory, exact money, configuration, log.
 *
 * The two contracts are in canopy_pricing.h and canopy_limits.h. This header knows
 * neither. On wasm32 the structs are laid out as the component model lays them out,
 * so nothing is converted. Everything here also works natively, for tests.
 *
 * A call gets a fresh memory that is thrown away after it: nothing is ever freed.
 */
#ifndef CANOPY_H
#define CANOPY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- Text: UTF-8, not terminated. ---- */

typedef struct {
  const char *ptr;
  size_t len;
} canopy_string;

/* A literal as a text. */
#define CANOPY_TEXT(literal) ((canopy_string){(literal), sizeof(literal) - 1})

bool canopy_equal(canopy_string a, canopy_string b);

/* Puts `count` texts after each other. */
canopy_string canopy_concat(const canopy_string *parts, size_t count);

/* canopy_join(a, b, …): the texts after each other. */
#define canopy_join(...)                                   \
  canopy_concat((const canopy_string[]){__VA_ARGS__},      \
                sizeof((const canopy_string[]){__VA_ARGS__}) / sizeof(canopy_string))

/* Micro-units as a decimal number of units, without needless zeros. */
canopy_string canopy_decimal(int64_t micros);

/* An integer in decimal digits. */
canopy_string canopy_integer(int64_t value);

/* ---- Memory ---- */

/* Zeroed memory. A call that needs more than its class allows ends here. */
void *canopy_alloc(size_t size, size_t align);

/* Zeroed memory for `count` values of a type. */
#define canopy_new(type, count) ((type *)canopy_alloc_array(sizeof(type), _Alignof(type), (count)))

void *canopy_alloc_array(size_t size, size_t align, size_t count);

/* ---- Money: integers of micro-units (millionths), within ±2^53 ----
 *
 * Nothing rounds without being told how, and nothing wraps: a function answers
 * false, and writes nothing, when a number is out of range.
 */

#define CANOPY_UNIT INT64_C(1000000)
#define CANOPY_MAX (INT64_C(1) << 53)

/* How an exact quotient becomes an integer. */
typedef enum {
  CANOPY_HALF_EVEN, /* To the nearest; halves to the even one. No drift over many lines. */
  CANOPY_HALF_UP,   /* To the nearest; halves away from zero, as taught at school. */
  CANOPY_DOWN,      /* Towards zero. */
  CANOPY_UP,        /* Away from zero. */
  CANOPY_FLOOR,     /* Towards minus infinity. */
  CANOPY_CEILING,   /* Towards plus infinity. */
} canopy_rounding;

/* a + b */
bool canopy_add(int64_t a, int64_t b, int64_t *sum);

/* a × b ÷ divisor, exact until the one rounding at the end. The divisor is above zero. */
bool canopy_mul_div(int64_t a, int64_t b, int64_t divisor, canopy_rounding rounding, int64_t *result);

/* A quantity times a price per unit, both in micro-units, rounded half to even. */
bool canopy_times(int64_t quantity, int64_t price, int64_t *amount);

/* Reads a decimal number of units, like -12.5, with at most six digits after the point. */
bool canopy_parse_decimal(canopy_string text, int64_t *micros);

/* ---- Configuration: JSON ----
 *
 * canopy_json_parse checks the whole text once; every other function takes a value
 * that came from it, and answers false when the value is of another kind.
 */

typedef struct {
  const char *at;
  const char *end;
} canopy_json;

/* At most 32 levels deep. */
bool canopy_json_parse(canopy_string text, canopy_json *value);

/* The member of an object; false if it is not there. */
bool canopy_json_member(canopy_json object, canopy_string name, canopy_json *value);

/* Walks an array, or an object (then `name` is set). Begin with a zeroed cursor. */
typedef struct {
  const char *at;
} canopy_json_cursor;

bool canopy_json_next(canopy_json container, canopy_json_cursor *cursor, canopy_string *name,
                      canopy_json *value);

bool canopy_json_string(canopy_json value, canopy_string *text);
bool canopy_json_bool(canopy_json value, bool *truth);
bool canopy_json_integer(canopy_json value, int64_t *integer);
bool canopy_json_is_null(canopy_json value);

/* An amount or a quantity: "0.09" in units, or 90000 in micro-units. */
bool canopy_json_micros(canopy_json value, int64_t *micros);

/* ---- Log ---- */

/* Says something about this call to the rule's owner. It is no part of the answer. */
void canopy_log(canopy_string message);

/* ---- Refusals ---- */

typedef enum {
  CANOPY_CONFIGURATION, /* The configuration cannot be used: say which key is wrong, and how. */
  CANOPY_UNSUPPORTED,   /* The rule has no answer for this input. */
  CANOPY_FAILED,        /* Anything else. */
} canopy_refusal;

typedef struct {
  uint8_t kind; /* A canopy_refusal. */
  canopy_string message;
} canopy_error;

/* Fills in the error and answers false, for `return canopy_refuse(…)`. */
bool canopy_refuse(canopy_error *error, canopy_refusal kind, canopy_string message);

#endif
