/* Owns webhooks on their way: one for each URL and deployment at a time; a newer one takes the place of one that waits. Tried six times
 * within about ten minutes, then given up with a line in the log. URLs are not logged whole: their paths are secrets in practice. */
#include "server/notify.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "net/http_client.h"
#include "server/internal.h"

#include <string.h>

enum { NOTIFY_TRIES = 6, NOTIFY_FIRST_MS = 2000, NOTIFY_TIMEOUT_MS = 10000, NOTIFY_OPEN_MAX = 1000 };

/* One message to one URL. */
typedef struct Hook {
  Notify *notify;
  char *deployment, *url, *word;
  char *body;
  int tries;
  HttpCall *call;
  LoopTimer *timer;
} Hook;

struct Notify {
  struct Server *server;
  Loop *loop;
  HttpClient *http;
  GHashTable *words; /* deployment -> the word that was told or found last: "failed", "degraded" or "well" (static) */
  GPtrArray *hooks;  /* of Hook* */
};

static void hook_free(gpointer data)
{
  Hook *hook = data;
  if (hook->call)
    http_call_cancel(hook->call);
  loop_timer_free(hook->timer);
  g_free(hook->deployment);
  g_free(hook->url);
  g_free(hook->body);
  g_free(hook->word);
  g_free(hook);
}

Notify *notify_new(struct Server *server, Loop *loop)
{
  Notify *notify = g_new0(Notify, 1);
  notify->server = server;
  notify->loop = loop;
  notify->http = http_client_new(loop);
  notify->words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
  notify->hooks = g_ptr_array_new_with_free_func(hook_free);
  return notify;
}

void notify_free(Notify *notify)
{
  if (!notify)
    return;
  g_ptr_array_unref(notify->hooks);
  http_client_free(notify->http);
  g_hash_table_unref(notify->words);
  g_free(notify);
}

/* ---- delivery ---- */

static void hook_send(void *data);

/* "https://host:port" of a URL. Caller frees. */
static char *hook_host(const char *url)
{
  const char *host = strstr(url, "://");
  size_t n = host ? (size_t)(host - url) + 3 : 0;
  return g_strndup(url, n + strcspn(url + n, "/?#@"));
}

static void hook_done(const HttpResult *result, void *data)
{
  Hook *hook = data;
  g_autofree char *host = hook_host(hook->url);
  hook->call = NULL;
  if (result->status >= 200 && result->status < 300) {
    log_info("told", "deployment=%s event=%s to=%s", hook->deployment, hook->word, host);
    g_ptr_array_remove(hook->notify->hooks, hook);
    return;
  }
  bool last = hook->tries >= NOTIFY_TRIES;
  log_warn(last ? "webhook is given up" : "webhook failed", "deployment=%s event=%s to=%s try=%d status=%d error=\"%s\"", hook->deployment,
           hook->word, host, hook->tries, result->status, result->error ? result->error : "");
  if (last)
    g_ptr_array_remove(hook->notify->hooks, hook);
  else
    loop_timer_set(hook->timer, clock_boot_ms() + ((int64_t)NOTIFY_FIRST_MS << (2 * (hook->tries - 1))));
}

static void hook_send(void *data)
{
  Hook *hook = data;
  HttpCallSpec spec = {.method = "POST",
                       .url = hook->url,
                       .content_type = "application/json",
                       .body = hook->body,
                       .body_length = strlen(hook->body),
                       .timeout_ms = NOTIFY_TIMEOUT_MS};
  hook->tries++;
  hook->call = http_client_call(hook->notify->http, &spec, NULL, hook_done, hook);
}

/* A message for the same place that has not arrived is out of date now. */
static void notify_replace(Notify *notify, const char *deployment, const char *url)
{
  for (guint i = notify->hooks->len; i > 0; i--) {
    const Hook *hook = notify->hooks->pdata[i - 1];
    if (!hook->call && strcmp(hook->deployment, deployment) == 0 && strcmp(hook->url, url) == 0)
      g_ptr_array_remove_index(notify->hooks, i - 1);
  }
}

static void notify_post(Notify *notify, const char *deployment, const char *url, const char *word, const char *body)
{
  notify_replace(notify, deployment, url);
  if (notify->hooks->len >= NOTIFY_OPEN_MAX) {
    log_warn("webhook is not sent: too many wait", "deployment=%s event=%s", deployment, word);
    return;
  }
  Hook *hook = g_new0(Hook, 1);
  *hook =
      (Hook){.notify = notify, .deployment = g_strdup(deployment), .url = g_strdup(url), .word = g_strdup(word), .body = g_strdup(body)};
  hook->timer = loop_timer_new(notify->loop, hook_send, hook);
  loop_timer_set(hook->timer, 0); /* not from within the turn */
  g_ptr_array_add(notify->hooks, hook);
}

