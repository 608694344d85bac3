/* Owns webhooks on their way: the messages for one deployment and URL go one after the other, each
 * until the core says that it was delivered or is given up. One whose outcome could not be stored
 * is posted again, with the same id. URLs are not logged whole: their paths are secrets in
 * practice. */
#include "server/notify.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "net/http_client.h"
#include "server/seal.h"
#include "server/state.h"

#include <string.h>

enum { NOTIFY_TIMEOUT_MS = 10000, NOTIFY_AGAIN_MS = 1000 };

typedef struct Lane {
  char *key;
  GQueue hooks; /* of Hook*, the oldest first: only that one is on its way */
} Lane;

/* One message of the core to one URL. */
typedef struct Hook {
  Notify *notify;
  Lane *lane;
  char id[ID_BYTES];
  HttpCall *call;
  LoopTimer *timer;
  bool answered, delivered; /* what came of the last try; until the core has stored it */
} Hook;

struct Notify {
  struct Server *server;
  Loop *loop;
  HttpClient *http;
  GHashTable *hooks; /* id -> Hook*; owned */
  GHashTable *lanes; /* key -> Lane* that is not empty; owned */
};

static void lane_free(gpointer data)
{
  Lane *lane = data;
  g_queue_clear(&lane->hooks);
  g_free(lane->key);
  g_free(lane);
}

static void hook_free(gpointer data)
{
  Hook *hook = data;
  if (hook->call)
    http_call_cancel(hook->call);
  loop_timer_free(hook->timer);
  g_free(hook);
}

Notify *notify_new(struct Server *server, Loop *loop)
{
  Notify *notify = g_new0(Notify, 1);
  notify->server = server;
  notify->loop = loop;
  notify->http = http_client_new(loop);
  notify->hooks = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, hook_free);
  notify->lanes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, lane_free);
  return notify;
}

void notify_free(Notify *notify)
{
  if (!notify)
    return;
  g_hash_table_unref(notify->hooks);
  http_client_free(notify->http);
  g_hash_table_unref(notify->lanes);
  g_free(notify);
}

/* ---- delivery ---- */

/* "https://host:port" of a URL, without user and password. Caller frees. */
static char *hook_host(const char *url)
{
  const char *host = strstr(url, "://");
  size_t n = host ? (size_t)(host - url) + 3 : 0;
  size_t length = strcspn(url + n, "/?#");
  const char *at = memchr(url + n, '@', length), *from = at ? at + 1 : url + n;
  return g_strdup_printf("%.*s%.*s", (int)n, url, (int)(url + n + length - from), from);
}

/* The core hears what came of a try. While nothing can be stored it waits, and nothing is posted
 * meanwhile. */
static void hook_tell(Hook *hook)
{
  Server *server = hook->notify->server;
  if (engine_store_state(server->engine) != STORE_STATE_OK || engine_full(server->engine)) {
    loop_timer_set(hook->timer, clock_boot_ms() + NOTIFY_AGAIN_MS);
    return;
  }
  char id[ID_BYTES];
  g_strlcpy(id, hook->id, sizeof id); /* the hook may go with this turn */
  engine_apply(server->engine, &(Command){.type = COMMAND_NOTICE_TRIED,
                                          .actor = "reeve",
                                          .notice = id,
                                          .delivered = hook->delivered});
}

static void hook_done(const HttpResult *result, void *data)
{
  Hook *hook = data;
  const Notice *notice = core_notice(engine_core(hook->notify->server->engine), hook->id);
  hook->call = NULL;
  hook->answered = true;
  hook->delivered = result->status >= 200 && result->status < 300;
  if (notice && !hook->delivered) {
    g_autofree char *host = hook_host(notice->url);
    log_warn("webhook failed", "deployment=%s event=%s to=%s id=%s try=%d status=%d error=\"%s\"",
             notice->deployment, notice->event, host, notice->id, notice->tries + 1, result->status,
             result->error ? result->error : "");
  }
  hook_tell(hook);
}

/* "Reeve-Webhook-Signature: t=SECONDS,v1=HEX": HMAC-SHA256 under the secret of SECONDS, a dot and
 * the body, so that a receiver knows who sent it and when. NULL without @error: the job wants none.
 * Caller frees. */
static char *hook_signature(const Server *server, const Notice *notice, GError **error)
{
  const char *name = core_notice_secret(engine_core(server->engine), notice);
  const Secret *secret = name ? core_secret(engine_core(server->engine), name) : NULL;
  if (name && !secret)
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND, "no secret '%s' to sign with", name);
  char *key = secret ? seal_open(server->options->data_dir, name, secret->sealed, error) : NULL;
  if (!key)
    return NULL;
  int64_t seconds = clock_wall_ms() / 1000;
  g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT ".%s", seconds, notice->body);
  g_autofree char *hex =
      g_compute_hmac_for_string(G_CHECKSUM_SHA256, (const guchar *)key, strlen(key), text, -1);
  seal_wipe(key);
  return g_strdup_printf("Reeve-Webhook-Signature: t=%" G_GINT64_FORMAT ",v1=%s", seconds, hex);
}

