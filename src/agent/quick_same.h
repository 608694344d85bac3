#pragma once
/* The documents of a stream are each the one before with another text in it. What quick_text found
 * in one is remembered here, and the next is only compared with it. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

enum { QUICK_SAME_MAX = 4096 }; /* bytes of a document that is remembered */

typedef struct QuickSame {
  GString *before, *after; /* what stands around the text; NULL = nothing remembered */
} QuickSame;

void quick_same_clear(QuickSame *same);
/* Remembers @json, in which quick_text found @text with its @length. */
void quick_same_learn(QuickSame *same, const char *json, size_t json_length, const char *text,
                      size_t length);
/* When @json differs from what is remembered in its text only, and in digits of numbers and times:
 * true, and where the text is, as quick_text would have found it. */
bool quick_same_text(const QuickSame *same, const char *json, size_t json_length, const char **text,
                     size_t *length);
