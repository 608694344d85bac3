/* The agents that this one may ask: where they are, what they are, and the asking; see peers.h. */
#include "agent/peers.h"

#include "agent/allowed.h"
#include "agent/mcp_content.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>
#include <sys/stat.h>

enum {
  PEERS_FILE_MAX = 1024 * 1024,
  LOOK_MS = 5000,       /* for one look at a card */
  LOOK_AGAIN_MS = 2000, /* until an agent of the job has told who it is */
  LOOKS_MAX = 30,       /* of an agent of the job that does not tell */
  CARD_TEXT_MAX = 500
};

/* A look at the card of a peer, again and again. */
typedef struct Look {
  Peers *peers;
  Peer *peer;
  HttpCall *call;
  LoopTimer *timer;
  int looks;
} Look;

struct Peers {
  Loop *loop;
  HttpClient *client;
  GPtrArray *list;  /* of Peer* */
  GPtrArray *looks; /* of Look* */
  GPtrArray *subs;  /* of Peer*: they stay, whatever becomes of the file */
  struct timespec read_time;
  ino_t read_inode;
  bool read;
  void (*changed)(void *data);
  void *data;
};

struct PeerCall {
  Peers *peers;
  char *name, *text, *authorization, *error;
  char **urls;
  guint first, tried; /* replicas */
  bool by_prompt, of_job;
  int depth;
  int64_t until_ms;
  HttpCall *http;
  LoopTimer *timer; /* a refusal is told at the next turn of the loop */
  PeerDone done;
  void *data;
};

static void peer_free(void *data)
{
  Peer *peer = data;
  g_free(peer->name);
  g_free(peer->role);
  g_free(peer->description);
  g_free(peer->token);
  g_free(peer->error);
  g_ptr_array_unref(peer->urls);
  g_free(peer);
}

static Peer *peer_new(const char *name, const char *role)
{
  Peer *peer = g_new0(Peer, 1);
  *peer = (Peer){.name = g_strdup(name),
                 .role = g_strdup(role),
                 .description = g_strdup(""),
                 .urls = g_ptr_array_new_with_free_func(g_free)};
  return peer;
}

/* Takes over whether, and with what, a peer may be called. */
static void peer_set_error(Peer *peer, const char *why)
{
  g_free(peer->error);
  peer->error = g_strdup(why);
}

/* "Bearer ..." for calls to a peer: its token, or the secret that the agents of a job share. Caller
 * frees; NULL = none. */
static char *peer_authorization(const Peer *peer)
{
  const char *key = peer->of_job ? g_getenv("AGENT_PEER_KEY") : peer->token;
  return key && key[0] && !strpbrk(key, "\r\n") ? g_strdup_printf("Authorization: Bearer %s", key)
                                                : NULL;
}

/* @path below @url, with one slash between. Caller frees. */
static char *peer_url(const char *url, const char *path)
{
  size_t n = strlen(url);
  while (n > 0 && url[n - 1] == '/')
    n--;
  return g_strdup_printf("%.*s%s", (int)n, url, path);
}

/* ---- looking at cards ---- */

static void look_free(void *data)
{
  Look *look = data;
  http_call_cancel(look->call);
  loop_timer_free(look->timer);
  g_free(look);
}

static void look_again(Look *look)
{
  const Peer *peer = look->peer;
  bool wanted = !peer->of_job || (!peer->description[0] && look->looks < LOOKS_MAX);
  int64_t delay = peer->of_job ? LOOK_AGAIN_MS : peer->interval_ms;
  if (wanted && delay > 0)
    loop_timer_set(look->timer, clock_boot_ms() + delay);
}

static void look_take_card(Peer *peer, const HttpResult *result)
{
  json_t *card = json_parse_foreign(result->body, result->length, NULL);
  const char *text = jget_str(card, "description", "");
  if (text[0]) {
    g_free(peer->description);
    peer->description = mcp_cut(text, CARD_TEXT_MAX);
  }
  json_decref(card);
}

