/* An MCP server behind a URL, by Streamable HTTP: every message is a POST of its own, whose answer is JSON or a stream of events; beside
 * them one GET stays open for what the server says unasked, where it offers that. */
#include "agent/mcp_link.h"
#include "agent/sse.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

enum { SESSION_ID_MAX = 256, POSTS_MAX = 512, LISTEN_AGAIN_MS = 5000, GOODBYE_MS = 1000 };

/* One request to the server and what comes back. */
typedef struct Post {
  McpLink *link; /* NULL = the link left while the post was in a callback; it only waits for its own end */
  HttpCall *call;
  int64_t id;       /* of the request in it, 0 = none */
  bool answered;    /* the request was */
  bool listens;     /* the GET */
  bool begun;       /* the first bytes have come: what they are is known */
  bool events;      /* they are a stream of events */
  bool failed;      /* too much was said */
  bool in_callback; /* may not be freed now */
  SseReader reader;
  GString *body; /* when it is not a stream */
} Post;

struct McpLink {
  Loop *loop;
  HttpClient *client;
  const McpSetup *setup;
  const McpEvents *events;
  void *data;
  char *session;       /* Mcp-Session-Id, or NULL */
  const char *version; /* after the handshake */
  GPtrArray *posts;    /* of Post* */
  LoopTimer *timer;    /* the next GET */
};

static void post_free(Post *post)
{
  sse_reader_done(&post->reader);
  g_string_free(post->body, TRUE);
  g_free(post);
}

/* Ends @post without a word. */
static void post_drop(Post *post)
{
  g_ptr_array_remove_fast(post->link->posts, post);
  http_call_cancel(post->call);
  post->link = NULL;
  if (!post->in_callback)
    post_free(post);
}

/* ---- what comes back ---- */

/* Keeps the name of the session that an answer gives, if it is one that fits into a header. */
static void link_take_session(McpLink *link, const HttpCall *call)
{
  const char *given = link->session ? NULL : http_call_header(call, "Mcp-Session-Id");
  size_t n = 0;
  while (given && given[n] > 0x20 && given[n] < 0x7f && n <= SESSION_ID_MAX)
    n++;
  if (n > 0 && !given[n] && n <= SESSION_ID_MAX)
    link->session = g_strdup(given);
}

/* One JSON text of the server. False when the link has left meanwhile. */
static bool post_take(Post *post, const char *text, size_t length)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) messages = mcp_parse(text, length, &error);
  if (!messages) {
    g_autofree char *shown = text_escape(text, 120);
    log_warn("mcp server said what is no message", "mcp=%s why=\"%s\" text=\"%s\"", post->link->setup->name, error->message, shown);
  }
  for (guint i = 0; messages && i < messages->len && post->link; i++) {
    const McpMessage *message = messages->pdata[i];
    if (message->kind == MCP_RESPONSE && message->id == post->id)
      post->answered = true;
    post->link->events->message(message, post->link->data);
  }
  return post->link != NULL;
}

static bool post_on_event(const char *event, const char *text, size_t length, void *data)
{
  (void)event;
  return length == 0 || post_take(data, text, length); /* events without data only keep the stream open */
}

static bool post_on_data(const char *bytes, size_t length, void *data)
{
  Post *post = data;
  if (!post->begun) {
    const char *type = http_call_header(post->call, "Content-Type");
    post->events = type && g_ascii_strncasecmp(type, "text/event-stream", strlen("text/event-stream")) == 0;
    post->begun = true;
    link_take_session(post->link, post->call);
  }
  if (!post->events || http_call_status(post->call) != 200) {
    post->failed = post->body->len + length > MCP_TEXT_MAX;
    if (!post->failed)
      g_string_append_len(post->body, bytes, (gssize)length);
    return !post->failed;
  }
  post->in_callback = true;
  LinesState state = sse_reader_feed(&post->reader, bytes, length, post_on_event, post);
  post->in_callback = false;
  post->failed = state == LINES_TOO_LONG;
  bool left = !post->link;
  if (left)
    post_free(post);
  return !left && state == LINES_MORE;
}

/* Why @post has no answer; caller frees. */
static char *post_trouble(const Post *post, const HttpResult *result, int status)
{
  if (post->failed)
    return g_strdup("its answer is larger than 1 MiB");
  if (status == 0)
    return g_strdup(result->error);
  if (status == 200 || status == 202)
    return g_strdup("its answer ended without a result");
  g_autofree char *body = text_escape(post->body->str, 200);
  return g_strdup_printf("HTTP status %d%s%s", status, body[0] ? ": " : "", body);
}

/* The answer to @post is over. What it means is told last, since the link may be gone after it. */
static void post_on_done(const HttpResult *result, void *data)
{
  Post *post = data;
  McpLink *link = post->link;
  int status = result->status ? result->status : 0;
  bool json = !post->events && status == 200 && post->body->len && !post->failed;
  link_take_session(link, post->call);
  post->call = NULL; /* it ends by itself now */
  post->in_callback = true;
  bool here = !json || post_take(post, post->body->str, post->body->len);
  if (!here) {
    post_free(post);
    return;
  }
  g_ptr_array_remove_fast(link->posts, post);
  bool silent = post->answered || (!post->id && status != 0 && status != 404), listens_on = post->listens && post->events;
  bool expired = status == 404 && link->session && link->version;
  g_autofree char *why = post_trouble(post, result, status);
  int64_t id = post->id;
  McpLoss loss = expired ? MCP_LOST_SESSION : status == 0 && !post->failed && !listens_on ? MCP_LOST_LINK : MCP_LOST_ANSWER;
  post_free(post);
  if (listens_on)
    loop_timer_set(link->timer, clock_boot_ms() + LISTEN_AGAIN_MS);
  else if (!silent && (id || loss != MCP_LOST_ANSWER))
    link->events->lost(id, why, loss, link->data);
}

