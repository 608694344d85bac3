/* The digest of a trace: of every line, every whole frame that is sent and every reply. Two builds
 * with the same digests do the same for everybody who looks at them from outside. Ids count by the
 * order in which they appear: which numbers the core gives is not seen. */
#include "sim.h"

#include "base/id.h"

#include <stdio.h>
#include <string.h>

enum { DIGEST_ID_MIN = 10 }; /* "ins_000001" */

void sim_digest_init(SimDigest *digest)
{
  digest->hash = 0xcbf29ce484222325ULL;
  digest->ids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void sim_digest_done(SimDigest *digest)
{
  g_hash_table_unref(digest->ids);
}

/* FNV-1a. */
static void digest_bytes(SimDigest *digest, const char *bytes, size_t n)
{
  for (size_t i = 0; i < n; i++)
    digest->hash = (digest->hash ^ (unsigned char)bytes[i]) * 0x100000001b3ULL;
}

/* Length of the id that @text begins with; 0 = it begins with none. */
static size_t digest_id_length(const char *text)
{
  if (strspn(text, "abcdefghijklmnopqrstuvwxyz") != 3 || text[3] != '_')
    return 0;
  size_t length = 4 + strspn(text + 4, "0123456789abcdefghjkmnpqrstvwxyz");
  g_autofree char *id = g_strndup(text, length);
  return length >= DIGEST_ID_MIN && id_number(id) != UINT64_MAX ? length : 0;
}

static void digest_id(SimDigest *digest, const char *text, size_t length)
{
  g_autofree char *id = g_strndup(text, length);
  gpointer number = g_hash_table_lookup(digest->ids, id);
  if (!number) {
    number = GUINT_TO_POINTER(g_hash_table_size(digest->ids) + 1);
    g_hash_table_insert(digest->ids, g_steal_pointer(&id), number);
  }
  char shown[16];
  int n = snprintf(shown, sizeof shown, "#%u", GPOINTER_TO_UINT(number));
  digest_bytes(digest, shown, (size_t)n);
}

void sim_digest_text(SimDigest *digest, const char *text)
{
  for (bool word = false; *text;) {
    size_t length = word ? 0 : digest_id_length(text);
    if (length)
      digest_id(digest, text, length);
    else
      digest_bytes(digest, text, length = 1);
    word = g_ascii_isalnum(text[length - 1]);
    text += length;
  }
  digest_bytes(digest, "\n", 1);
}
