/* Where agents may call out to: a table of URLs, and the address behind a name when the connection is made. */
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
      g_error("'%s' with '%s': %s, guard %d", rows[i].url, rows[i].hosts, allowed ? "allowed" : error->message, guard);
    g_assert_true(allowed == (error == NULL));
  }
}

static void on_done(const HttpResult *result, void *data)
{
  g_assert_cmpint(result->status, ==, 0);
  g_assert_true(g_str_has_suffix(result->error, "' leads to an address that must not be called"));
  loop_stop(data);
}

/* A name that is allowed may still lead home, and an address may be written in odd ways: the connection is refused then. */
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

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/agent/allowed/urls", test_urls);
  g_test_add_func("/agent/allowed/guard", test_guard);
  return g_test_run();
}
