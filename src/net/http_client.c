/* Outbound HTTP: libcurl's multi interface on our loop, and two blocking calls for the CLI. One
 * place knows libcurl. */
#include "net/http_client.h"

#include "base/clock.h"
#include "base/error.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>

enum {
  CLIENT_REPLY_MAX = 1024 * 1024,
  CLIENT_CONNECT_MS = 5000,
  CLIENT_HOST_CONNECTIONS = 64,
  CLIENT_IDLE_HANDLES = 16
};

struct HttpClient {
  Loop *loop;
  CURLM *multi;
  LoopTimer *timer;
  GPtrArray *calls; /* of HttpCall*, open */
  GPtrArray *idle;  /* of CURL*, to be used again */
  /* Within a callback of libcurl nothing may join or leave its multi handle: what wants to waits
   * here until it is back. */
  bool in_curl;
  GPtrArray *joining, *leaving; /* of HttpCall* */
  GPtrArray *resuming;          /* of HttpCall*: held before, until the next turn of the loop */
  LoopTimer *resume;
};

struct HttpCall {
  HttpClient *client; /* NULL when blocking */
  CURL *easy;
  struct curl_slist *headers;
  GString *reply;
  size_t reply_max;
  bool too_large;
  bool stopped; /* on_data said enough, or left; or the head was all that was wanted */
  bool head_only;
  bool (*left)(void);
  bool held;
  bool in_callback;
  bool cancelled;
  bool forbidden; /* the guard refused an address */
  HttpGuard guard;
  int64_t timeout_ms;
  HttpData on_data;
  HttpDone done;
  void *data;
  char curl_error[CURL_ERROR_SIZE];
};

/* ---- one call ---- */

static size_t call_on_data(char *bytes, size_t size, size_t count, void *data)
{
  HttpCall *call = data;
  size_t length = size * count;
  if (call->on_data) {
    call->in_callback = true;
    bool more = !call->cancelled && call->on_data(bytes, length, call->data);
    call->in_callback = false;
    call->stopped = !more;
    if (more && call->held)
      /* also when it was held before there was a connection to hold */
      curl_easy_pause(call->easy, CURLPAUSE_RECV);
    return more ? length : 0;
  }
  if (call->reply->len + length > call->reply_max) {
    call->too_large = true;
    return 0;
  }
  g_string_append_len(call->reply, bytes, (gssize)length);
  return length;
}

/* The empty line ends a head; one of 1xx is not the last. */
static size_t call_on_header(char *bytes, size_t size, size_t count, void *data)
{
  HttpCall *call = data;
  size_t length = size * count;
  call->stopped =
      length <= 2 && (bytes[0] == '\r' || bytes[0] == '\n') && http_call_status(call) >= 200;
  return call->stopped ? 0 : length;
}

/* Is the IPv4 address @ip (host order) one that @guard forbids? */
static bool guard_forbids_v4(HttpGuard guard, uint32_t ip)
{
  static const uint32_t metadata[] = {0x646464c8 /* 100.100.100.200, Alibaba */,
                                      0xa83f8110 /* 168.63.129.16, Azure */,
                                      0xc00000c0 /* 192.0.0.192, Oracle */};
  for (size_t i = 0; i < G_N_ELEMENTS(metadata); i++)
    if (ip == metadata[i])
      return true;
  bool link_local = ip >> 16 == 0xa9fe, multicast_or_above = ip >> 28 >= 0xe,
       unspecified = ip >> 24 == 0;
  return link_local || multicast_or_above || unspecified ||
         (guard == HTTP_GUARD_LOOPBACK && ip >> 24 == 127);
}

/* The IPv4 address (host order) that @ip leads to: mapped (::ffff:0:0/96), translated (64:ff9b::/96
 * and 64:ff9b:1::/48, NAT64) or tunnelled (2002::/16, 6to4). False when it is none of them. */
static bool guard_inner_v4(const struct in6_addr *ip, uint32_t *v4)
{
  static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
  uint32_t word;
  bool sixtofour = ip->s6_addr[0] == 0x20 && ip->s6_addr[1] == 0x02;
  bool local_nat64 =
      memcmp(ip->s6_addr, nat64, 4) == 0 && ip->s6_addr[4] == 0 && ip->s6_addr[5] == 1;
  if (!sixtofour && !local_nat64 && memcmp(ip->s6_addr, nat64, sizeof nat64) != 0 &&
      !IN6_IS_ADDR_V4MAPPED(ip))
    return false;
  memcpy(&word, ip->s6_addr + (sixtofour ? 2 : 12), sizeof word);
  *v4 = ntohl(word);
  return true;
}

