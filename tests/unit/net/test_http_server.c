/* The HTTP front: what it takes, what it refuses and with which status, its limits, streams, and
 * peers that leave or never read. */
#include "rig.h"

#include "base/error.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOST      "Host: localhost\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" HOST "\r\n"

static void assert_has(const Peer *peer, const char *part)
{
  if (!strstr(peer->got->str, part))
    g_error("wanted '%s' in: %s", part, peer->got->str);
}

static void test_requests(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  g_assert_cmpint(peer_ask(peer, GET("/a%20b?q=x+y%21&q2=z")), ==, 200);
  /* a path is decoded by whoever has found its segments */
  assert_has(peer, "\r\n\r\nGET /a%20b q=x y! ");
  assert_has(peer, "X-Two: a  X-Forged: b\r\n"); /* one header stays one */
  g_assert_cmpint(peer_ask(peer, "POST /p HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"), ==,
                  200);
  assert_has(peer, "\r\n\r\nPOST /p q=- hello");
  g_assert_cmpint(peer_ask(peer,
                           "PUT /p HTTP/1.1\r\n" HOST
                           "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
                  ==, 200);
  assert_has(peer, "PUT /p q=- abcde");
  g_assert_cmpint(peer_ask(peer, "DELETE /p HTTP/1.1\r\n" HOST "\r\n"), ==, 200);
  g_assert_cmpint(peer_ask(peer, "HEAD /p HTTP/1.1\r\n" HOST "\r\nGET /next HTTP/1.1\r\n" HOST
                                 "Connection: close\r\n\r\n"),
                  ==, 200);
  RIG_UNTIL(rig, (peer_take(peer), peer->ended));
  assert_has(peer, "\r\n\r\nHTTP/1.1 200 OK\r\n"); /* HEAD: no body between */
  assert_has(peer, "Connection: close\r\n");
  assert_has(peer, "GET /next q=- ");
}

static const struct {
  const char *text;
  int status;
  const char *detail;
} refused[] = {
    {"GET / HTTP/1.1\r\n\r\n", 400, "no Host"},
    {"GET / HTTP/1.1\r\n" HOST HOST "\r\n", 400,
     "more than one Content-Length, Host or Transfer-Encoding"},
    {"POST / HTTP/1.1\r\n" HOST "\r\n", 411, "a body needs its length"},
    {"PATCH / HTTP/1.1\r\n" HOST "\r\n", 411, "a body needs its length"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 101\r\n\r\n", 413, "body larger than 100 bytes"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n65\r\n"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n0\r\n\r\n",
     413, "body larger than 100 bytes"},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
     400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -1\r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1x\r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551616\r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n", 400,
     ""},
    /* codings: exactly "chunked", once, in HTTP/1.1 */
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", 501, "'chunked'"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501,
     "'chunked'"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 501, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \r\n\r\n0\r\n\r\n", 501, ""},
    {"POST / HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     501, ""},
    {"POST / HTTP/1.1\r\n" HOST
     "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     400, "more than one"},
    {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
     "Transfer-Encoding in HTTP/1.0"},
    {"GET / HTTP/1.0\r\nTransfer-Encoding: identity\r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nTransfer-Encoding: identity\r\n\r\nabc", 400,
     ""},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: \r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1,1\r\n\r\na", 400, ""},
    /* line ends: CR LF and nothing else */
    {"GET / HTTP/1.1\r\n" HOST "X-Abc:\rxAuthorization: Bearer T\r\n\r\n", 400, "CR LF"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\rAuthorization: Bearer T\r\n\r\n", 400, "CR LF"},
    {"GET / HTTP/1.1\r\n" HOST "X\r: a\r\n\r\n", 400, "CR LF"},
    {"GET / HTTP/1.1\r\n" HOST "\rX", 400, "CR LF"},
    {"GET / HTTP/1.1\r\n" HOST "\r\rX\r\n\r\n", 400, "CR LF"},
    {"GET / HTTP/1.1\n" HOST "\r\n", 400, "CR LF"},
    {"GET / HTTP/1.1\r\n" HOST "\n", 400, "CR LF"},
    {"GET / HTTP/1.1\r\nHost: localhost\n\r\n", 400, "CR LF"},
    {"\rGET / HTTP/1.1\r\n" HOST "\r\n", 400, "CR LF"},
    {"\nGET / HTTP/1.1\r\n" HOST "\r\n", 400, "CR LF"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n folded\r\n\r\n", 400, "folded"},
    {"GET / HTTP/1.1\r\n" HOST "X:\r\n\tfolded\r\n\r\n", 400, "folded"},
    {"GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n", 400, "folded"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x01\r\n\r\n", 400, "control character"},
    {"GET / HTTP/1.1\r\n" HOST "X: a\x7f\r\n\r\n", 400, "control character"},
    {"GET /\x0b HTTP/1.1\r\n" HOST "\r\n", 400, "control character"},
    /* chunks and what is behind them */
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\rXa\r\n0\r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1;x\na\r\n0\r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n", 400, ""},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\rY: b\r\n\r\n", 400,
     "CR LF"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\rX", 400, "CR LF"},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\nX: a\r\n b\r\n\r\n", 400,
     "folded"},
    /* other protocols */
    {"CONNECT localhost:80 HTTP/1.1\r\n" HOST "\r\n", 405, "no proxy"},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, ""},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505, "HTTP/1.1"},
    {"GET /\r\n\r\n", 505, "HTTP/1.1"},
    {"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", 400, ""},
    {"GET / HTTP/1.1\r\n" HOST "X: a\nb: c\r\n\r\n", 400, ""},
    {"GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400, "malformed request target"},
    {"GET /a%00b HTTP/1.1\r\n" HOST "\r\n", 400, "malformed request target"},
    {"GET http://elsewhere/ HTTP/1.1\r\n" HOST "\r\n", 400, "malformed request target"},
    {"OPTIONS * HTTP/1.1\r\n" HOST "\r\n", 400, "malformed request target"},
    {"DANCE / HTTP/1.1\r\n" HOST "\r\n", 501, ""},
    {"GET / HTTP/3.7\r\n" HOST "\r\n", 400, ""},
    {"\x16\x03\x01 hello", 400, "control character"},
};

/* The documented status, a problem document, and the end of the connection; the handler sees none
 * of it. */
static void test_refused(void)
{
  HttpServerConfig limits = {.body_bytes_max = 100};
  g_autoptr(Rig) rig = rig_new(&limits);
  for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
    g_autoptr(Peer) peer = peer_new(rig);
    int status = peer_ask(peer, refused[i].text);
    if (status != refused[i].status || !strstr(peer->got->str, refused[i].detail))
      g_error("%s: wanted %d '%s': %s", refused[i].text, refused[i].status, refused[i].detail,
              peer->got->str);
    assert_has(peer, "Content-Type: application/problem+json\r\n");
    assert_has(peer, "Connection: close\r\n");
    RIG_UNTIL(rig, (peer_take(peer), peer->ended));
  }
  g_assert_cmpint(rig->handled, ==, 0);
}

/* What stands behind the last chunk decides nothing, and costs no connection. */
static void test_trailers(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  static const char text[] =
      "POST /headers HTTP/1.1\r\n" HOST
      "Transfer-Encoding: chunked\r\n\r\n2;x=\"y\"\r\nok\r\n0\r\nAuthorization: Bearer T\r\n"
      "Host: other\r\nX-Late: 1\r\n\r\n";
  g_assert_cmpint(peer_ask(peer, text), ==, 200);
  assert_has(peer, " ok [Host=localhost][Transfer-Encoding=chunked]");
  g_assert_cmpint(peer_ask(peer, GET("/next")), ==, 200);
  for (size_t cut = 1; cut < strlen(text); cut++) {
    g_autoptr(Peer) slow = peer_new(rig);
    peer_send(slow, text, cut);
    rig_turn(rig);
    rig_turn(rig);
    g_assert_cmpint(peer_ask(slow, text + cut), ==, 200);
    g_assert_null(strstr(slow->got->str, "Bearer"));
  }
  g_autoptr(Peer) many = peer_new(rig);
  GString *lines =
      g_string_new("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n");
  for (int i = 0; i < 100; i++)
    g_string_append(lines, "X: y\r\n");
  g_assert_cmpint(peer_ask(many, lines->str), ==, 431);
  g_string_free(lines, TRUE);
}

/* Clients that offer HTTP/2 in clear (Java's HttpClient, curl --http2) or a WebSocket stay with
 * HTTP/1.1 on the same connection. */
static void test_upgrade_is_passed_over(void)
{
  static const char offer[] = HOST
      "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  g_autofree char *get = g_strdup_printf("GET /1 HTTP/1.1\r\n%s\r\n", offer);
  g_autofree char *post =
      g_strdup_printf("POST /2 HTTP/1.1\r\n%sContent-Length: 2\r\n\r\nhi", offer);
  g_autofree char *chunks = g_strdup_printf(
      "POST /3 HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n\r\n2\r\nho\r\n0\r\n\r\n", offer);
  g_assert_cmpint(peer_ask(peer, get), ==, 200);
  g_assert_cmpint(peer_ask(peer, GET("/plain")), ==, 200);
  g_assert_cmpint(peer_ask(peer, post), ==, 200);
  assert_has(peer, "POST /2 q=- hi");
  g_assert_cmpint(peer_ask(peer, chunks), ==, 200);
  assert_has(peer, "POST /3 q=- ho");
  g_autofree char *both = g_strconcat(get, get, GET("/last"), NULL);
  g_string_truncate(peer->got, 0);
  peer_say(peer, both);
  RIG_UNTIL(rig, peer_answers(peer) == 3);
}

/* Escapes are the business of who has found the segment; a query is what its route knows, each
 * once. */
static void test_targets(void)
{
  static const char *const known[] = {"q", "r", NULL};
  static const struct {
    const char *query, *wrong;
  } rows[] = {{"", NULL},
              {"q=1", NULL},
              {"q=1&r=", NULL},
              {"&&q=a%20b+c", NULL},
              {"x=1", "unknown query parameter 'x'; this path takes q, r"},
              {"q=1&q=2", "twice"},
              {"q=1&%71=2", "twice"},
              {"=1", "NAME=VALUE"},
              {"q=%zz", "NAME=VALUE"},
              {"q=%00", "NAME=VALUE"},
              {"q=%ff", "NAME=VALUE"}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Rig) rig = rig_new(NULL);
    g_autoptr(Peer) peer = peer_new(rig);
    g_autofree char *text = g_strdup_printf("GET /hold?%s HTTP/1.1\r\n" HOST "\r\n", rows[i].query);
    peer_say(peer, text);
    RIG_UNTIL(rig, rig->held);
    g_autofree char *wrong = http_request_query_wrong(rig->held, known);
    if (!wrong != !rows[i].wrong || (wrong && !strstr(wrong, rows[i].wrong)))
      g_error("'%s': wanted '%s', not '%s'", rows[i].query, rows[i].wrong, wrong);
    http_reply(rig->held, 200, "text/plain", "", 0);
  }
  g_autofree char *slash = http_path_decode("a%2Fb"), *broken = http_path_decode("%4"),
                  *nul = http_path_decode("%00");
  g_assert_cmpstr(slash, ==, "a/b");
  g_assert_true(!broken && !nul);
}

static void test_head_limits(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autofree char *filler = g_strnfill(17000, 'x');
  g_autofree char *header = g_strdup_printf("GET / HTTP/1.1\r\n" HOST "X: %s\r\n\r\n", filler);
  g_autofree char *target = g_strdup_printf("GET /%s HTTP/1.1\r\n" HOST "\r\n", filler);
  GString *many = g_string_new("GET / HTTP/1.1\r\n" HOST);
  for (int i = 0; i < 100; i++)
    g_string_append(many, "X: y\r\n");
  g_string_append(many, "\r\n");
  const char *const texts[] = {header, target, many->str};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
    g_autoptr(Peer) peer = peer_new(rig);
    g_assert_cmpint(peer_ask(peer, texts[i]), ==, 431);
  }
  g_string_free(many, TRUE);
  g_autoptr(Peer) peer = peer_new(rig);
  peer_send(peer, "GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n", 30);
  g_assert_cmpint(peer_ask(peer, ""), ==, 400);
}

