/* Exact arithmetic on micro-units. Products have 128 bits, made of two halves, so that no
 * compiler's runtime library is needed. */
#include "canopy.h"

typedef struct {
  uint64_t high;
  uint64_t low;
} wide;

static uint64_t magnitude(int64_t value) { return value < 0 ? 0 - (uint64_t)value : (uint64_t)value; }

static wide multiply(uint64_t a, uint64_t b) {
  uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
  uint64_t low = a0 * b0;
  uint64_t middle = a1 * b0 + (low >> 32);
  uint64_t other = a0 * b1 + (uint32_t)middle;
  wide product = {a1 * b1 + (middle >> 32) + (other >> 32), (other << 32) | (uint32_t)low};
  return product;
}

/* The quotient must fit 64 bits: value.high < divisor. Bit by bit; few products need it. */
static uint64_t divide(wide value, uint64_t divisor, uint64_t *rest) {
  uint64_t quotient = 0, remainder = value.high;
  for (int bit = 63; bit >= 0; bit--) {
    bool carry = remainder >> 63;
    remainder = (remainder << 1) | ((value.low >> bit) & 1);
    if (carry || remainder >= divisor) {
      remainder -= divisor;
      quotient |= UINT64_C(1) << bit;
    }
  }
  *rest = remainder;
  return quotient;
}

static bool goes_away(canopy_rounding rounding, uint64_t quotient, uint64_t rest, uint64_t divisor,
                      bool negative) {
  uint64_t missing = divisor - rest; /* So that nothing is doubled beyond 64 bits. */
  switch (rounding) {
    case CANOPY_HALF_EVEN:
      return rest > missing || (rest == missing && quotient % 2 == 1);
    case CANOPY_HALF_UP:
      return rest >= missing;
    case CANOPY_UP:
      return true;
    case CANOPY_FLOOR:
      return negative;
    case CANOPY_CEILING:
      return !negative;
    case CANOPY_DOWN:
      break;
  }
  return false;
}

bool canopy_mul_div(int64_t a, int64_t b, int64_t divisor, canopy_rounding rounding, int64_t *result) {
  if (divisor <= 0) return false;
  bool negative = (a < 0) != (b < 0);
  uint64_t by = (uint64_t)divisor, rest, quotient;
  wide product = multiply(magnitude(a), magnitude(b));
  if (product.high == 0) {
    quotient = product.low / by;
    rest = product.low % by;
  } else if (product.high < by) {
    quotient = divide(product, by, &rest);
  } else {
    return false;
  }
  if (quotient > (uint64_t)CANOPY_MAX) return false;
  if (rest > 0 && goes_away(rounding, quotient, rest, by, negative)) quotient += 1;
  if (quotient > (uint64_t)CANOPY_MAX) return false;
  *result = negative ? -(int64_t)quotient : (int64_t)quotient;
  return true;
}

bool canopy_add(int64_t a, int64_t b, int64_t *sum) {
  if (a > CANOPY_MAX || a < -CANOPY_MAX || b > CANOPY_MAX || b < -CANOPY_MAX) return false;
  int64_t value = a + b;
  if (value > CANOPY_MAX || value < -CANOPY_MAX) return false;
  *sum = value;
  return true;
}

bool canopy_times(int64_t quantity, int64_t price, int64_t *amount) {
  return canopy_mul_div(quantity, price, CANOPY_UNIT, CANOPY_HALF_EVEN, amount);
}

bool canopy_parse_decimal(canopy_string text, int64_t *micros) {
  size_t at = 0, whole = 0, fraction = 0;
  bool negative = text.len > 0 && text.ptr[0] == '-';
  if (negative) at = 1;
  int64_t value = 0;
  for (; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++, whole++) {
    if (whole == 10) return false;
    value = value * 10 + (text.ptr[at] - '0');
  }
  if (whole == 0) return false;
  if (at < text.len && text.ptr[at] == '.') {
    for (at++; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9'; at++, fraction++) {
      if (fraction == 6) return false;
      value = value * 10 + (text.ptr[at] - '0');
    }
    if (fraction == 0) return false;
  }
  if (at != text.len) return false;
  for (; fraction < 6; fraction++) value *= 10;
  if (value > CANOPY_MAX) return false;
  *micros = negative ? -value : value;
  return true;
}