static void hook_post(Hook *hook, const Notice *notice)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *signature = hook_signature(hook->notify->server, notice, &error);
  if (error) { /* unsigned it would be taken for somebody else's */
    hook_done(&(HttpResult){.error = error->message}, hook);
    return;
  }
  g_autofree char *id =
      g_strdup_printf("Reeve-Webhook-Id: %s-%" G_GINT64_FORMAT, notice->id, notice->created_at_ms);
  g_autofree char *attempt = g_strdup_printf("Reeve-Webhook-Try: %d", notice->tries + 1);
  const char *const headers[] = {id, attempt, signature, NULL};
  /* whoever deploys names the URL: not the machine's metadata, say */
  HttpCallSpec spec = {.method = "POST",
                       .url = notice->url,
                       .content_type = "application/json",
                       .body = notice->body,
                       .body_length = strlen(notice->body),
                       .headers = headers,
                       .timeout_ms = NOTIFY_TIMEOUT_MS,
                       .guard = HTTP_GUARD_LOCAL};
  hook->call = http_client_call(hook->notify->http, &spec, NULL, hook_done, hook);
}

static void hook_due(void *data)
{
  Hook *hook = data;
  Server *server = hook->notify->server;
  const Notice *notice = core_notice(engine_core(server->engine), hook->id);
  if (hook->answered)
    hook_tell(hook);
  else if (engine_store_state(server->engine) != STORE_STATE_OK)
    /* its delivery could not be noted */
    loop_timer_set(hook->timer, clock_boot_ms() + NOTIFY_AGAIN_MS);
  else if (notice && !server->leaving)
    hook_post(hook, notice);
}

/* Sets the time of the lane's first message, from the loop: never within a turn. */
static void lane_arm(const Lane *lane)
{
  Hook *hook = g_queue_peek_head((GQueue *)(uintptr_t)&lane->hooks);
  const Notice *notice =
      hook ? core_notice(engine_core(hook->notify->server->engine), hook->id) : NULL;
  if (!notice || hook->call || hook->answered)
    return;
  int64_t wait_ms = CLAMP(notice->next_at_ms - clock_wall_ms(), 0, NOTICE_LONGEST_MS);
  loop_timer_set(hook->timer, clock_boot_ms() + wait_ms);
}

static void hook_add(Notify *notify, const Notice *notice)
{
  g_autofree char *key = g_strdup_printf("%s %s", notice->deployment, notice->url);
  Lane *lane = g_hash_table_lookup(notify->lanes, key);
  if (!lane) {
    lane = g_new0(Lane, 1);
    lane->key = g_steal_pointer(&key);
    g_hash_table_insert(notify->lanes, lane->key, lane);
  }
  Hook *hook = g_new0(Hook, 1);
  hook->notify = notify;
  hook->lane = lane;
  g_strlcpy(hook->id, notice->id, sizeof hook->id);
  hook->timer = loop_timer_new(notify->loop, hook_due, hook);
  g_queue_push_tail(&lane->hooks, hook);
  g_hash_table_insert(notify->hooks, hook->id, hook);
  lane_arm(lane);
}

static void hook_remove(Hook *hook)
{
  Notify *notify = hook->notify;
  Lane *lane = hook->lane;
  g_queue_remove(&lane->hooks, hook);
  g_hash_table_remove(notify->hooks, hook->id); /* frees */
  if (g_queue_is_empty(&lane->hooks))
    g_hash_table_remove(notify->lanes, lane->key);
  else
    lane_arm(lane);
}

/* ---- what the core says ---- */

static void notify_log(const Event *event)
{
  json_t *data = json_parse(event->data, strlen(event->data), NULL);
  const char *state = jget_str(data, "state", ""), *word = jget_str(data, "event", "");
  if (strcmp(state, "delivered") == 0)
    log_info("told", "deployment=%s event=%s id=%s", event->deployment, word, event->object);
  else if (strcmp(state, "given-up") == 0)
    log_warn("webhook is given up", "deployment=%s event=%s id=%s tries=%d", event->deployment,
             word, event->object, (int)jget_int(data, "tries", 0));
  json_decref(data);
}

void notify_event(Notify *notify, const Event *event)
{
  if (strcmp(event->type, "webhook") != 0)
    return;
  const Notice *notice = core_notice(engine_core(notify->server->engine), event->object);
  Hook *hook = g_hash_table_lookup(notify->hooks, event->object);
  notify_log(event);
  if (!notice) {
    if (hook)
      hook_remove(hook);
  } else if (!hook) {
    hook_add(notify, notice);
  } else {
    hook->answered = false;
    lane_arm(hook->lane);
  }
}

void notify_begin(Notify *notify)
{
  const GPtrArray *waiting = core_notices(engine_core(notify->server->engine));
  g_autoptr(GPtrArray) gone = g_ptr_array_new();
  GHashTableIter iter;
  gpointer hook;
  g_hash_table_iter_init(&iter, notify->hooks);
  while (g_hash_table_iter_next(&iter, NULL, &hook))
    if (!core_notice(engine_core(notify->server->engine), ((const Hook *)hook)->id))
      g_ptr_array_add(gone, hook);
  for (guint i = 0; i < gone->len; i++)
    hook_remove(gone->pdata[i]);
  for (guint i = 0; i < waiting->len; i++) {
    const Notice *notice = g_ptr_array_index(waiting, i);
    Hook *known = g_hash_table_lookup(notify->hooks, notice->id);
    if (!known)
      hook_add(notify, notice);
    else if (known->answered)
      loop_timer_set(known->timer, clock_boot_ms() + NOTIFY_AGAIN_MS);
  }
}