/* ---- news ---- */

static void notify_write_agents(GString *out, const Deployment *deployment)
{
  jw_open(out, "agents", '[');
  for (guint i = 0; i < deployment->instances->len; i++) {
    const Instance *instance = deployment->instances->pdata[i];
    if (!instance->bad && g_strcmp0(instance->outcome, "failed") != 0)
      continue;
    jw_open(out, NULL, '{');
    jw_str(out, "agent", instance->agent);
    jw_int(out, "replica", instance->replica);
    jw_str(out, "state", instance_state_word(instance->state));
    jw_str(out, "health", health_word(instance->health));
    jw_str(out, "reason", instance->reason ? instance->reason : instance->observed_reason);
    jw_close(out, '}');
  }
  jw_close(out, ']');
}

static char *notify_body(const Deployment *deployment, const char *word)
{
  GString *out = g_string_new(NULL);
  jw_open(out, NULL, '{');
  jw_str(out, "event", word);
  jw_str(out, "deployment", deployment->name);
  jw_str(out, "status", deployment_status_word(deployment->status));
  jw_str(out, "outcome", rollout_outcome_word(deployment->outcome));
  jw_int(out, "revision", deployment->revision);
  jw_str(out, "reason", deployment->reason);
  jw_time(out, "at", clock_wall_ms());
  notify_write_agents(out, deployment);
  jw_close(out, '}');
  return g_string_free(out, FALSE);
}

static void notify_tell(Notify *notify, const Deployment *deployment, NotifyEvent event)
{
  int number = deployment->revision ? deployment->revision : deployment->rollout ? deployment->rollout->to : 0;
  const Revision *revision = deployment_revision(deployment, number);
  const Job *job = revision ? revision_job(revision) : NULL;
  const char *word = notify_event_word(event);
  g_autofree char *body = notify_body(deployment, word);
  for (guint i = 0; job && i < job->notify->len; i++) {
    const NotifySpec *spec = job->notify->pdata[i];
    if (spec->events & 1u << event)
      notify_post(notify, deployment->name, spec->url, word, body);
  }
}

static const char *notify_word(const Deployment *deployment)
{
  return deployment->status == DEPLOYMENT_FAILED     ? "failed"
         : deployment->status == DEPLOYMENT_DEGRADED ? "degraded"
         : deployment->status == DEPLOYMENT_RUNNING  ? "well"
                                                     : NULL; /* on its way, or stopped: nothing to tell */
}

static void notify_deployment(Notify *notify, const Deployment *deployment)
{
  const char *word = notify_word(deployment), *before = g_hash_table_lookup(notify->words, deployment->name);
  if (!word || g_strcmp0(word, before) == 0)
    return;
  g_hash_table_insert(notify->words, g_strdup(deployment->name), (gpointer)(uintptr_t)word);
  if (strcmp(word, "failed") == 0)
    notify_tell(notify, deployment, NOTIFY_FAILED);
  else if (strcmp(word, "degraded") == 0)
    notify_tell(notify, deployment, NOTIFY_DEGRADED);
  else if (before)
    notify_tell(notify, deployment, NOTIFY_RECOVERED);
}

/* A change that failed while what ran before goes on. */
static void notify_rollout(Notify *notify, const Deployment *deployment, const char *id)
{
  const Rollout *rollout = deployment->rollout;
  bool failed = rollout && strcmp(rollout->id, id) == 0 && rollout->phase == ROLLOUT_PHASE_DONE && rollout->outcome == OUTCOME_ROLLED_BACK;
  if (failed)
    notify_tell(notify, deployment, NOTIFY_FAILED);
}

void notify_event(Notify *notify, const Event *event)
{
  const Deployment *deployment = event->deployment ? core_deployment(notify->server->core, event->deployment) : NULL;
  if (!deployment) {
    if (event->deployment)
      g_hash_table_remove(notify->words, event->deployment);
    return;
  }
  if (strcmp(event->type, "deployment") == 0)
    notify_deployment(notify, deployment);
  else if (strcmp(event->type, "rollout") == 0)
    notify_rollout(notify, deployment, event->object);
}

void notify_begin(Notify *notify)
{
  const GPtrArray *all = core_deployments(notify->server->core);
  for (guint i = 0; i < all->len; i++) {
    const Deployment *deployment = g_ptr_array_index(all, i);
    const char *word = notify_word(deployment);
    if (word)
      g_hash_table_insert(notify->words, g_strdup(deployment->name), (gpointer)(uintptr_t)word);
  }
}