static bool guard_forbids_v6(HttpGuard guard, const struct in6_addr *ip)
{
  static const struct in6_addr metadata[] = {
      /* fd00:ec2::254, Amazon */
      /* fd20:ce::254, Google */
      {{{0xfd, 0x00, 0x0e, 0xc2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}}},
      {{{0xfd, 0x20, 0x00, 0xce, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x02, 0x54}}}};
  uint32_t v4;
  if (guard_inner_v4(ip, &v4))
    return guard_forbids_v4(guard, v4);
  for (size_t i = 0; i < G_N_ELEMENTS(metadata); i++)
    if (IN6_ARE_ADDR_EQUAL(ip, &metadata[i]))
      return true;
  return IN6_IS_ADDR_LINKLOCAL(ip) || IN6_IS_ADDR_MULTICAST(ip) || IN6_IS_ADDR_UNSPECIFIED(ip) ||
         (guard == HTTP_GUARD_LOOPBACK && IN6_IS_ADDR_LOOPBACK(ip));
}

bool http_guard_forbids(HttpGuard guard, const struct sockaddr *address)
{
  if (guard == HTTP_GUARD_NONE)
    return false;
  if (address->sa_family == AF_INET)
    return guard_forbids_v4(
        guard, ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
  return address->sa_family == AF_INET6 &&
         guard_forbids_v6(guard, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* The last moment before a connection, after the name was resolved: no name leads to an address
 * that is forbidden. */
static curl_socket_t call_open_socket(void *data, curlsocktype purpose,
                                      struct curl_sockaddr *address)
{
  (void)purpose;
  HttpCall *call = data;
  if (http_guard_forbids(call->guard, &address->addr)) {
    call->forbidden = true;
    return CURL_SOCKET_BAD;
  }
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void call_free(HttpCall *call)
{
  GPtrArray *idle = call->client ? call->client->idle : NULL;
  if (idle && idle->len < CLIENT_IDLE_HANDLES) {
    curl_easy_reset(call->easy);
    g_ptr_array_add(idle, call->easy);
  } else {
    curl_easy_cleanup(call->easy);
  }
  curl_slist_free_all(call->headers);
  g_string_free(call->reply, TRUE);
  g_free(call);
}

/* The host that was called, for messages. Caller frees. */
static char *call_host(const HttpCall *call)
{
  char *url = NULL;
  curl_easy_getinfo(call->easy, CURLINFO_EFFECTIVE_URL, &url);
  CURLU *parts = curl_url();
  char *host = NULL, *copy = NULL;
  if (curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
      curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK)
    copy = g_strdup(host);
  curl_free(host);
  curl_url_cleanup(parts);
  return copy ? copy : g_strdup(url);
}

static void call_set_body(HttpCall *call, const HttpCallSpec *spec)
{
  const char *method = spec->method ? spec->method : "GET";
  if (spec->body || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
    curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)spec->body_length);
    curl_easy_setopt(call->easy, CURLOPT_COPYPOSTFIELDS, spec->body ? spec->body : "");
    g_autofree char *type = g_strdup_printf(
        "Content-Type: %s", spec->content_type ? spec->content_type : "application/json");
    call->headers = curl_slist_append(call->headers, type);
    call->headers = curl_slist_append(call->headers, "Expect:");
  } else if (strcmp(method, "HEAD") == 0) {
    curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
  }
  curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, strcmp(method, "HEAD") == 0 ? NULL : method);
}

/* Who sets a proxy for the world outside does not mean the agents and model servers beside us.
 * Behind a proxy a guard sees nothing but the proxy: a guarded call goes through none of the
 * environment, and through one of its own only unguarded. */
static void call_set_proxy(HttpCall *call, const HttpCallSpec *spec)
{
  CURL *easy = call->easy;
  if (spec->unix_socket || spec->proxy || spec->guard) {
    curl_easy_setopt(easy, CURLOPT_PROXY, spec->proxy && !spec->unix_socket ? spec->proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    return;
  }
  const char *lower = g_getenv("no_proxy"), *more = lower ? lower : g_getenv("NO_PROXY");
  g_autofree char *list = g_strjoin(",", "localhost,127.0.0.1,::1", more, NULL);
  curl_easy_setopt(easy, CURLOPT_NOPROXY, list);
}

/* @client NULL = blocking. */
static HttpCall *call_new(HttpClient *client, const HttpCallSpec *spec, HttpData on_data,
                          HttpDone done, void *data)
{
  HttpCall *call = g_new0(HttpCall, 1);
  call->client = client;
  call->easy = client && client->idle->len
                   ? g_ptr_array_steal_index_fast(client->idle, client->idle->len - 1)
                   : curl_easy_init();
  call->reply = g_string_new(NULL);
  call->reply_max = spec->reply_bytes_max ? spec->reply_bytes_max : CLIENT_REPLY_MAX;
  call->on_data = spec->stream ? on_data : NULL;
  call->done = done;
  call->data = data;
  call->timeout_ms = spec->timeout_ms;
  call->guard = spec->proxy ? HTTP_GUARD_NONE : spec->guard;
  if (call->guard) {
    curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETFUNCTION, call_open_socket);
    curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETDATA, call);
  }
  curl_easy_setopt(call->easy, CURLOPT_URL, spec->url);
  curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(call->easy, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)spec->timeout_ms);
  curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS,
                   (long)(spec->connect_ms ? spec->connect_ms : CLIENT_CONNECT_MS));
  curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, call_on_data);
  curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
  call->head_only = spec->head_only;
  if (spec->head_only) {
    curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, call_on_header);
    curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
  }
  curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->curl_error);
  curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
  call_set_proxy(call, spec);
  if (spec->unix_socket)
    curl_easy_setopt(call->easy, CURLOPT_UNIX_SOCKET_PATH, spec->unix_socket);
  for (size_t i = 0; spec->headers && spec->headers[i]; i++)
    call->headers = curl_slist_append(call->headers, spec->headers[i]);
  call_set_body(call, spec);
  curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
  return call;
}

