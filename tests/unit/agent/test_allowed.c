/* Where agents may call out to: a table of URLs, and the address behind a name when the connection
 * is made. */
#include "agent/allowed.h"
#include "base/error.h"

#include <arpa/inet.h>
#include <string.h>

static void test_urls(void)
{
  static const struct {
    const char *url;
    AllowedKind kind;
    const char *hosts;
    bool allowed;
    HttpGuard guard;
  } rows[] = {
      /* what Reeve or the file names */
      {"http://localhost:9000", ALLOWED_PEER, NULL, true, HTTP_GUARD_LOCAL},
      {"http://gpu.example:9000", ALLOWED_PEER, "", true, HTTP_GUARD_LOCAL},
      {"http://127.0.0.1:9000/x", ALLOWED_AGENT, NULL, true, HTTP_GUARD_LOCAL},
      {"https://agent.example", ALLOWED_AGENT, "other", true, HTTP_GUARD_LOOPBACK},
      {"http://[::1]:9000", ALLOWED_SERVER, "", true, HTTP_GUARD_LOCAL},
      /* the operator's list confines servers */
      {"https://mcp.example/mcp", ALLOWED_SERVER, NULL, true, HTTP_GUARD_LOOPBACK},
      {"https://mcp.example/mcp", ALLOWED_SERVER, "", false, 0},
      {"https://mcp.example/mcp", ALLOWED_SERVER, "localhost,127.0.0.1", false, 0},
      {"https://mcp.example/mcp", ALLOWED_SERVER, "a, MCP.example", true, HTTP_GUARD_LOOPBACK},
      {"https://mcp.example/mcp", ALLOWED_SERVER, "*.example", true, HTTP_GUARD_LOOPBACK},
      {"https://example/mcp", ALLOWED_SERVER, "*.example", false, 0},
      {"https://evilexample/mcp", ALLOWED_SERVER, "*.example", false, 0},
      {"https://mcp.example.evil/mcp", ALLOWED_SERVER, "*.example,mcp.example", false, 0},
      {"https://mcp.example/mcp", ALLOWED_SERVER, "*", false, 0},
      /* never */
      {"http://169.254.169.254/latest", ALLOWED_PEER, "169.254.169.254", false, 0},
      {"http://[fe80::1]/", ALLOWED_AGENT, NULL, false, 0},
      {"http://[::ffff:169.254.1.1]/", ALLOWED_PEER, NULL, false, 0},
      {"http://224.0.0.1/", ALLOWED_PEER, NULL, false, 0},
      {"http://[ff02::1]/", ALLOWED_PEER, NULL, false, 0},
      {"http://0.0.0.0:80/", ALLOWED_PEER, NULL, false, 0},
      {"http://255.255.255.255/", ALLOWED_PEER, NULL, false, 0},
      /* what two readers could understand differently, or no web at all */
      {"http://good@evil.example/", ALLOWED_AGENT, NULL, false, 0},
      {"http://evil.example\\@good/", ALLOWED_AGENT, NULL, false, 0},
      {"http://a b/", ALLOWED_AGENT, NULL, false, 0},
      {"file:///etc/passwd", ALLOWED_AGENT, NULL, false, 0},
      {"gopher://x/", ALLOWED_AGENT, NULL, false, 0},
      {"http://", ALLOWED_AGENT, NULL, false, 0},
      {"", ALLOWED_AGENT, NULL, false, 0},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    HttpGuard guard = 0;
    g_autoptr(GError) error = NULL;
    bool allowed = allowed_url(rows[i].url, rows[i].kind, rows[i].hosts, &guard, &error);
    if (allowed != rows[i].allowed || guard != rows[i].guard)
      g_error("'%s' with '%s': %s, guard %d", rows[i].url, rows[i].hosts,
              allowed ? "allowed" : error->message, guard);
    g_assert_true(allowed == (error == NULL));
  }
}

static void on_done(const HttpResult *result, void *data)
{
  g_assert_cmpint(result->status, ==, 0);
  g_assert_true(g_str_has_suffix(result->error, "' leads to an address that must not be called"));
  loop_stop(data);
}

/* A name that is allowed may still lead home, and an address may be written in odd ways: the
 * connection is refused then. */
