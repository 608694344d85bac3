/* Rows of webhooks: one mapping, or a list of them. */
#include "base/text.h"
#include "formats/reader.h"
#include "model/limit_words.h"

#include <stddef.h>
#include <string.h>

static void row_notify_url(Reader *reader, const Row *row, struct fy_node *value, void *base,
                           const char *path)
{
  NotifySpec *spec = base;
  g_free(spec->url);
  spec->url = reader_text(reader, value, path, row->key, "a URL");
  if (spec->url && !g_str_has_prefix(spec->url, "http://") &&
      !g_str_has_prefix(spec->url, "https://"))
    reader_error(reader, value, "'%s.%s': wanted a URL with http:// or https://", path, row->key);
}

static void row_notify_on(Reader *reader, const Row *row, struct fy_node *value, void *base,
                          const char *path)
{
  NotifySpec *spec = base;
  char **words = NULL;
  Row local = *row;
  local.offset = 0;
  row_words(reader, &local, value, &words, path);
  spec->events = 0;
  for (size_t i = 0; words && words[i]; i++) {
    unsigned event = 0;
    while (event < NOTIFY_EVENT_N && strcmp(words[i], notify_event_word((NotifyEvent)event)) != 0)
      event++;
    if (event == NOTIFY_EVENT_N)
      reader_error(reader, value,
                   "'%s.%s': unknown event '%s'; allowed: failed, degraded, recovered", path,
                   row->key, words[i]);
    else
      spec->events |= 1u << event;
  }
  g_strfreev(words);
}

static void row_notify_secret(Reader *reader, const Row *row, struct fy_node *value, void *base,
                              const char *path)
{
  NotifySpec *spec = base;
  g_free(spec->secret);
  spec->secret = reader_text(reader, value, path, row->key, "the name of a secret");
  if (spec->secret && !text_is_name(spec->secret))
    reader_error(reader, value, "'%s.%s': wanted the name of a secret", path, row->key);
}

const Row notify_rows[] = {
    {.key = "url",
     .read = row_notify_url,
     .type = "URL",
     .help = "required; POSTed to with a JSON object"},
    {.key = "on",
     .read = row_notify_on,
     .type = "list of failed, degraded, recovered",
     .preset = "all",
     .help = "what it is told of"},
    {.key = "secret",
     .read = row_notify_secret,
     .type = "name of a secret",
     .help = "messages are signed with it (HMAC-SHA256), in the header Reeve-Webhook-Signature"},
    ROWS_END};

static void notify_one(Reader *reader, const Row *row, struct fy_node *value, Job *job,
                       const char *path)
{
  NotifySpec *spec = notify_spec_new(NULL);
  reader_mapping(reader, value, row->rows, spec, path);
  if (!spec->url)
    reader_error(reader, value, "'%s.url': missing", path);
  g_ptr_array_add(job->notify, spec);
}

void row_notify(Reader *reader, const Row *row, struct fy_node *value, void *base, const char *path)
{
  void *iter = NULL;
  int i = 0;
  g_autofree char *name = reader_join(path, row->key);
  if (!fy_node_is_sequence(value)) {
    notify_one(reader, row, value, base, name);
    return;
  }
  limit_holds(LIMIT_JOB_NOTIFY, fy_node_sequence_item_count(value), reader->problems,
              reader_pos(reader, value), "'%s'", name);
  for (struct fy_node *item = fy_node_sequence_iterate(value, &iter); item;
       item = fy_node_sequence_iterate(value, &iter), i++) {
    g_autofree char *at = g_strdup_printf("%s[%d]", name, i);
    notify_one(reader, row, item, base, at);
  }
}