static void look_on_done(const HttpResult *result, void *data)
{
  Look *look = data;
  Peer *peer = look->peer;
  bool away = !peer->of_job && (result->status == 0 || result->status >= 500);
  look->call = NULL;
  if (away != peer->away)
    log_info(away ? "sub-agent is away" : "sub-agent is back", "agent=%s status=%d", peer->name,
             result->status);
  peer->away = away;
  if (result->status == 200)
    look_take_card(peer, result);
  look_again(look);
  look->peers->changed(look->peers->data);
}

static void look_on_timer(void *data)
{
  Look *look = data;
  Peer *peer = look->peer;
  HttpGuard guard = HTTP_GUARD_LOCAL;
  g_autoptr(GError) error = NULL;
  if (!peer->urls->len ||
      !allowed_url(peer->urls->pdata[0], peer->of_job ? ALLOWED_PEER : ALLOWED_AGENT, NULL, &guard,
                   &error)) {
    peer_set_error(peer, error ? error->message : "it has no URL");
    return;
  }
  g_autofree char *url = peer_url(peer->urls->pdata[0], "/.well-known/agent-configuration"),
                  *authorization = peer_authorization(peer);
  const char *headers[] = {authorization, NULL};
  HttpCallSpec spec = {.url = url, .headers = headers, .timeout_ms = LOOK_MS, .guard = guard};
  look->looks++;
  look->call = http_client_call(look->peers->client, &spec, NULL, look_on_done, look);
}

static void peers_look_at(Peers *peers, Peer *peer)
{
  Look *look = g_new0(Look, 1);
  *look = (Look){.peers = peers, .peer = peer};
  look->timer = loop_timer_new(peers->loop, look_on_timer, look);
  loop_timer_set(look->timer, clock_boot_ms());
  g_ptr_array_add(peers->looks, look);
}

/* ---- where they are ---- */

static void peers_add(Peers *peers, Peer *peer)
{
  peer->of_job = true;
  g_ptr_array_add(peers->list, peer);
}

/* The text of AGENT_PEERS_FILE: [{"id","role","urls":[...]}]. False when it is something else. */
static bool peers_take_text(Peers *peers, const char *text, size_t length)
{
  json_t *root = json_parse(text, length, NULL), *entry, *url;
  size_t i, k;
  bool is_list = json_is_array(root);
  json_array_foreach(root, i, entry)
  {
    const char *id = jget_str(entry, "id", NULL);
    if (!text_is_name(id) || peers->list->len >= PEERS_MAX)
      continue;
    Peer *peer = peer_new(id, jget_str(entry, "role", ""));
    json_array_foreach(json_object_get(entry, "urls"), k, url)
    {
      if (json_is_string(url) && peer->urls->len < PEER_URLS_MAX)
        g_ptr_array_add(peer->urls, g_strdup(json_string_value(url)));
    }
    peers_add(peers, peer);
  }
  json_decref(root);
  return is_list;
}

