#pragma once
/* The text of api/openapi.yaml, built into the program; served as it is. */
#include <stddef.h>

extern const char openapi_text[];
extern const size_t openapi_length;
