/* An MCP server behind a URL, by Streamable HTTP: every message is a POST of its own, whose answer
 * is JSON or a stream of events; beside them one GET stays open for what the server says unasked,
 * where it offers that. */
#include "agent/mcp_link.h"
#include "agent/sse.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#include <string.h>

enum {
  SESSION_ID_MAX = 256,
  EVENT_ID_MAX = 1024,
  POSTS_MAX = 512,
  LISTEN_AGAIN_MS = 5000,
  /* from the end of a stream to the GET that goes on with it, unless the server says otherwise */
  RESUME_MS = 1000,
  RESUME_MAX_MS = 60000, /* what it may say */
  RESUMES_MAX = 20,      /* of one request in a row without a new event */
  GOODBYE_MS = 1000
};

/* One request to the server and what comes back; a stream that ends before the answer is gone on
 * with by GET, as the server allows. */
typedef struct Post {
  /* NULL = the link left while the post was in a callback; it only waits for its own end */
  McpLink *link;
  HttpCall *call;   /* NULL while it waits to go on */
  int64_t id;       /* of the request in it, 0 = none */
  bool answered;    /* the request was */
  bool listens;     /* the GET */
  bool begun;       /* the first bytes have come: what they are is known */
  bool events;      /* they are a stream of events */
  bool failed;      /* too much was said */
  bool expired;     /* the answer says that the session is forgotten */
  bool in_callback; /* may not be freed now */
  SseReader reader;
  GString *body;     /* when it is not a stream */
  char *last_event;  /* id of the last event, or NULL: where a stream may be gone on with */
  int resumes;       /* since the last event */
  LoopTimer *resume; /* while it waits to go on, or NULL */
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
  if (post->resume)
    loop_timer_free(post->resume);
  g_free(post->last_event);
  sse_reader_done(&post->reader);
  g_string_free(post->body, TRUE);
  g_free(post);
}

/* Ends @post without a word. */
static void post_drop(Post *post)
{
  g_ptr_array_remove_fast(post->link->posts, post);
  if (post->call)
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

/* Does @text of a refusal say that the session is over? The protocol wants 404 for that; many
 * servers answer 400, or an error with 200. */
static bool says_session_is_over(const char *text)
{
  g_autofree char *lower = g_ascii_strdown(text, -1);
  static const char *const words[] = {"not found",       "no valid",       "invalid",
                                      "expired",         "unknown",        "missing",
                                      "not initialized", "does not exist", "terminated"};
  for (size_t i = 0; strstr(lower, "session") && i < G_N_ELEMENTS(words); i++)
    if (strstr(lower, words[i]))
      return true;
  return false;
}

/* One JSON text of the server. False when the link has left meanwhile. */
static bool post_take(Post *post, const char *text, size_t length)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) messages = mcp_parse(text, length, &error);
  if (!messages)
    log_warn("mcp server said what is no message", "mcp=%s why=\"%s\"", post->link->setup->name,
             error->message);
  for (guint i = 0; messages && i < messages->len && post->link; i++) {
    const McpMessage *message = messages->pdata[i];
    bool ours = message->kind == MCP_RESPONSE && message->id == post->id;
    post->expired = ours && !message->result && post->link->session && post->link->version &&
                    says_session_is_over(message->error);
    if (post->expired)
      break; /* told when the answer is over */
    post->answered = post->answered || ours;
    post->link->events->message(message, post->link->data);
  }
  return post->link != NULL;
}

static bool post_on_event(const char *event, const char *text, size_t length, void *data)
{
  (void)event;
  Post *post = data;
  post->resumes = 0;
  if (length > 0 && !post_take(post, text, length))
    return false;
  /* events without data only keep the stream open; one that was gone on with has no more to say */
  return !(post->last_event && post->answered);
}

