#pragma once
/* JSON shown as YAML, for -o yaml. */
#include <glib.h>
#include <jansson.h>

/* @value as block YAML 1.2 that reads back as the same value; strings are quoted when they could be
 * read as something else. Caller frees.
 */
char *yaml_text(const json_t *value);
