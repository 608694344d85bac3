/* Hosts as people, requests and browsers write them. */
#include "net/address.h"
#include "net/browser.h"

static void test_loopback(void)
{
  static const char *const yes[] = {"localhost",   "LOCALHOST", "a.localhost", "127.0.0.1",
                                    "127.255.0.9", "::1",       "[::1]",       "::ffff:127.0.0.1"};
  static const char *const no[] = {"127.evil.example",
                                   "127.0.0.1.evil.example",
                                   "localhost.evil.example",
                                   "0.0.0.0",
                                   "::",
                                   "10.0.0.1",
                                   "::ffff:10.0.0.1",
                                   "evil.example",
                                   "",
                                   "[",
                                   "[]"};
  for (size_t i = 0; i < G_N_ELEMENTS(yes); i++)
    g_assert_true(address_is_loopback(yes[i]));
  for (size_t i = 0; i < G_N_ELEMENTS(no); i++)
    g_assert_false(address_is_loopback(no[i]));
}

static void test_host(void)
{
  static const struct {
    const char *authority, *host;
  } rows[] = {{"localhost", "localhost"},
              {"localhost:80", "localhost"},
              {"[::1]", "::1"},
              {"[::1]:65535", "::1"},
              {"a.example:0", "a.example"},
              {"", NULL},
              {":80", NULL},
              {"a:", NULL},
              {"a:x", NULL},
              {"a:65536", NULL},
              {"a:1:2", NULL},
              {"[::1", NULL},
              {"[]", NULL},
              {"[::1]x", NULL},
              {"a:-1", NULL}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *host = address_host(rows[i].authority);
    g_assert_cmpstr(host, ==, rows[i].host);
  }
  g_assert_true(address_is_literal("10.0.0.1") && address_is_literal("fe80::1") &&
                !address_is_literal("10.1") && !address_is_literal("a.example"));
}

static void test_origin(void)
{
  static const char *const yes[] = {"https://app.example", "http://localhost:5173",
                                    "http://[::1]:1", "http://127.0.0.1"};
  static const char *const no[] = {"*",
                                   "null",
                                   "https://app.example/",
                                   "https://App.example",
                                   "https://a@b.example",
                                   "app.example",
                                   "file://",
                                   "http:",
                                   "http://:5173",
                                   "http://a:",
                                   "https://a?b",
                                   "https://a b",
                                   ""};
  for (size_t i = 0; i < G_N_ELEMENTS(yes); i++)
    g_assert_true(browser_origin_is_plain(yes[i]));
  for (size_t i = 0; i < G_N_ELEMENTS(no); i++)
    g_assert_false(browser_origin_is_plain(no[i]));
  static const char *const names[] = {"localhost", "::1", "a.example", NULL};
  g_assert_true(browser_host_is("A.example:1", names, 0) && browser_host_is("[::1]:1", names, 0));
  g_assert_true(!browser_host_is("b.example", names, 0) && !browser_host_is(NULL, names, 0) &&
                !browser_host_is("", names, 0));
  g_assert_true(browser_host_is("a.example", names, 80) &&
                browser_host_is("a.example:80", names, 80) &&
                browser_host_is("[::1]:80", names, 80));
  g_assert_true(!browser_host_is("a.example:81", names, 80) &&
                !browser_host_is("[::1]:8", names, 80) &&
                !browser_host_is("a.example:", names, 80));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/net/address/loopback", test_loopback);
  g_test_add_func("/net/address/host", test_host);
  g_test_add_func("/net/address/origin", test_origin);
  return g_test_run();
}