/* Without a peers file only URLs are known: the agent is named after where it is. */
static void peers_take_urls(Peers *peers, const char *connected)
{
  g_auto(GStrv) urls = g_strsplit(connected, ",", PEERS_MAX);
  for (guint i = 0; urls[i]; i++) {
    const char *url = g_strstrip(urls[i]), *place = strstr(url, "://");
    if (!place)
      continue;
    g_autofree char *name =
        g_strcanon(g_strdup(place + 3), G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-", '_');
    Peer *peer = peer_new(name, "");
    g_ptr_array_add(peer->urls, g_strdup(url));
    peers_add(peers, peer);
  }
}

/* Throws away the agents of the job, with what is known of them, and their looks. */
static void peers_clear(Peers *peers)
{
  for (guint i = peers->looks->len; i > 0; i--) {
    const Look *look = peers->looks->pdata[i - 1];
    if (look->peer->of_job)
      g_ptr_array_remove_index(peers->looks, i - 1);
  }
  for (guint i = 0; i < peers->list->len; i++) {
    Peer *peer = peers->list->pdata[i];
    if (peer->of_job)
      peer_free(peer);
  }
  g_ptr_array_set_size(peers->list, 0);
}

static void peers_read(Peers *peers, const char *path)
{
  size_t length = 0;
  g_autoptr(GError) error = NULL;
  g_autofree char *text = path ? fs_read(path, PEERS_FILE_MAX, &length, &error) : NULL;
  const char *connected = g_getenv("CONNECTED_AGENTS");
  if (error)
    log_warn("peers file cannot be read", "why=\"%s\"", error->message);
  peers_clear(peers);
  if ((!text || !peers_take_text(peers, text, length)) && connected)
    peers_take_urls(peers, connected);
  for (guint i = 0; i < peers->list->len; i++)
    peers_look_at(peers, peers->list->pdata[i]);
  for (guint i = 0; i < peers->subs->len; i++)
    g_ptr_array_add(peers->list, peers->subs->pdata[i]);
  peers->changed(peers->data);
}

void peers_refresh(Peers *peers)
{
  const char *path = g_getenv("AGENT_PEERS_FILE");
  struct stat info = {0};
  bool there = path && stat(path, &info) == 0;
  bool same = peers->read && (!there || (info.st_ino == peers->read_inode &&
                                         info.st_mtim.tv_sec == peers->read_time.tv_sec &&
                                         info.st_mtim.tv_nsec == peers->read_time.tv_nsec));
  if (same)
    return;
  peers->read = true;
  peers->read_inode = info.st_ino;
  peers->read_time = info.st_mtim;
  peers_read(peers, there ? path : NULL);
}

const GPtrArray *peers_list(const Peers *peers)
{
  return peers->list;
}

static void peers_add_sub(Peers *peers, const AgentSub *sub)
{
  g_autoptr(GError) error = NULL;
  HttpGuard guard;
  Peer *peer = peer_new(sub->name, "");
  peer->interval_ms = sub->interval_ms;
  peer->token = g_strdup(sub->auth_token);
  g_ptr_array_add(peer->urls, g_strdup(sub->url));
  if (!allowed_url(sub->url, ALLOWED_AGENT, NULL, &guard, &error)) {
    peer_set_error(peer, error->message);
    log_warn("sub-agent cannot be asked", "agent=%s why=\"%s\"", sub->name, error->message);
  }
  g_ptr_array_add(peers->subs, peer);
  if (!error)
    peers_look_at(peers, peer);
}

Peers *peers_new(Loop *loop, HttpClient *client, const AgentTools *tools,
                 void (*changed)(void *data), void *data)
{
  Peers *peers = g_new0(Peers, 1);
  *peers = (Peers){.loop = loop,
                   .client = client,
                   .list = g_ptr_array_new(),
                   .looks = g_ptr_array_new_with_free_func(look_free),
                   .subs = g_ptr_array_new_with_free_func(peer_free),
                   .changed = changed,
                   .data = data};
  for (guint i = 0; i < tools->sub_agents->len; i++)
    peers_add_sub(peers, tools->sub_agents->pdata[i]);
  peers_refresh(peers);
  return peers;
}

void peers_free(Peers *peers)
{
  if (!peers)
    return;
  peers_clear(peers);
  g_ptr_array_unref(peers->looks);
  g_ptr_array_unref(peers->list);
  g_ptr_array_unref(peers->subs);
  g_free(peers);
}

/* ---- asking ---- */

static void call_send(PeerCall *call);

static void call_free(PeerCall *call)
{
  http_call_cancel(call->http);
  loop_timer_free(call->timer);
  g_free(call->name);
  g_free(call->text);
  g_free(call->authorization);
  g_free(call->error);
  g_strfreev(call->urls);
  g_free(call);
}

static void call_end(PeerCall *call, bool ok, const char *text)
{
  call->done(ok, text, strlen(text), call->data);
  call_free(call);
}

/* The text of an answer, or why it is none. */
static void call_take(PeerCall *call, const HttpResult *result)
{
  json_t *body = json_parse_foreign(result->body, result->length, NULL);
  const char *response = jget_str(body, "response", NULL),
             *detail = jget_str(body, "detail", jget_str(body, "title", ""));
  if (result->status == 200 && response) {
    call_end(call, true, response);
  } else {
    g_autofree char *what = result->status ? g_strdup_printf("HTTP status %d%s%s", result->status,
                                                             detail[0] ? ": " : "", detail)
                                           : g_strdup(result->error);
    g_autofree char *text =
        g_strdup_printf("agent '%s' gave no answer: %s", call->name,
                        result->status == 200 ? "its reply has no 'response'" : what);
    call_end(call, false, text);
  }
  json_decref(body);
}

static void call_on_done(const HttpResult *result, void *data)
{
  PeerCall *call = data;
  call->http = NULL;
  bool no_such_door = !call->by_prompt && (result->status == 404 || result->status == 405);
  bool unreached = result->status == 0 && g_strcmp0(result->error, "connection refused") == 0;
  if (no_such_door) {
    call->by_prompt = true;
    call_send(call);
  } else if (unreached && ++call->tried < g_strv_length(call->urls)) {
    call->by_prompt = false;
    call_send(call);
  } else {
    call_take(call, result);
  }
}

static void call_refuse(void *data)
{
  PeerCall *call = data;
  g_autofree char *text =
      g_strdup_printf("agent '%s' cannot be asked: %s", call->name, call->error);
  call_end(call, false, text);
}

static void call_refuse_soon(PeerCall *call, const char *why)
{
  call->error = g_strdup(why);
  call->timer = loop_timer_new(call->peers->loop, call_refuse, call);
  loop_timer_set(call->timer, clock_boot_ms());
}

static void call_send(PeerCall *call)
{
  const char *base = call->urls[(call->first + call->tried) % g_strv_length(call->urls)];
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) body = g_string_new(NULL);
  g_autofree char *url = peer_url(base, call->by_prompt ? "/prompt" : "/query");
  g_autofree char *depth = g_strdup_printf("X-Reeve-Depth: %d", call->depth + 1);
  HttpGuard guard = HTTP_GUARD_LOCAL;
  if (!allowed_url(url, call->of_job ? ALLOWED_PEER : ALLOWED_AGENT, NULL, &guard, &error)) {
    call_refuse_soon(call, error->message);
    return;
  }
  jw_open(body, NULL, '{');
  jw_str(body, call->by_prompt ? "prompt" : "query", call->text);
  jw_close(body, '}');
  const char *headers[] = {depth, call->authorization, NULL};
  HttpCallSpec spec = {.method = "POST",
                       .url = url,
                       .content_type = "application/json",
                       .body = body->str,
                       .body_length = body->len,
                       .headers = headers,
                       .timeout_ms = MAX(1, call->until_ms - clock_boot_ms()),
                       .reply_bytes_max = PEER_REPLY_MAX,
                       .guard = guard};
  call->http = http_client_call(call->peers->client, &spec, NULL, call_on_done, call);
}

PeerCall *peer_call(Peers *peers, Peer *peer, const char *text, int depth, int64_t timeout_ms,
                    PeerDone done, void *data)
{
  PeerCall *call = g_new0(PeerCall, 1);
  *call = (PeerCall){.peers = peers,
                     .name = g_strdup(peer->name),
                     .text = g_strdup(text),
                     .authorization = peer_authorization(peer),
                     .first = peer->next++,
                     .of_job = peer->of_job,
                     .depth = depth,
                     .until_ms = clock_boot_ms() + timeout_ms,
                     .done = done,
                     .data = data};
  call->urls = g_new0(char *, peer->urls->len + 1);
  for (guint i = 0; i < peer->urls->len; i++)
    call->urls[i] = g_strdup(peer->urls->pdata[i]);
  if (depth >= PEER_DEPTH_MAX)
    call_refuse_soon(
        call, "the question has passed through too many agents; answer it without asking further");
  else if (peer->error || !peer->urls->len)
    call_refuse_soon(call, peer->error ? peer->error : "it has no URL");
  else
    call_send(call);
  return call;
}

void peer_call_cancel(PeerCall *call)
{
  call_free(call);
}
