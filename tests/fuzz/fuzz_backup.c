/* Any bytes as the head of a backup, and as a manifest that its first line vouches for; what is
 * read is written and read again to the same text. */
#include "store/backup_file.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_head(const char *bytes, size_t size)
{
  BackupManifest manifest, again;
  size_t body = 0;
  if (!backup_head_parse(bytes, size, &manifest, &body, NULL))
    return;
  g_assert_cmpuint(body, <=, size);
  g_autofree char *once = backup_head_text(&manifest);
  g_assert_true(backup_head_parse(once, strlen(once), &again, &body, NULL));
  g_autofree char *twice = backup_head_text(&again);
  g_assert_cmpstr(once, ==, twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  try_head((const char *)data, size);
  g_autofree char *digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, size);
  g_autoptr(GString) head = g_string_new("REEVE-BACKUP 1 ");
  g_string_append_printf(head, "%s\n", digest);
  g_string_append_len(head, (const char *)data, (gssize)size);
  g_string_append_c(head, '\n');
  try_head(head->str, head->len);
  return 0;
}
