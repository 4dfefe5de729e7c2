// Reads what the program is given: files, and bytes as hexadecimal digits.

#include <stdio.h>
#include <stdlib.h>

#include "jobs.h"

// Reads a whole file, of which there may be nothing.
uint8_t *read_file(const char *path, uint32_t *length) {
  FILE *file = fopen(path, "rb");
  if (!file) die(path);
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  if (size < 0 || size > INT32_MAX) die(path);
  *length = size;
  rewind(file);
  uint8_t *bytes = malloc((size_t)size + 1);
  if (!bytes || fread(bytes, 1, *length, file) != *length) die(path);
  fclose(file);
  return bytes;
}

// Reads hexadecimal digits; the number of bytes, 0 when they are none or more than fit.
uint32_t read_hex(const char *text, uint8_t *bytes, uint32_t most) {
  uint32_t length = strlen(text) / 2;
  if (length * 2 != strlen(text) || length > most) return 0;
  for (uint32_t i = 0; i < length; i++)
    if (sscanf(text + 2 * i, "%2hhx", &bytes[i]) != 1) return 0;
  return length;
}