static bool call_is_connected(const HttpCall *call)
{
  char *address = NULL;
  return curl_easy_getinfo(call->easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK && address &&
         address[0];
}

/* Short and stable words for why there was no answer; caller frees. */
static char *call_error(const HttpCall *call, CURLcode code)
{
  g_autofree char *host = call_host(call);
  if (call->forbidden && code != CURLE_OK)
    return g_strdup_printf("'%s' leads to an address that must not be called", host);
  switch (code) {
  case CURLE_COULDNT_CONNECT: {
    long number = 0;
    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &number);
    return g_strdup(number && number != 111 ? g_strerror((int)number) : "connection refused");
  }
  case CURLE_OPERATION_TIMEDOUT:
    return call->timeout_ms > 0
               ? g_strdup_printf("timed out after %" G_GINT64_FORMAT " ms", call->timeout_ms)
               : g_strdup("timed out");
  case CURLE_COULDNT_RESOLVE_HOST:
    return g_strdup_printf("no such host '%s'", host);
  case CURLE_GOT_NOTHING:
    return g_strdup("connection closed without an answer");
  case CURLE_WRITE_ERROR:
    return call->too_large ? g_strdup_printf("answer larger than %zu bytes", call->reply_max)
                           : g_strdup("stopped");
  case CURLE_URL_MALFORMAT:
  case CURLE_UNSUPPORTED_PROTOCOL: /* of the answer, when there was somebody to ask */
    return g_strdup(call_is_connected(call) ? "what answers there does not speak HTTP"
                                            : "not an http or https URL");
  case CURLE_WEIRD_SERVER_REPLY:
    return g_strdup("what answers there does not speak HTTP");
  default:
    return g_strdup(call->curl_error[0] ? call->curl_error : curl_easy_strerror(code));
  }
}

/* ---- on the loop ---- */

/* Tells how @call ended and lets go of it. */
static void client_finish(HttpClient *client, HttpCall *call, CURLcode code)
{
  curl_multi_remove_handle(client->multi, call->easy);
  g_ptr_array_remove_fast(client->calls, call);
  g_ptr_array_remove_fast(client->resuming, call);
  long status = 0;
  char *type = NULL;
  curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(call->easy, CURLINFO_CONTENT_TYPE, &type);
  bool whole = code == CURLE_OK || (call->head_only && call->stopped);
  g_autofree char *error = whole ? NULL : call_error(call, code);
  HttpResult result = {.status = code == CURLE_OK || call->stopped ? (int)status : 0,
                       .error = error,
                       .body = call->reply->str,
                       .length = call->reply->len,
                       .content_type = type};
  if (!call->cancelled)
    call->done(&result, call->data);
  call_free(call);
}

