/* Unit tests of the SDK, run natively with all of its sources. */
#include <string.h>

#include "canopy_test.h"

static canopy_string text(const char *literal) { return (canopy_string){literal, strlen(literal)}; }

static bool is(canopy_string found, const char *expected) { return canopy_equal(found, text(expected)); }

static void each_rounding_does_what_its_name_says(void) {
  static const struct {
    int64_t a, expected[6];
  } cases[] = {
      {5, {2, 3, 2, 3, 2, 3}},       {-5, {-2, -3, -2, -3, -3, -2}}, {7, {4, 4, 3, 4, 3, 4}},
      {-7, {-4, -4, -3, -4, -4, -3}}, {4, {2, 2, 2, 2, 2, 2}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (int rounding = CANOPY_HALF_EVEN; rounding <= CANOPY_CEILING; rounding++) {
      int64_t result = 0;
      CANOPY_CHECK(canopy_mul_div(cases[i].a, 1, 2, (canopy_rounding)rounding, &result));
      CANOPY_CHECK(result == cases[i].expected[rounding]);
    }
  }
}

/* Against the compiler's own 128-bit numbers, over numbers of all sizes. */
static void products_are_those_of_wide_integers(void) {
  uint64_t seed = 88172645463325252u;
  int within = 0;
  for (int i = 0; i < 200000; i++) {
    int64_t n[3];
    for (int k = 0; k < 3; k++) {
      seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
      n[k] = (int64_t)(seed >> (seed % 61));
      if (i % 3 == k) n[k] = -n[k];
    }
    if (n[2] <= 0) n[2] = n[2] == 0 || n[2] == INT64_MIN ? 1 : -n[2];
    __int128 product = (__int128)n[0] * n[1], expected = product / n[2];
    bool fits = expected <= CANOPY_MAX && expected >= -CANOPY_MAX;
    int64_t result = 0;
    bool ok = canopy_mul_div(n[0], n[1], n[2], CANOPY_DOWN, &result);
    if (ok != fits || (ok && result != expected)) {
      CANOPY_CHECK(!"a product differs");
      return;
    }
    within += ok;
  }
  CANOPY_CHECK(within > 50000);
}

static void numbers_out_of_range_are_refused(void) {
  int64_t result = 7;
  CANOPY_CHECK(canopy_mul_div(CANOPY_MAX, CANOPY_MAX, CANOPY_MAX, CANOPY_HALF_EVEN, &result));
  CANOPY_CHECK(result == CANOPY_MAX);
  result = 7;
  CANOPY_CHECK(!canopy_mul_div(CANOPY_MAX, 2, 1, CANOPY_HALF_EVEN, &result));
  CANOPY_CHECK(!canopy_mul_div(INT64_MIN, INT64_MIN, 1, CANOPY_UP, &result));
  CANOPY_CHECK(!canopy_mul_div(2 * CANOPY_MAX + 1, 1, 2, CANOPY_UP, &result));
  CANOPY_CHECK(!canopy_mul_div(1, 1, 0, CANOPY_UP, &result));
  CANOPY_CHECK(!canopy_add(CANOPY_MAX, 1, &result));
  CANOPY_CHECK(!canopy_add(INT64_MIN, INT64_MIN, &result));
  CANOPY_CHECK(result == 7);
  CANOPY_CHECK(canopy_times(3000000, 90000, &result) && result == 270000);
}

static void decimals_are_read_and_written(void) {
  static const struct {
    const char *text;
    int64_t micros;
  } cases[] = {{"0", 0}, {"1.5", 1500000}, {"-0.000001", -1}, {"9007199254.740992", CANOPY_MAX}, {"12", 12000000}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t micros = 0;
    CANOPY_CHECK(is(canopy_decimal(cases[i].micros), cases[i].text));
    CANOPY_CHECK(canopy_parse_decimal(text(cases[i].text), &micros) && micros == cases[i].micros);
  }
  static const char *wrong[] = {"",  "-",         ".5",  "5.", "1e3", "+1", "1.0000000", "9007199254.740993",
                                "99999999999", "1 "};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    int64_t micros = 0;
    CANOPY_CHECK(!canopy_parse_decimal(text(wrong[i]), &micros));
  }
  CANOPY_CHECK(is(canopy_integer(0), "0") && is(canopy_integer(-120), "-120"));
  CANOPY_CHECK(is(canopy_integer(INT64_MIN), "-9223372036854775808"));
}

