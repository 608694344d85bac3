#pragma once
/* Strict reading of JSON bodies by tables of their members: every problem at once, nothing unknown
 * accepted. */
#include "base/json.h"

#include <stdint.h>

typedef enum BodyType {
  BODY_TEXT,
  BODY_INT,
  BODY_BOOL,
  BODY_OBJECT,
  BODY_TEXTS,
  BODY_LIST
} BodyType;

typedef struct BodyMember {
  const char *name; /* NULL ends the table */
  BodyType type;
  bool required;
  /* BODY_INT: range; BODY_TEXT: length in bytes; BODY_TEXTS, BODY_LIST: how many */
  int64_t min, max;
  const char *const *words; /* BODY_TEXT: what is allowed, NULL-terminated; NULL = any text */
} BodyMember;

/* Parses @length bytes as an object with exactly the members of @members (NULL: no members). An
 * empty body counts as {} when nothing is required. Returns a new reference, or NULL: with
 * @problems empty and @error REEVE_ERROR_USAGE or REEVE_ERROR_LIMIT when it is no JSON, or with
 * @error REEVE_ERROR_INVALID and @problems (of char*, appended, owned) naming everything that is
 * wrong. */
json_t *body_parse(const BodyMember *members, const char *text, size_t length, GPtrArray *problems,
                   GError **error);
