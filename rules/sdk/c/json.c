/* Reads JSON in place: a value is the part of the text where it stands. The text is
 * checked once, so what walks it afterwards need not look for mistakes. */
#include "canopy.h"

#include <string.h>

#define MAX_DEPTH 32

static const char *skip_space(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) at++;
  return at;
}

static bool is_digit(const char *at, const char *end) { return at < end && *at >= '0' && *at <= '9'; }

static int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/* Each of these answers where what begins at `at` ends, or NULL if it is not JSON. */

static const char *end_of_string(const char *at, const char *end) {
  for (at++; at < end && *at != '"'; at++) {
    if ((unsigned char)*at < 0x20) return NULL;
    if (*at != '\\') continue;
    if (++at == end) return NULL;
    if (*at == 'u') {
      for (int i = 0; i < 4; i++) {
        if (++at == end || hex(*at) < 0) return NULL;
      }
    } else if (*at == 0 || !strchr("\"\\/bfnrt", *at)) {
      return NULL;
    }
  }
  return at < end ? at + 1 : NULL;
}

static const char *end_of_number(const char *at, const char *end) {
  if (*at == '-') at++;
  if (!is_digit(at, end)) return NULL;
  if (*at == '0') {
    at++;
  } else {
    while (is_digit(at, end)) at++;
  }
  if (at < end && *at == '.') {
    if (!is_digit(++at, end)) return NULL;
    while (is_digit(at, end)) at++;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < end && (*at == '+' || *at == '-')) at++;
    if (!is_digit(at, end)) return NULL;
    while (is_digit(at, end)) at++;
  }
  return at;
}

static const char *end_of_word(const char *at, const char *end, const char *word) {
  size_t len = strlen(word);
  return (size_t)(end - at) >= len && memcmp(at, word, len) == 0 ? at + len : NULL;
}

static const char *end_of_value(const char *at, const char *end, int depth);

static const char *end_of_container(const char *at, const char *end, int depth) {
  bool is_object = *at == '{';
  char close = is_object ? '}' : ']';
  if (depth == MAX_DEPTH) return NULL;
  at = skip_space(at + 1, end);
  if (at < end && *at == close) return at + 1;
  for (;;) {
    if (is_object) {
      if (at == end || *at != '"' || !(at = end_of_string(at, end))) return NULL;
      at = skip_space(at, end);
      if (at == end || *at != ':') return NULL;
      at = skip_space(at + 1, end);
    }
    if (!(at = end_of_value(at, end, depth + 1))) return NULL;
    at = skip_space(at, end);
    if (at == end) return NULL;
    if (*at == close) return at + 1;
    if (*at != ',') return NULL;
    at = skip_space(at + 1, end);
  }
}

static const char *end_of_value(const char *at, const char *end, int depth) {
  if (at == end) return NULL;
  switch (*at) {
    case '{':
    case '[':
      return end_of_container(at, end, depth);
    case '"':
      return end_of_string(at, end);
    case 't':
      return end_of_word(at, end, "true");
    case 'f':
      return end_of_word(at, end, "false");
    case 'n':
      return end_of_word(at, end, "null");
    default:
      return end_of_number(at, end);
  }
}

bool canopy_json_parse(canopy_string text, canopy_json *value) {
  const char *end = text.ptr + text.len, *at = skip_space(text.ptr, end);
  const char *last = end_of_value(at, end, 0);
  if (!last || skip_space(last, end) != end) return false;
  *value = (canopy_json){at, last};
  return true;
}

/* ---- What walks a checked text ---- */

