/* Texts put together and written out. Knows no money beyond where its point stands. */
#include "canopy.h"

#include <string.h>

bool canopy_equal(canopy_string a, canopy_string b) {
  return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

canopy_string canopy_concat(const canopy_string *parts, size_t count) {
  size_t len = 0;
  for (size_t i = 0; i < count; i++) len += parts[i].len;
  char *text = canopy_alloc_array(1, 1, len);
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    if (parts[i].len > 0) memcpy(text + at, parts[i].ptr, parts[i].len);
    at += parts[i].len;
  }
  return (canopy_string){text, len};
}

/* From the right: a sign, the digits, and a point before the last `places` of them. */
static canopy_string digits(int64_t value, int places) {
  char buffer[24];
  size_t start = sizeof buffer;
  uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  bool begun = false;
  for (int place = 0; place <= places || rest > 0; place++, rest /= 10) {
    char digit = (char)('0' + rest % 10);
    if (place == places && begun) buffer[--start] = '.';
    begun = begun || digit != '0' || place >= places;
    if (begun) buffer[--start] = digit;
  }
  if (value < 0) buffer[--start] = '-';
  canopy_string text = {buffer + start, sizeof buffer - start};
  return canopy_concat(&text, 1);
}

canopy_string canopy_decimal(int64_t micros) { return digits(micros, 6); }

canopy_string canopy_integer(int64_t value) { return digits(value, 0); }

bool canopy_refuse(canopy_error *error, canopy_refusal kind, canopy_string message) {
  error->kind = (uint8_t)kind;
  error->message = message;
  return false;
}

void *canopy_alloc_array(size_t size, size_t align, size_t count) {
  if (size > 0 && count > SIZE_MAX / size) return canopy_alloc(SIZE_MAX, align);
  return canopy_alloc(size * count, align);
}
