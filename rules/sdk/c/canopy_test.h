/* For the tests of a rule: a check that says where it failed, and how inputs are made. */
#ifndef CANOPY_TEST_H
#define CANOPY_TEST_H

#include <stdio.h>

#include "canopy.h"
#include "canopy_pricing.h"

static int canopy_passed, canopy_failed;

#define CANOPY_CHECK(condition)                                           \
  do {                                                                    \
    if (condition) {                                                      \
      canopy_passed++;                                                    \
    } else {                                                              \
      canopy_failed++;                                                    \
      fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                     \
  } while (0)

/* The last line of a test's main: the counts, and the exit code. */
static inline int canopy_summary(void) {
  printf("%d passed, %d failed\n", canopy_passed, canopy_failed);
  return canopy_failed > 0;
}

/* A line of usage of one meter, by the one account of canopy_sample_input. */
static inline canopy_usage_line canopy_sample_line(canopy_string meter, int64_t quantity, int64_t cost) {
  canopy_usage_line line = {0};
  line.meter = meter;
  line.quantity = quantity;
  line.cost = cost;
  return line;
}

/* A batch of one line, of a client whose direct seller is asked. */
static inline canopy_pricing_input canopy_sample_input(const char *configuration, const canopy_usage_line *line) {
  static const canopy_account account = {
      {"acc_seller/acc_buyer/", 21}, {"acc_buyer", 9}, {"pln_sample", 10}};
  size_t len = 0;
  while (configuration[len]) len++;
  canopy_pricing_input input = {CANOPY_TEXT("acc_seller/"), CANOPY_TEXT("USD"), {configuration, len},
                                &account, 1, line, 1};
  return input;
}

#endif
