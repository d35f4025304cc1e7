/* What a rule needs of a runtime on wasm32: memory, the four functions that a compiler
 * calls by itself, and the log. Natively the C library has them. */
#include "canopy.h"

#ifdef __wasm32__

#define PAGE 65536

/* Where the linker says that free memory begins. */
extern unsigned char __heap_base;

static uintptr_t next, end;

static bool reach(uintptr_t needed) {
  if (next == 0) {
    next = (uintptr_t)&__heap_base;
    end = (uintptr_t)__builtin_wasm_memory_size(0) * PAGE;
  }
  if (needed <= end) return true;
  size_t pages = (needed - end + PAGE - 1) / PAGE;
  if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1) return false;
  end += pages * PAGE;
  return true;
}

/* New memory is zero and none is used twice, so nothing needs clearing. */
void *canopy_alloc(size_t size, size_t align) {
  reach(0);
  uintptr_t start = (next + align - 1) & ~(uintptr_t)(align - 1);
  if (start < next || start + size < start || !reach(start + size)) __builtin_trap();
  next = start + size;
  return (void *)start;
}

/* Canopy asks for memory here, for the input. It never gives any back, and grows none. */
__attribute__((export_name("cabi_realloc"))) void *canopy_realloc(void *old, size_t old_size, size_t align,
                                                                  size_t size) {
  (void)old;
  (void)old_size;
  return size == 0 ? (void *)align : canopy_alloc(size, align);
}

void *memcpy(void *restrict to, const void *restrict from, size_t len) {
  for (size_t i = 0; i < len; i++) ((char *)to)[i] = ((const char *)from)[i];
  return to;
}

void *memset(void *to, int byte, size_t len) {
  for (size_t i = 0; i < len; i++) ((char *)to)[i] = (char)byte;
  return to;
}

int memcmp(const void *a, const void *b, size_t len) {
  const unsigned char *x = a, *y = b;
  for (size_t i = 0; i < len; i++) {
    if (x[i] != y[i]) return x[i] < y[i] ? -1 : 1;
  }
  return 0;
}

void *memmove(void *to, const void *from, size_t len) {
  if ((uintptr_t)to <= (uintptr_t)from) return memcpy(to, from, len);
  while (len-- > 0) ((char *)to)[len] = ((const char *)from)[len];
  return to;
}

void *memchr(const void *text, int byte, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (((const unsigned char *)text)[i] == (unsigned char)byte) return (char *)text + i;
  }
  return NULL;
}

char *strchr(const char *text, int c) {
  for (;; text++) {
    if (*text == (char)c) return (char *)text;
    if (*text == 0) return NULL;
  }
}

size_t strlen(const char *text) {
  size_t len = 0;
  while (text[len]) len++;
  return len;
}

__attribute__((import_module("canopy:rules/log@1.0.0"), import_name("write"))) void canopy_log_write(
    const char *message, size_t len);

void canopy_log(canopy_string message) { canopy_log_write(message.ptr, message.len); }

#else

#include <stdio.h>
#include <stdlib.h>

void *canopy_alloc(size_t size, size_t align) {
  (void)align;
  void *memory = calloc(1, size > 0 ? size : 1);
  if (!memory) abort();
  return memory;
}

void canopy_log(canopy_string message) { fprintf(stderr, "log: %.*s\n", (int)message.len, message.ptr); }

#endif
