/* Owns the answer to a node that is about to start an agent with secrets. What it may have is read
 * from the instance's own job, never from the node's frame. */
#include "server/secrets.h"

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"
#include "server/registry.h"
#include "server/seal.h"
#include "server/turn.h"

#include <string.h>

/* "\u0001" of one byte; quotes, colon, commas and the end */
enum { JSON_GROWS = 6, JSON_AROUND = 16 };

static void secrets_write(GString **object, const char *key, const char *value)
{
  text_room(object, JSON_GROWS * (strlen(key) + strlen(value)) + JSON_AROUND);
  GString *out = *object;
  if (out->str[out->len - 1] != '{')
    g_string_append_c(out, ',');
  jw_quote(out, key, strlen(key));
  g_string_append_c(out, ':');
  jw_quote(out, value, strlen(value));
}

/* "KEY=peer:DEPLOYMENT" is the key by which its agents know each other,
 * "KEY=peer:registry:DEPLOYMENT" the URL where they find each other; nobody has set them and
 * nothing stores them. */
static bool secrets_put_derived(const Server *server, const char *reference, GString **out,
                                GError **error)
{
  const char *equals = strchr(reference, '='), *purpose = equals + 1;
  g_autofree char *key = g_strndup(reference, (gsize)(equals - reference));
  bool url = g_str_has_prefix(purpose, "peer:" REGISTRY_PURPOSE);
  char *value =
      url ? registry_url(server->registry, purpose + strlen("peer:" REGISTRY_PURPOSE), error)
          : seal_derive(server->options->data_dir, purpose, error);
  if (!value)
    return false;
  secrets_write(out, key, value);
  seal_wipe(value);
  return true;
}

/* One "KEY=secret:NAME" into @out; files are the node's business. */
static bool secrets_put(const Server *server, const char *reference, GString **out,
                        int64_t *version, GError **error)
{
  const char *equals = strchr(reference, '=');
  if (equals && g_str_has_prefix(equals + 1, "peer:"))
    return secrets_put_derived(server, reference, out, error);
  if (!equals || !g_str_has_prefix(equals + 1, "secret:"))
    return true;
  const char *name = equals + 1 + strlen("secret:");
  g_autofree char *key = g_strndup(reference, (gsize)(equals - reference));
  const Secret *secret = core_secret(engine_core(server->engine), name);
  if (!secret) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND,
                "variable '%s': no secret '%s'; set it with 'reeve secret set %s'", key, name,
                name);
    return false;
  }
  char *value = seal_open(server->options->data_dir, name, secret->sealed, error);
  if (!value) {
    g_prefix_error(error, "variable '%s': ", key);
    return false;
  }
  secrets_write(out, key, value);
  *version = MAX(*version, secret->version);
  seal_wipe(value);
  return true;
}

static char *secrets_of(const Server *server, const char *node, const Frame *frame,
                        int64_t *version, GError **error)
{
  const Instance *instance =
      frame->instance ? core_instance(engine_core(server->engine), frame->instance) : NULL;
  if (!instance || !instance->node || strcmp(instance->node->id, node) != 0 ||
      !instance->desired_running || instance->generation != frame->request) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT, "this start is over");
    return NULL;
  }
  g_auto(GStrv) references = core_instance_references(instance, error);
  if (!references)
    return NULL;
  g_autoptr(GString) out = g_string_new(NULL);
  g_string_append_c(out, '{');
  for (size_t i = 0; references[i]; i++)
    if (!secrets_put(server, references[i], &out, version, error)) {
      explicit_bzero(out->str, out->allocated_len);
      return NULL;
    }
  g_string_append_c(out, '}');
  return g_string_free(g_steal_pointer(&out), FALSE);
}

void secrets_answer(Server *server, const char *node, const Frame *frame)
{
  g_autoptr(GError) error = NULL;
  int64_t version = 0;
  g_autoptr(Frame) answer = frame_new(FRAME_SECRETS);
  answer->term = core_term(engine_core(server->engine));
  answer->instance = g_strdup(frame->instance);
  answer->request = frame->request;
  answer->data = secrets_of(server, node, frame, &version, &error);
  answer->error = error ? g_strdup(error->message) : NULL;
  if (error)
    log_warn("secrets not given", "node=%s instance=%s error=\"%s\"", node,
             frame->instance ? frame->instance : "?", error->message);
  else if (version > 0)
    engine_apply(server->engine, &(Command){.type = COMMAND_SECRETS_GIVEN,
                                            .actor = node,
                                            .instance = frame->instance,
                                            .version = version});
  if (!engine_hears(server->engine)) {
    /* that it was given cannot be stored, so it is not given: the node asks again */
    seal_wipe(g_steal_pointer(&answer->data));
    return;
  }
  Message *message = g_new0(Message, 1);
  message->node = g_strdup(node);
  message->frame = frame_write(answer);
  turn_send_later(server, message);
  seal_wipe(g_steal_pointer(&answer->data));
}