/* ---- what goes out ---- */

static char **post_headers(const McpLink *link, bool listens)
{
  g_autoptr(GPtrArray) headers = g_ptr_array_new();
  g_ptr_array_add(headers, g_strdup(listens ? "Accept: text/event-stream" : "Accept: application/json, text/event-stream"));
  if (link->session)
    g_ptr_array_add(headers, g_strdup_printf("Mcp-Session-Id: %s", link->session));
  if (link->version)
    g_ptr_array_add(headers, g_strdup_printf("MCP-Protocol-Version: %s", link->version));
  for (guint i = 0; link->setup->headers[i]; i++)
    g_ptr_array_add(headers, g_strdup(link->setup->headers[i]));
  g_ptr_array_add(headers, NULL);
  return (char **)g_ptr_array_steal(headers, NULL);
}

static void link_post(McpLink *link, int64_t id, const char *method, const char *json, size_t length)
{
  bool listens = strcmp(method, "GET") == 0;
  g_auto(GStrv) headers = post_headers(link, listens);
  Post *post = g_new0(Post, 1);
  post->link = link;
  post->id = id;
  post->listens = listens;
  post->body = g_string_new(NULL);
  sse_reader_init(&post->reader, MCP_TEXT_MAX);
  g_ptr_array_add(link->posts, post);
  HttpCallSpec spec = {.method = method,
                       .url = link->setup->url,
                       .content_type = "application/json",
                       .body = json,
                       .body_length = length,
                       .headers = (const char *const *)headers,
                       .timeout_ms = id || listens ? 0 : link->setup->timeout_ms, /* requests have limits of their own */
                       .stream = true,
                       .guard = link->setup->guard,
                       .proxy = link->setup->proxy};
  post->call = http_client_call(link->client, &spec, post_on_data, post_on_done, post);
}

static bool http_send(McpLink *link, int64_t id, const char *json, size_t length)
{
  if (link->posts->len >= POSTS_MAX)
    return false;
  link_post(link, id, "POST", json, length);
  return true;
}

static void link_on_timer(void *data)
{
  link_post(data, 0, "GET", NULL, 0);
}

static void http_settled(McpLink *link, const char *version)
{
  link->version = version;
  loop_timer_set(link->timer, clock_boot_ms());
}

static void http_forget(McpLink *link, int64_t id)
{
  for (guint i = 0; i < link->posts->len; i++) {
    Post *post = link->posts->pdata[i];
    if (post->id == id) {
      post_drop(post);
      return;
    }
  }
}

/* ---- beginning and end ---- */

static McpLink *http_open(Loop *loop, HttpClient *client, const McpSetup *setup, const McpEvents *events, void *data, GError **error)
{
  (void)error;
  McpLink *link = g_new0(McpLink, 1);
  *link = (McpLink){.loop = loop, .client = client, .setup = setup, .events = events, .data = data, .posts = g_ptr_array_new()};
  link->timer = loop_timer_new(loop, link_on_timer, link);
  return link;
}

static void link_drop_posts(McpLink *link)
{
  while (link->posts->len)
    post_drop(link->posts->pdata[link->posts->len - 1]);
}

static void goodbye_done(const HttpResult *result, void *data)
{
  (void)result;
  (void)data;
}

/* The session is given back; nobody waits for the answer. */
static bool http_stop(McpLink *link)
{
  link_drop_posts(link);
  loop_timer_set(link->timer, INT64_MAX);
  if (!link->session)
    return true;
  g_auto(GStrv) headers = post_headers(link, false);
  HttpCallSpec spec = {.method = "DELETE",
                       .url = link->setup->url,
                       .headers = (const char *const *)headers,
                       .timeout_ms = GOODBYE_MS,
                       .guard = link->setup->guard,
                       .proxy = link->setup->proxy};
  http_client_call(link->client, &spec, NULL, goodbye_done, NULL);
  g_clear_pointer(&link->session, g_free);
  return true;
}

static void http_quit(McpLink *link)
{
  link_drop_posts(link);
}

static void http_free(McpLink *link, int64_t until_ms)
{
  int64_t left = until_ms - clock_boot_ms();
  link_drop_posts(link);
  if (link->session && left > 0) { /* the process ends: without the loop */
    g_auto(GStrv) headers = post_headers(link, false);
    HttpCallSpec spec = {.method = "DELETE",
                         .url = link->setup->url,
                         .headers = (const char *const *)headers,
                         .timeout_ms = MIN(left, GOODBYE_MS),
                         .guard = link->setup->guard,
                         .proxy = link->setup->proxy};
    http_fetch(&spec, NULL, NULL);
  }
  loop_timer_free(link->timer);
  g_ptr_array_unref(link->posts);
  g_free(link->session);
  g_free(link);
}

const McpTransport mcp_http = {.open = http_open,
                               .send = http_send,
                               .settled = http_settled,
                               .forget = http_forget,
                               .stop = http_stop,
                               .quit = http_quit,
                               .free = http_free};
