#pragma once
/* The one text in a JSON document of a known shape, found without building a tree: nearly all that
 * a model server says are such documents, one for each token. Whatever is not as simple as that is
 * left to the parser. */
#include <stdbool.h>
#include <stddef.h>

typedef enum QuickAct {
  QUICK_TEXT,   /* this is the text */
  QUICK_OBJECT, /* an object; go on inside it */
  QUICK_ONE,    /* an array of one object; go on inside that */
  QUICK_NULL,   /* must be null */
  QUICK_FALSE   /* must be false */
} QuickAct;

/* What to do with a member of an object; members that are not in the list are skipped. A list ends
 * with a NULL key. */
typedef struct QuickKey {
  const char *key;
  QuickAct act;
  const struct QuickKey *inside;
} QuickKey;

/* Finds the text in @json by @keys. True with @text (within @json, not NUL-terminated, valid UTF-8)
 * and its @length; false when the document is of another shape, has escapes, fractions or deep
 * nesting, or is no JSON: then a parser has to look at it. */
bool quick_text(const QuickKey *keys, const char *json, size_t json_length, const char **text,
                size_t *length);