static void test_guard(void)
{
  static const struct {
    const char *url;
    HttpGuard guard;
  } rows[] = {{"http://localhost:1/", HTTP_GUARD_LOOPBACK},
              {"http://2852039166:1/", HTTP_GUARD_LOCAL},    /* 169.254.169.254 */
              {"http://0xa9.0xfea9fe:1/", HTTP_GUARD_LOCAL}, /* the same */
              {"http://0:1/", HTTP_GUARD_LOCAL}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    Loop *loop = loop_new();
    HttpClient *client = http_client_new(loop);
    HttpCallSpec spec = {.url = rows[i].url, .guard = rows[i].guard, .timeout_ms = 10000};
    http_client_call(client, &spec, NULL, on_done, loop);
    loop_run(loop);
    http_client_free(client);
    loop_free(loop);
  }
}

/* What an address stands for counts, however it is wrapped. */
static void test_addresses(void)
{
  static const struct {
    const char *ip;
    bool local, loopback; /* forbidden by this guard */
  } rows[] = {{"93.184.216.34", false, false},
              {"10.0.0.1", false, false},
              {"127.0.0.1", false, true},
              {"169.254.169.254", true, true},
              {"100.100.100.200", true, true},
              {"100.100.100.201", false, false},
              {"168.63.129.16", true, true},
              {"192.0.0.192", true, true},
              {"2606:2800:220:1::1", false, false},
              {"::1", false, true},
              {"::", true, true},
              {"fe80::1", true, true},
              {"fd00:ec2::254", true, true},
              {"fd00:ec2::253", false, false},
              {"fd20:ce::254", true, true},
              {"::ffff:169.254.169.254", true, true},
              {"::ffff:127.0.0.1", false, true},
              {"::ffff:100.100.100.200", true, true},
              {"64:ff9b::169.254.169.254", true, true},
              {"64:ff9b::127.0.0.1", false, true},
              {"64:ff9b::93.184.216.34", false, false},
              {"64:ff9b:1::a9fe:a9fe", true, true},
              {"2002:a9fe:a9fe::1", true, true},
              {"2002:7f00:1::1", false, true},
              {"2002:5db8:d822::1", false, false}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool four = inet_pton(AF_INET, rows[i].ip, &v4.sin_addr) == 1;
    g_assert_true(four || inet_pton(AF_INET6, rows[i].ip, &v6.sin6_addr) == 1);
    const struct sockaddr *address =
        four ? (const struct sockaddr *)&v4 : (const struct sockaddr *)&v6;
    if (http_guard_forbids(HTTP_GUARD_LOCAL, address) != rows[i].local ||
        http_guard_forbids(HTTP_GUARD_LOOPBACK, address) != rows[i].loopback)
      g_error("%s", rows[i].ip);
    g_assert_false(http_guard_forbids(HTTP_GUARD_NONE, address));
  }
}

typedef struct Wanted {
  Loop *loop;
  const char *error;
} Wanted;

static void on_refused(const HttpResult *result, void *data)
{
  const Wanted *wanted = data;
  if (!strstr(result->error, wanted->error))
    g_error("wanted '%s', not '%s'", wanted->error, result->error);
  loop_stop(wanted->loop);
}

/* A proxy of the environment would resolve names in our place: a guarded call passes it by, one of
 * its own it takes. */
static void test_proxy(void)
{
  static const struct {
    HttpGuard guard;
    const char *proxy, *error;
  } rows[] = {{HTTP_GUARD_NONE, NULL, "connection refused"}, /* of the proxy of the environment */
              {HTTP_GUARD_LOCAL, NULL, "no such host 'metadata.invalid'"},
              {HTTP_GUARD_LOOPBACK, NULL, "no such host 'metadata.invalid'"},
              {HTTP_GUARD_LOOPBACK, "http://127.0.0.1:1", "connection refused"}};
  g_setenv("http_proxy", "http://127.0.0.1:1", TRUE);
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    Wanted wanted = {.loop = loop_new(), .error = rows[i].error};
    HttpClient *client = http_client_new(wanted.loop);
    HttpCallSpec spec = {.url = "http://metadata.invalid/",
                         .guard = rows[i].guard,
                         .proxy = rows[i].proxy,
                         .timeout_ms = 20000};
    http_client_call(client, &spec, NULL, on_refused, &wanted);
    loop_run(wanted.loop);
    http_client_free(client);
    loop_free(wanted.loop);
  }
  g_unsetenv("http_proxy");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/agent/allowed/urls", test_urls);
  g_test_add_func("/agent/allowed/guard", test_guard);
  g_test_add_func("/agent/allowed/addresses", test_addresses);
  g_test_add_func("/agent/allowed/proxy", test_proxy);
  return g_test_run();
}
