#pragma once
/* Sizes as people write them. */
#include <stdbool.h>
#include <stdint.h>

/* Reads "512M", "2GiB", "4GB" or a number of bytes, powers of 1024; false and *@bytes untouched
 * when @text is none of these. */
bool size_parse(const char *text, int64_t *bytes);