static void client_reap(HttpClient *client)
{
  int left;
  for (CURLMsg *message = curl_multi_info_read(client->multi, &left); message;
       message = curl_multi_info_read(client->multi, &left)) {
    if (message->msg != CURLMSG_DONE)
      continue;
    CURLcode code = message->data.result;
    HttpCall *call = NULL;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)(void *)&call);
    client_finish(client, call, code);
  }
}

static void client_settle(HttpClient *client)
{
  for (guint i = 0; i < client->leaving->len; i++) {
    HttpCall *call = client->leaving->pdata[i];
    curl_multi_remove_handle(client->multi, call->easy);
    call_free(call);
  }
  g_ptr_array_set_size(client->leaving, 0);
  for (guint i = 0; i < client->joining->len; i++)
    curl_multi_add_handle(client->multi, ((HttpCall *)client->joining->pdata[i])->easy);
  g_ptr_array_set_size(client->joining, 0);
}

/* libcurl gives what it had read already from within its function, and tells there when on_data
 * wants no more. */
static void client_resume(HttpClient *client, HttpCall *call)
{
  client->in_curl = true;
  CURLcode code = curl_easy_pause(call->easy, CURLPAUSE_CONT);
  client->in_curl = false;
  /* that one: it has no connection yet or any more */
  if (code != CURLE_OK && code != CURLE_BAD_FUNCTION_ARGUMENT)
    client_finish(client, call, code);
  client_settle(client);
}

static void client_on_resume(void *data)
{
  HttpClient *client = data;
  while (client->resuming->len)
    client_resume(client, g_ptr_array_steal_index_fast(client->resuming, 0));
}

static void client_act(HttpClient *client, curl_socket_t fd, int flags)
{
  int running;
  client->in_curl = true;
  curl_multi_socket_action(client->multi, fd, flags, &running);
  client->in_curl = false;
  client_settle(client);
  client_reap(client);
}

static void client_on_socket(evutil_socket_t fd, short what, void *data)
{
  client_act(data, fd,
             (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void client_on_timer(void *data)
{
  client_act(data, CURL_SOCKET_TIMEOUT, 0);
}

static int client_want_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *socket_data)
{
  (void)easy;
  HttpClient *client = data;
  struct event *event = socket_data;
  if (event)
    event_free(event);
  event = NULL;
  if (what != CURL_POLL_REMOVE) {
    short flags = (short)(EV_PERSIST | (what & CURL_POLL_IN ? EV_READ : 0) |
                          (what & CURL_POLL_OUT ? EV_WRITE : 0));
    event = event_new(loop_base(client->loop), fd, flags, client_on_socket, client);
    event_add(event, NULL);
  }
  curl_multi_assign(client->multi, fd, event);
  return 0;
}

static int client_want_timer(CURLM *multi, long ms, void *data)
{
  (void)multi;
  HttpClient *client = data;
  loop_timer_set(client->timer, ms < 0 ? INT64_MAX : clock_boot_ms() + ms);
  return 0;
}

HttpClient *http_client_new(Loop *loop)
{
  HttpClient *client = g_new0(HttpClient, 1);
  client->loop = loop;
  client->multi = curl_multi_init();
  client->timer = loop_timer_new(loop, client_on_timer, client);
  client->calls = g_ptr_array_new();
  client->idle = g_ptr_array_new_with_free_func(curl_easy_cleanup);
  client->joining = g_ptr_array_new();
  client->leaving = g_ptr_array_new();
  client->resuming = g_ptr_array_new();
  client->resume = loop_timer_new(loop, client_on_resume, client);
  curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, client_want_socket);
  curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
  curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, client_want_timer);
  curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
  curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, (long)CLIENT_HOST_CONNECTIONS);
  curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, 64L);
  return client;
}

void http_client_set_connections(HttpClient *client, int per_host)
{
  curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
                    (long)MAX(per_host, CLIENT_HOST_CONNECTIONS));
  curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS,
                    (long)MAX(per_host, CLIENT_HOST_CONNECTIONS));
}

