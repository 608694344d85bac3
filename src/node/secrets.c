/* The environment that an agent is given and nobody writes down: before its shim starts the node
 * asks the server for the secrets and reads the files that the instance's spec names. The values
 * stay in memory; a restart by the node happens inside that shim and needs none. */
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "node/internal.h"

#include <string.h>

enum { SECRET_FILE_MAX = 64 * 1024 };

static void secrets_fail(Runner *runner, const char *why)
{
  g_clear_pointer(&runner->waiting, instance_spec_free);
  NodeEvent failed = {.type = NODE_EVENT_PREPARE_FAILED, .instance = runner->id, .text = why};
  node_event(runner->node, &failed, NULL);
}

static void secrets_send(const Runner *runner)
{
  g_autoptr(Frame) frame = frame_new(FRAME_SECRET_READ);
  frame->instance = g_strdup(runner->id);
  frame->request = runner->waiting_generation;
  node_send_frame(runner->node, frame);
}

void secrets_ask(Runner *runner, const NodeAction *action)
{
  g_clear_pointer(&runner->waiting, instance_spec_free);
  /* the action's lives no longer than the action */
  runner->waiting = instance_spec_copy(action->spec);
  runner->waiting_generation = action->generation;
  secrets_send(runner); /* without a link, and before the hello: secrets_welcome */
}

void secrets_welcome(Node *node)
{
  GHashTableIter iter;
  gpointer runner;
  g_hash_table_iter_init(&iter, node->runners);
  while (g_hash_table_iter_next(&iter, NULL, &runner))
    if (((Runner *)runner)->waiting && !((Runner *)runner)->asking)
      secrets_send(runner);
}

/* "KEY=value" of one reference, or NULL. */
static char *secrets_value(const char *reference, const json_t *given, GError **error)
{
  const char *equals = strchr(reference, '='), *from = equals ? equals + 1 : "";
  g_autofree char *key =
      g_strndup(reference, equals ? (gsize)(equals - reference) : strlen(reference));
  /* all others are the server's business, also those that it learns later */
  bool is_file = g_str_has_prefix(from, "file:");
  const char *value = is_file ? NULL : jget_str(given, key, NULL);
  char *file = is_file ? fs_read_value(from + strlen("file:"), SECRET_FILE_MAX, error) : NULL;
  char *pair = value || file ? g_strconcat(key, "=", value ? value : file, NULL) : NULL;
  text_wipe(file);
  if (pair)
    return pair;
  if (error && *error)
    g_prefix_error(error, "variable '%s': ", key);
  else
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_INVALID, "variable '%s': the server gave no value",
                key);
  return NULL;
}

static void secrets_wipe(char **pairs)
{
  for (size_t i = 0; pairs && pairs[i]; i++)
    explicit_bzero(pairs[i], strlen(pairs[i]));
  g_strfreev(pairs);
}

void secrets_drop(Runner *runner)
{
  secrets_wipe(g_steal_pointer(&runner->secrets));
}

static char **secrets_values(const InstanceSpec *spec, const json_t *given, GError **error)
{
  guint n = g_strv_length(spec->references);
  char **pairs = g_new0(char *, n + 1);
  for (guint i = 0; i < n; i++) {
    pairs[i] = secrets_value(spec->references[i], given, error);
    if (!pairs[i]) {
      secrets_wipe(pairs);
      return NULL;
    }
  }
  return pairs;
}

void secrets_frame(Node *node, const Frame *frame)
{
  Runner *runner = frame->instance ? node_runner(node, frame->instance, false) : NULL;
  if (!runner || !runner->waiting || runner->asking || runner->waiting_generation != frame->request)
    return; /* an answer to a start that is over */
  if (frame->error) {
    secrets_fail(runner, frame->error);
    return;
  }
  g_autoptr(GError) error = NULL;
  json_t *given = frame->data ? json_parse(frame->data, strlen(frame->data), &error) : NULL;
  char **pairs = given ? secrets_values(runner->waiting, given, &error) : NULL;
  json_decref(given);
  if (frame->data)
    explicit_bzero(frame->data, strlen(frame->data));
  if (!pairs) {
    secrets_fail(runner, error ? error->message : "the server gave no values");
    return;
  }
  InstanceSpec *spec = g_steal_pointer(&runner->waiting);
  secrets_drop(runner);
  runner->secrets = pairs;
  runner_launch(runner, spec, runner->waiting_generation);
  instance_spec_free(spec);
}