static void configuration_is_read(void) {
  canopy_json root, value;
  canopy_string string;
  int64_t micros = 0;
  bool truth = false;
  const char *json =
      " {\"a\\u0062\": [1, \"0.09\", true, null, {\"x\":{}}], \"s\":\"\\\"\\u00e9\\ud83d\\ude00\\n\", \"n\":-5} ";
  CANOPY_CHECK(canopy_json_parse(text(json), &root));
  CANOPY_CHECK(canopy_json_member(root, CANOPY_TEXT("ab"), &value));
  canopy_json_cursor cursor = {0};
  canopy_json item;
  CANOPY_CHECK(canopy_json_next(value, &cursor, NULL, &item) && canopy_json_micros(item, &micros) && micros == 1);
  CANOPY_CHECK(canopy_json_next(value, &cursor, NULL, &item) && canopy_json_micros(item, &micros));
  CANOPY_CHECK(micros == 90000);
  CANOPY_CHECK(canopy_json_next(value, &cursor, NULL, &item) && canopy_json_bool(item, &truth) && truth);
  CANOPY_CHECK(canopy_json_next(value, &cursor, NULL, &item) && canopy_json_is_null(item));
  CANOPY_CHECK(canopy_json_next(value, &cursor, NULL, &item) && !canopy_json_string(item, &string));
  CANOPY_CHECK(!canopy_json_next(value, &cursor, NULL, &item));
  CANOPY_CHECK(canopy_json_member(root, CANOPY_TEXT("s"), &value) && canopy_json_string(value, &string));
  CANOPY_CHECK(is(string, "\"é😀\n"));
  CANOPY_CHECK(canopy_json_member(root, CANOPY_TEXT("n"), &value) && canopy_json_integer(value, &micros));
  CANOPY_CHECK(micros == -5 && !canopy_json_member(root, CANOPY_TEXT("b"), &value));
  CANOPY_CHECK(!canopy_json_member(value, CANOPY_TEXT("b"), &value));
}

static void what_is_not_json_is_refused(void) {
  static const char *wrong[] = {"",       "{",        "{\"a\":1,}", "[1 2]", "{\"a\" 1}", "tru", "01", "1.", "-",
                                "\"\\x\"", "\"\\u12\"", "\"\t\"",    "[1]x",  "{a:1}",     "\"",  "[",  "1e"};
  canopy_json value;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    bool accepted = canopy_json_parse(text(wrong[i]), &value);
    if (accepted) fprintf(stderr, "accepted: %s\n", wrong[i]);
    CANOPY_CHECK(!accepted);
  }
  char deep[200];
  memset(deep, '[', 100), memset(deep + 100, ']', 100);
  CANOPY_CHECK(!canopy_json_parse((canopy_string){deep, 200}, &value));
  int64_t number = 0;
  static const char *numbers[] = {"0.09", "9007199254740993", "1e3", "\"\"", "\"0.0000001\"", "null"};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    CANOPY_CHECK(canopy_json_parse(text(numbers[i]), &value) && !canopy_json_micros(value, &number));
  }
}

int main(void) {
  each_rounding_does_what_its_name_says();
  products_are_those_of_wide_integers();
  numbers_out_of_range_are_refused();
  decimals_are_read_and_written();
  configuration_is_read();
  what_is_not_json_is_refused();
  CANOPY_CHECK(is(canopy_join(CANOPY_TEXT("a"), canopy_decimal(1500000), CANOPY_TEXT("")), "a1.5"));
  return canopy_summary();
}