static char *put_utf8(char *to, uint32_t c) {
  if (c < 0x80) {
    *to++ = (char)c;
  } else if (c < 0x800) {
    *to++ = (char)(0xc0 | c >> 6);
    *to++ = (char)(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    *to++ = (char)(0xe0 | c >> 12);
    *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    *to++ = (char)(0x80 | (c & 0x3f));
  } else {
    *to++ = (char)(0xf0 | c >> 18);
    *to++ = (char)(0x80 | (c >> 12 & 0x3f));
    *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    *to++ = (char)(0x80 | (c & 0x3f));
  }
  return to;
}

static uint32_t four_digits(const char *at) {
  return (uint32_t)(hex(at[0]) << 12 | hex(at[1]) << 8 | hex(at[2]) << 4 | hex(at[3]));
}

/* The character of the escape at `at`, which moves behind it. Half a pair becomes U+FFFD. */
static uint32_t escaped(const char **at, const char *end) {
  static const char names[] = "bfnrt", meant[] = "\b\f\n\r\t";
  char c = *(*at)++;
  if (c != 'u') {
    const char *name = strchr(names, c);
    return (uint32_t)(unsigned char)(name ? meant[name - names] : c);
  }
  uint32_t code = four_digits(*at);
  *at += 4;
  if (code < 0xd800 || code > 0xdfff) return code;
  if (code < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
    uint32_t second = four_digits(*at + 2);
    if (second >= 0xdc00 && second <= 0xdfff) {
      *at += 6;
      return 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
    }
  }
  return 0xfffd;
}

bool canopy_json_string(canopy_json value, canopy_string *text) {
  if (*value.at != '"') return false;
  const char *at = value.at + 1, *end = value.end - 1;
  size_t len = (size_t)(end - at);
  if (len == 0 || !memchr(at, '\\', len)) {
    *text = (canopy_string){at, len};
    return true;
  }
  char *start = canopy_alloc_array(1, 1, len), *to = start;
  while (at < end) {
    if (*at == '\\') {
      at++;
      to = put_utf8(to, escaped(&at, end));
    } else {
      *to++ = *at++;
    }
  }
  *text = (canopy_string){start, (size_t)(to - start)};
  return true;
}

bool canopy_json_next(canopy_json container, canopy_json_cursor *cursor, canopy_string *name,
                      canopy_json *value) {
  bool is_object = *container.at == '{';
  if (!is_object && *container.at != '[') return false;
  const char *end = container.end;
  const char *at = skip_space(cursor->at ? cursor->at : container.at + 1, end);
  if (*at == ',') at = skip_space(at + 1, end);
  if (*at == '}' || *at == ']') return false;
  if (is_object) {
    const char *last = end_of_string(at, end);
    if (name) canopy_json_string((canopy_json){at, last}, name);
    at = skip_space(skip_space(last, end) + 1, end);
  }
  const char *last = end_of_value(at, end, 0);
  *value = (canopy_json){at, last};
  cursor->at = last;
  return true;
}

bool canopy_json_member(canopy_json object, canopy_string name, canopy_json *value) {
  if (*object.at != '{') return false;
  canopy_json_cursor cursor = {NULL};
  canopy_string found;
  canopy_json candidate;
  while (canopy_json_next(object, &cursor, &found, &candidate)) {
    if (canopy_equal(found, name)) {
      *value = candidate;
      return true;
    }
  }
  return false;
}

bool canopy_json_bool(canopy_json value, bool *truth) {
  if (*value.at != 't' && *value.at != 'f') return false;
  *truth = *value.at == 't';
  return true;
}

bool canopy_json_is_null(canopy_json value) { return *value.at == 'n'; }

bool canopy_json_integer(canopy_json value, int64_t *integer) {
  const char *at = value.at;
  bool negative = *at == '-';
  if (negative) at++;
  int64_t number = 0;
  if (!is_digit(at, value.end)) return false;
  for (; at < value.end; at++) {
    if (!is_digit(at, value.end) || number > CANOPY_MAX / 10) return false;
    number = number * 10 + (*at - '0');
  }
  if (number > CANOPY_MAX) return false;
  *integer = negative ? -number : number;
  return true;
}

bool canopy_json_micros(canopy_json value, int64_t *micros) {
  canopy_string text;
  if (canopy_json_string(value, &text)) return canopy_parse_decimal(text, micros);
  return canopy_json_integer(value, micros);
}