static bool post_on_data(const char *bytes, size_t length, void *data)
{
  Post *post = data;
  if (!post->begun) {
    const char *type = http_call_header(post->call, "Content-Type");
    post->events =
        type && g_ascii_strncasecmp(type, "text/event-stream", strlen("text/event-stream")) == 0;
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

/* Why @post has no answer; @moved: Location of the answer, or NULL. Caller frees. */
static char *post_trouble(const Post *post, const HttpResult *result, int status, const char *moved)
{
  if (post->failed)
    return g_strdup("its answer is larger than 1 MiB");
  if (status == 0)
    return g_strdup(result->error);
  if (post->expired)
    return g_strdup("it has forgotten the session");
  if (status == 200 || status == 202)
    return g_strdup("its answer ended without a result");
  bool redirect = status >= 300 && status < 400 && moved,
       no_door = !post->link->version && (status == 404 || status == 405);
  g_autofree char *body = text_escape(redirect ? moved : post->body->str, 200);
  if (redirect)
    return g_strdup_printf(
        "HTTP status %d: it has moved to '%s'; redirects are not followed, so write that as its url",
        status, body);
  return g_strdup_printf(
      "HTTP status %d%s%s%s", status, body[0] ? ": " : "", body,
      no_door
          ? " (is its url that of a Streamable HTTP server? those often end in /mcp; HTTP+SSE of 2024 is not spoken)"
          : "");
}

static void post_on_resume(void *data);

/* A stream that ended, or broke off, before the answer: the server keeps the rest and says from
 * where (SEP-1699). */
static bool post_goes_on(Post *post, int status)
{
  bool stream = post->events && (status == 200 || status == 0);
  if (!stream || post->answered || post->failed || post->expired || post->listens || !post->id ||
      !post->reader.id->len)
    return false;
  return post->reader.id->len <= EVENT_ID_MAX && post->resumes < RESUMES_MAX;
}

static void post_resume_later(Post *post)
{
  int64_t delay =
      post->reader.retry_ms >= 0 ? MIN(post->reader.retry_ms, RESUME_MAX_MS) : RESUME_MS;
  g_free(post->last_event);
  post->last_event = g_strdup(post->reader.id->str);
  post->resumes++;
  if (!post->resume)
    post->resume = loop_timer_new(post->link->loop, post_on_resume, post);
  loop_timer_set(post->resume, clock_boot_ms() + delay);
}

/* Has the server forgotten the session in which @post was sent? A refusal of the GET that listens
 * means that there is no such thing. */
static bool post_found_no_session(const Post *post, int status)
{
  const McpLink *link = post->link;
  if (!link->session || !link->version || post->listens)
    return false;
  return status == 404 || post->expired ||
         (status == 400 && (!post->body->len || says_session_is_over(post->body->str)));
}

/* The answer to @post is over. What it means is told last, since the link may be gone after it. */
static void post_on_done(const HttpResult *result, void *data)
{
  Post *post = data;
  McpLink *link = post->link;
  int status = result->status ? result->status : 0;
  bool json = !post->events && status == 200 && post->body->len && !post->failed;
  link_take_session(link, post->call);
  g_autofree char *moved = post->call ? g_strdup(http_call_header(post->call, "Location")) : NULL;
  post->call = NULL; /* it ends by itself now */
  post->in_callback = true;
  bool here = !json || post_take(post, post->body->str, post->body->len);
  if (!here) {
    post_free(post);
    return;
  }
  post->in_callback = false;
  if (post_goes_on(post, status)) {
    post_resume_later(post);
    return;
  }
  g_ptr_array_remove_fast(link->posts, post);
  bool expired = post_found_no_session(post, status), listens_on = post->listens && post->events;
  bool silent = post->answered || (!post->id && status != 0 && !expired);
  g_autofree char *why = post_trouble(post, result, status, moved);
  int64_t id = post->id;
  McpLoss loss = expired                                       ? MCP_LOST_SESSION
                 : status == 0 && !post->failed && !listens_on ? MCP_LOST_LINK
                                                               : MCP_LOST_ANSWER;
  post_free(post);
  if (listens_on)
    loop_timer_set(link->timer, clock_boot_ms() + LISTEN_AGAIN_MS);
  else if (!silent && (id || loss != MCP_LOST_ANSWER))
    link->events->lost(id, why, loss, link->data);
}

/* ---- what goes out ---- */

/* @last_event: NULL, or where a stream is gone on with. */
static char **post_headers(const McpLink *link, bool listens, const char *last_event)
{
  g_autoptr(GPtrArray) headers = g_ptr_array_new();
  if (last_event)
    g_ptr_array_add(headers, g_strdup_printf("Last-Event-ID: %s", last_event));
  g_ptr_array_add(headers, g_strdup(listens ? "Accept: text/event-stream"
                                            : "Accept: application/json, text/event-stream"));
  if (link->session)
    g_ptr_array_add(headers, g_strdup_printf("Mcp-Session-Id: %s", link->session));
  if (link->version)
    g_ptr_array_add(headers, g_strdup_printf("MCP-Protocol-Version: %s", link->version));
  for (guint i = 0; link->setup->headers[i]; i++)
    g_ptr_array_add(headers, g_strdup(link->setup->headers[i]));
  g_ptr_array_add(headers, NULL);
  return (char **)g_ptr_array_steal(headers, NULL);
}

/* Sends @post: @json as a POST, or NULL as a GET. */
static void post_send(Post *post, const char *json, size_t length)
{
  McpLink *link = post->link;
  g_auto(GStrv) headers = post_headers(link, !json, post->last_event);
  HttpCallSpec spec = {.method = json ? "POST" : "GET",
                       .url = link->setup->url,
                       .content_type = "application/json",
                       .body = json,
                       .body_length = length,
                       .headers = (const char *const *)headers,
                       /* requests have limits of their own */
                       .timeout_ms = post->id || post->listens ? 0 : link->setup->timeout_ms,
                       .stream = true,
                       .guard = link->setup->guard,
                       .proxy = link->setup->proxy};
  post->call = http_client_call(link->client, &spec, post_on_data, post_on_done, post);
}

static void link_post(McpLink *link, int64_t id, const char *json, size_t length)
{
  Post *post = g_new0(Post, 1);
  post->link = link;
  post->id = id;
  post->listens = !json;
  post->body = g_string_new(NULL);
  sse_reader_init(&post->reader, MCP_TEXT_MAX);
  g_ptr_array_add(link->posts, post);
  post_send(post, json, length);
}

static void post_on_resume(void *data)
{
  Post *post = data;
  sse_reader_done(&post->reader);
  sse_reader_init(&post->reader, MCP_TEXT_MAX);
  g_string_assign(post->reader.id, post->last_event);
  g_string_truncate(post->body, 0);
  post->begun = post->events = false;
  post_send(post, NULL, 0);
}

static bool http_send(McpLink *link, int64_t id, const char *json, size_t length)
{
  if (link->posts->len >= POSTS_MAX)
    return false;
  link_post(link, id, json, length);
  return true;
}

static void link_on_timer(void *data)
{
  link_post(data, 0, NULL, 0);
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

static McpLink *http_open(Loop *loop, HttpClient *client, const McpSetup *setup,
                          const McpEvents *events, void *data, GError **error)
{
  (void)error;
  McpLink *link = g_new0(McpLink, 1);
  *link = (McpLink){.loop = loop,
                    .client = client,
                    .setup = setup,
                    .events = events,
                    .data = data,
                    .posts = g_ptr_array_new()};
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
  g_auto(GStrv) headers = post_headers(link, false, NULL);
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
    g_auto(GStrv) headers = post_headers(link, false, NULL);
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
