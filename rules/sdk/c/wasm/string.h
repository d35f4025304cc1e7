/* Of the C library, what the SDK uses; runtime.c has it. wasm32 comes with none. */
#ifndef CANOPY_STRING_H
#define CANOPY_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t len);
void *memmove(void *to, const void *from, size_t len);
void *memset(void *to, int byte, size_t len);
int memcmp(const void *a, const void *b, size_t len);
void *memchr(const void *text, int byte, size_t len);
char *strchr(const char *text, int c);
size_t strlen(const char *text);

#endif