void http_client_free(HttpClient *client)
{
  if (!client)
    return;
  for (guint i = 0; i < client->calls->len; i++) {
    HttpCall *call = client->calls->pdata[i];
    curl_multi_remove_handle(client->multi, call->easy);
    call_free(call);
  }
  g_ptr_array_unref(client->calls);
  g_ptr_array_unref(client->idle);
  g_ptr_array_unref(client->joining);
  g_ptr_array_unref(client->leaving);
  g_ptr_array_unref(client->resuming);
  curl_multi_cleanup(client->multi);
  loop_timer_free(client->timer);
  loop_timer_free(client->resume);
  g_free(client);
}

HttpCall *http_client_call(HttpClient *client, const HttpCallSpec *spec, HttpData on_data,
                           HttpDone done, void *data)
{
  HttpCall *call = call_new(client, spec, on_data, done, data);
  g_ptr_array_add(client->calls, call);
  if (client->in_curl)
    g_ptr_array_add(client->joining, call);
  else
    /* curl asks for its timer at once: nothing runs before we return */
    curl_multi_add_handle(client->multi, call->easy);
  return call;
}

void http_call_cancel(HttpCall *call)
{
  if (!call)
    return;
  call->cancelled = true;
  if (call->in_callback)
    return; /* the data callback returns "stop"; the call ends by itself, unheard */
  g_ptr_array_remove_fast(call->client->calls, call);
  g_ptr_array_remove_fast(call->client->joining, call);
  g_ptr_array_remove_fast(call->client->resuming, call);
  if (call->client->in_curl) {
    g_ptr_array_add(call->client->leaving, call);
    return;
  }
  curl_multi_remove_handle(call->client->multi, call->easy);
  call_free(call);
}

void http_call_hold(HttpCall *call, bool held)
{
  HttpClient *client = call->client;
  if (call->held == held || call->cancelled)
    return;
  call->held = held;
  if (held) {
    g_ptr_array_remove_fast(client->resuming, call);
    /* without a connection it is refused, and done by the first data */
    curl_easy_pause(call->easy, CURLPAUSE_RECV);
    return;
  }
  g_ptr_array_add(client->resuming, call);
  loop_timer_set(client->resume, clock_boot_ms());
}

int http_call_status(const HttpCall *call)
{
  long status = 0;
  curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
  return (int)status;
}

const char *http_call_header(const HttpCall *call, const char *name)
{
  struct curl_header *header = NULL;
  return curl_easy_header(call->easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
             ? header->value
             : NULL;
}

/* ---- blocking ---- */

int http_fetch(const HttpCallSpec *spec, GString *body, GError **error)
{
  HttpCallSpec whole = *spec;
  whole.stream = false;
  HttpCall *call = call_new(NULL, &whole, NULL, NULL, NULL);
  CURLcode code = curl_easy_perform(call->easy);
  long status = 0;
  curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK) {
    g_autofree char *why = call_error(call, code);
    g_set_error(error, REEVE_ERROR,
                code == CURLE_OPERATION_TIMEDOUT ? REEVE_ERROR_TIMEOUT : REEVE_ERROR_UNAVAILABLE,
                "%s", why);
    status = 0;
  } else if (body) {
    g_string_append_len(body, call->reply->str, (gssize)call->reply->len);
  }
  call_free(call);
  return (int)status;
}

/* curl calls it for each piece, and about once a second between them. */
static int fetch_on_progress(void *data, curl_off_t total, curl_off_t so_far, curl_off_t up_total,
                             curl_off_t up_so_far)
{
  HttpCall *call = data;
  (void)total;
  (void)so_far;
  (void)up_total;
  (void)up_so_far;
  call->stopped = call->stopped || call->left();
  return call->stopped;
}

int http_fetch_stream(const HttpCallSpec *spec, HttpData on_data, void *data, GError **error)
{
  HttpCallSpec stream = *spec;
  stream.stream = true;
  HttpCall *call = call_new(NULL, &stream, on_data, NULL, data);
  call->left = spec->left;
  if (spec->left) {
    curl_easy_setopt(call->easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(call->easy, CURLOPT_XFERINFOFUNCTION, fetch_on_progress);
    curl_easy_setopt(call->easy, CURLOPT_XFERINFODATA, call);
  }
  CURLcode code = curl_easy_perform(call->easy);
  long status = 0;
  curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
  if (code != CURLE_OK && !call->stopped) {
    g_autofree char *why = call_error(call, code);
    g_set_error(error, REEVE_ERROR,
                code == CURLE_OPERATION_TIMEDOUT ? REEVE_ERROR_TIMEOUT : REEVE_ERROR_UNAVAILABLE,
                "%s", why);
    status = 0;
  }
  call_free(call);
  return (int)status;
}