/* However a request is cut into packets, it is the same request. */
static void test_any_cut(void)
{
  static const char text[] =
      "POST /p?q=1 HTTP/1.1\r\n" HOST
      "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
  g_autoptr(Rig) rig = rig_new(NULL);
  for (size_t cut = 1; cut < strlen(text); cut++) {
    g_autoptr(Peer) peer = peer_new(rig);
    g_assert_cmpuint(peer_send(peer, text, cut), ==, cut);
    rig_turn(rig);
    rig_turn(rig);
    g_assert_cmpint(peer_ask(peer, text + cut), ==, 200);
    assert_has(peer, "POST /p q=1 abcde");
  }
}

static void test_continue(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  peer_say(peer, "POST /p HTTP/1.1\r\n" HOST "Content-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  RIG_UNTIL(rig, (peer_take(peer), strstr(peer->got->str, "HTTP/1.1 100 Continue\r\n\r\n")));
  g_assert_cmpint(peer_ask(peer, "ok"), ==, 200);
}

static void test_pipeline_order(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  peer_say(peer, GET("/1") GET("/hold") GET("/3"));
  RIG_UNTIL(rig, rig->held);
  RIG_UNTIL(rig, peer_answers(peer) == 1);
  g_assert_cmpint(rig->handled, ==, 2); /* the third waits for its turn */
  g_assert_cmpint(http_server_open(rig->server), ==, 1);
  http_reply(rig->held, 200, "text/plain", "2", 1);
  RIG_UNTIL(rig, peer_answers(peer) == 3);
  g_assert_cmpint(http_server_open(rig->server), ==, 0);
}

/* A peer that asks and asks and never reads is not answered into memory without end; when it reads,
 * it gets everything. */
static void test_unread_answers_are_bounded(void)
{
  enum { ASKED = 150 };
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  GString *text = g_string_new(NULL);
  for (int i = 0; i < ASKED; i++)
    g_string_append(text, GET("/big"));
  size_t sent = 0;
  int before = -1;
  for (int quiet = 0; quiet < 20; quiet = rig->handled == before ? quiet + 1 : 0) {
    before = rig->handled;
    sent += peer_send(peer, text->str + sent, text->len - sent);
    rig_turn(rig);
  }
  g_assert_cmpint(rig->handled, >, 0);
  g_assert_cmpint(rig->handled, <, 50); /* of 64 KiB each, what the kernel holds included */
  RIG_UNTIL(rig, (sent += peer_send(peer, text->str + sent, text->len - sent), peer_take(peer),
                  rig->handled == ASKED));
  RIG_UNTIL(rig, peer_answers(peer) == ASKED);
  g_string_free(text, TRUE);
}

static void test_time_limits(void)
{
  HttpServerConfig limits = {.request_ms_max = 50, .reply_ms_max = 50};
  g_autoptr(Rig) rig = rig_new(&limits);
  g_autoptr(Peer) half = peer_new(rig), silent = peer_new(rig);
  g_assert_cmpint(peer_ask(half, "GET / HTTP/1.1\r\nHos"), ==, 408);
  RIG_UNTIL(rig, (peer_take(silent), silent->ended));
  g_assert_cmpuint(silent->got->len, ==, 0);
  g_autoptr(Peer) late = peer_new(rig);
  g_assert_cmpint(peer_ask(late, GET("/hold")), ==, 503);
  assert_has(late, "no answer within the time limit");
  g_assert_true(rig->gone); /* its handler knows that nobody waits any more */
}

/* A large body has more time than the limit of a request, as long as it comes. */
static void test_large_body_takes_its_time(void)
{
  enum { BODY = 900000, FIRST = 500000 };
  HttpServerConfig limits = {.request_ms_max = 50};
  g_autoptr(Rig) rig = rig_new(&limits);
  g_autoptr(Peer) peer = peer_new(rig);
  g_autofree char *head =
      g_strdup_printf("POST /big HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n", BODY);
  g_autofree char *first = g_strnfill(FIRST, 'x'), *rest = g_strnfill(BODY - FIRST, 'x');
  peer_say(peer, head);
  peer_say(peer, first);
  gint64 until = g_get_monotonic_time() + 200 * 1000;
  RIG_UNTIL(rig, g_get_monotonic_time() > until);
  peer_take(peer);
  g_assert_false(peer->ended);
  g_assert_cmpint(peer_ask(peer, rest), ==, 200);
}

static void test_gone(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  Peer *peer = peer_new(rig);
  peer_say(peer, GET("/stream"));
  RIG_UNTIL(rig, rig->held);
  http_stream_start(rig->held, 200, "text/event-stream");
  peer_free(peer);
  RIG_UNTIL(rig, rig->gone);
  g_assert_cmpint(http_server_open(rig->server), ==, 0);
}

/* Whoever closed his writing side still reads his answer. */
static void test_half_closed(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  peer_say(peer, GET("/hold"));
  shutdown(peer->fd, SHUT_WR);
  RIG_UNTIL(rig, rig->held);
  for (int i = 0; i < 3; i++)
    rig_turn(rig);
  g_assert_false(rig->gone);
  http_reply(rig->held, 200, "text/plain", "late", 4);
  RIG_UNTIL(rig, (peer_take(peer), peer->ended));
  assert_has(peer, "\r\n\r\nlate");
}

/* However much of the answers is still on its way: everything that was asked before is answered. */
static void test_half_closed_pipeline(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  for (int i = 0; i < 20; i++)
    peer_say(peer, GET("/big"));
  peer_say(peer, "GET /cut");
  shutdown(peer->fd, SHUT_WR);
  for (int i = 0; i < 20; i++)
    rig_turn(rig);
  RIG_UNTIL(rig, (peer_take(peer), peer->ended));
  g_assert_cmpint(peer_answers(peer), ==, 20);
}

/* The last answer reaches a peer that takes its time; only one that takes nothing is given up. */
static void test_last_answer_slowly(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  peer_say(peer, "GET /hold HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n");
  RIG_UNTIL(rig, rig->held);
  g_autofree char *text = g_strnfill(4 << 20, 'z');
  http_reply(rig->held, 200, "text/plain", text, 4 << 20);
  /* longer than the time for an end that does not come */
  gint64 until = g_get_monotonic_time() + 1500 * 1000;
  RIG_UNTIL(rig, g_get_monotonic_time() > until);
  RIG_UNTIL(rig, (peer_take(peer), peer->ended));
  g_assert_cmpuint(peer->got->len, >, 4 << 20);
}

static void stream_drained(void *data)
{
  ((Rig *)data)->drained = true;
}

static void test_streams(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  peer_say(peer, GET("/stream"));
  RIG_UNTIL(rig, rig->held);
  http_stream_start(rig->held, 200, "text/event-stream");
  http_stream_chunk(rig->held, "one\n", 4);
  http_stream_chunk(rig->held, "", 0); /* would be the end of the body */
  RIG_UNTIL(rig, (peer_take(peer), strstr(peer->got->str, "4\r\none\n\r\n")));
  assert_has(peer, "Transfer-Encoding: chunked\r\n");
  RIG_UNTIL(rig, http_stream_backlog(rig->held) == 0);
  g_autofree char *block = g_strnfill(1 << 20, 'y');
  for (int i = 0; i < 4; i++)
    http_stream_chunk(rig->held, block, 1 << 20);
  for (int i = 0; i < 5; i++)
    rig_turn(rig);
  /* its peer does not read: the caller sees it */
  g_assert_cmpuint(http_stream_backlog(rig->held), >, 2 << 20);
  http_stream_on_drained(rig->held, stream_drained, rig);
  RIG_UNTIL(rig, (peer_take(peer), rig->drained));
  g_assert_cmpuint(http_stream_backlog(rig->held), ==, 0);
  http_stream_end(rig->held);
  RIG_UNTIL(rig, (peer_take(peer), g_str_has_suffix(peer->got->str, "\r\n0\r\n\r\n")));
  g_assert_cmpint(peer_ask(peer, GET("/after")), ==, 200); /* and the connection goes on */
}

/* HTTP/1.0 knows no chunks: the stream ends with the connection. */
static void test_old_streams(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  peer_say(peer, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  RIG_UNTIL(rig, rig->held);
  http_stream_start(rig->held, 200, "text/plain");
  http_stream_chunk(rig->held, "one", 3);
  http_stream_end(rig->held);
  RIG_UNTIL(rig, (peer_take(peer), peer->ended));
  g_assert_true(g_str_has_suffix(peer->got->str, "\r\n\r\none"));
}

/* At the cap nobody new is accepted, and whoever waits is served once there is room. */
static void test_connections_cap(void)
{
  HttpServerConfig limits = {.connections_max = 3};
  g_autoptr(Rig) rig = rig_new(&limits);
  Peer *peers[3];
  for (int i = 0; i < 3; i++) {
    peers[i] = peer_new(rig);
    g_assert_cmpint(peer_ask(peers[i], GET("/")), ==, 200);
  }
  g_autoptr(Peer) fourth = peer_new(rig);
  peer_say(fourth, GET("/"));
  for (int i = 0; i < 10; i++)
    rig_turn(rig);
  g_assert_cmpint(rig->handled, ==, 3);
  peer_free(peers[0]);
  RIG_UNTIL(rig, peer_answers(fourth) == 1);
  peer_free(peers[1]);
  peer_free(peers[2]);
}

static void test_closing(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  g_autoptr(Peer) peer = peer_new(rig);
  peer_say(peer, GET("/hold"));
  RIG_UNTIL(rig, rig->held);
  http_server_close_listeners(rig->server);
  http_reply(rig->held, 200, "text/plain", "last", 4);
  /* in flight it was answered, then the connection goes too */
  RIG_UNTIL(rig, (peer_take(peer), peer->ended));
  assert_has(peer, "\r\n\r\nlast");
}

static void test_listeners(void)
{
  g_autoptr(Rig) rig = rig_new(NULL);
  struct stat st;
  g_assert_cmpint(stat(rig->path, &st), ==, 0);
  g_assert_cmpint(st.st_mode & 0777, ==, 0600);
  HttpServerConfig config = {.handler = NULL};
  HttpServer *other = http_server_new(rig->loop, &config);
  g_autoptr(GError) error = NULL;
  g_assert_false(http_server_listen_unix(other, rig->path, &error)); /* somebody listens there */
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT);
  g_clear_error(&error);
  int port = http_server_listen_tcp(rig->server, "127.0.0.1", 0, &error);
  g_assert_no_error(error);
  g_assert_cmpint(port, >, 0);
  g_assert_cmpint(http_server_listen_tcp(other, "127.0.0.1", port, &error), ==, -1);
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_CONFLICT);
  g_clear_error(&error);
  g_assert_cmpint(http_server_listen_tcp(other, "no.such.host.invalid", 0, &error), ==, -1);
  g_assert_nonnull(error);
  g_clear_error(&error);
  http_server_close_listeners(rig->server);
  /* what a dead one left behind is replaced */
  g_assert_true(http_server_listen_unix(other, rig->path, &error));
  g_autofree char *nowhere = g_build_filename(rig->dir, "none", "s.sock", NULL);
  g_assert_false(http_server_listen_unix(other, nowhere, &error));
  g_assert_nonnull(strstr(error->message, nowhere));
  g_clear_error(&error);
  g_autofree char *deep =
      g_build_filename(rig->dir, "d2345678901234567890123456789012345678901234567890", NULL);
  g_autofree char *far =
      g_build_filename(deep, "d2345678901234567890123456789012345678901234567890.sock", NULL);
  g_assert_cmpint(mkdir(deep, 0700), ==, 0);
  /* longer than the kernel's 107 bytes of a name */
  g_assert_true(http_server_listen_unix(other, far, &error));
  g_assert_no_error(error);
  http_server_free(other);
}

#define ADD(name, function) g_test_add_func("/net/http-server/" name, function)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  ADD("requests", test_requests);
  ADD("refused", test_refused);
  ADD("trailers", test_trailers);
  ADD("upgrade", test_upgrade_is_passed_over);
  ADD("targets", test_targets);
  ADD("head-limits", test_head_limits);
  ADD("any-cut", test_any_cut);
  ADD("continue", test_continue);
  ADD("pipeline-order", test_pipeline_order);
  ADD("unread-answers", test_unread_answers_are_bounded);
  ADD("time-limits", test_time_limits);
  ADD("large-body", test_large_body_takes_its_time);
  ADD("gone", test_gone);
  ADD("half-closed", test_half_closed);
  ADD("half-closed-pipeline", test_half_closed_pipeline);
  ADD("last-answer-slowly", test_last_answer_slowly);
  ADD("streams", test_streams);
  ADD("old-streams", test_old_streams);
  ADD("connections-cap", test_connections_cap);
  ADD("closing", test_closing);
  ADD("listeners", test_listeners);
  return g_test_run();
}
