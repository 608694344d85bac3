/* Tokens, the Host check, the limiter of wrong guesses, and the address to listen on. */
#include "base/error.h"
#include "net/address.h"
#include "server/auth.h"
#include "server/listen.h"

#include <string.h>

static void test_token(void)
{
  g_autofree char *one = auth_token_new(), *two = auth_token_new();
  char hash[AUTH_HASH_BYTES];
  g_assert_true(g_str_has_prefix(one, "reeve_"));
  g_assert_cmpuint(strlen(one), ==, 6 + 43);
  g_assert_cmpuint(
      strspn(one + 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), ==, 43);
  g_assert_cmpstr(one, !=, two);
  auth_hash("abc", hash); /* the example of FIPS 180-2 */
  g_assert_cmpstr(hash, ==, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_host(void)
{
  static const struct {
    const char *host;
    bool local;
  } rows[] = {{"localhost", true},
              {"localhost:7373", true},
              {"LOCALHOST:7373", true},
              {"127.0.0.1:7373", true},
              {"[::1]:7373", true},
              {"localhost:7374", false},
              {"evil.example", false},
              {"localhost.evil", false},
              {"127.0.0.1.evil", false},
              {"", false},
              {"evil.example:7373", false},
              {"localhost:", false},
              {NULL, false}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    g_assert_true(auth_host_is_local(rows[i].host, 7373) == rows[i].local);
}

static void test_limiter(void)
{
  Limiter *limiter = limiter_new();
  for (int i = 0; i < 10; i++)
    g_assert_true(limiter_count(limiter, "10.0.0.1", 5000));
  g_assert_false(limiter_count(limiter, "10.0.0.1", 5000));
  g_assert_true(limiter_count(limiter, "10.0.0.2", 5000)); /* another address has its own */
  g_assert_true(limiter_count(limiter, "10.0.0.1", 6000)); /* one second, one more */
  g_assert_false(limiter_count(limiter, "10.0.0.1", 6000));
  for (int i = 0; i < 10; i++)
    g_assert_true(limiter_count(limiter, "10.0.0.1", 60000));
  g_assert_false(limiter_count(limiter, "10.0.0.1", 60000));
  limiter_free(limiter);
}

static void test_limiter_is_bounded(void)
{
  Limiter *limiter = limiter_new();
  for (int i = 0; i < 4096; i++) {
    g_autofree char *address = g_strdup_printf("a%d", i);
    g_assert_true(limiter_count(limiter, address, 1000));
  }
  g_assert_false(limiter_count(limiter, "one-more", 1000));
  /* the others are full again and forgotten */
  g_assert_true(limiter_count(limiter, "one-more", 3000));
  limiter_free(limiter);
}

static void test_listen_parse(void)
{
  static const struct {
    const char *text, *host;
    int port;
  } rows[] = {{"127.0.0.1:7373", "127.0.0.1", 7373},
              {"[::1]:80", "::1", 80},
              {"7373", "127.0.0.1", 7373},
              {"localhost:0", "localhost", 0},
              {"", NULL, 0},
              {":80", NULL, 0},
              {"host", NULL, 0},
              {"host:", NULL, 0},
              {"host:65536", NULL, 0},
              {"::1:80", NULL, 0},
              {"[::1]80", NULL, 0},
              {"[::1", NULL, 0},
              {"host:-1", NULL, 0},
              {"host:80x", NULL, 0}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_autofree char *host = NULL;
    int port = -1;
    bool ok = listen_parse(rows[i].text, &host, &port, &error);
    g_assert_true(ok == (rows[i].host != NULL));
    g_assert_cmpstr(host, ==, rows[i].host);
    if (ok)
      g_assert_cmpint(port, ==, rows[i].port);
    else
      g_assert_error(error, REEVE_ERROR, REEVE_ERROR_USAGE);
  }
}

static void test_loopback(void)
{
  static const char *const loopback[] = {"127.0.0.1", "127.9.8.7",        "::1",
                                         "[::1]",     "::ffff:127.0.0.1", "localhost",
                                         "LOCALHOST", "a.localhost"};
  static const char *const others[] = {"0.0.0.0",
                                       "::",
                                       "127.evil.com",
                                       "127.0.0.1.evil.com",
                                       "128.0.0.1",
                                       "::ffff:1.2.3.4",
                                       "localhost.evil.com",
                                       "mylocalhost",
                                       "",
                                       "127"};
  for (guint i = 0; i < G_N_ELEMENTS(loopback); i++)
    g_assert_true(address_is_loopback(loopback[i]));
  for (guint i = 0; i < G_N_ELEMENTS(others); i++)
    g_assert_false(address_is_loopback(others[i]));
  static const char *const urls[][2] = {
      {"http://h:80/x", "h"}, {"https://u:p@[::1]:8/x", "::1"}, {"no url at all://", NULL}};
  for (guint i = 0; i < G_N_ELEMENTS(urls); i++) {
    g_autofree char *host = address_of_url(urls[i][0]);
    g_assert_cmpstr(host, ==, urls[i][1]);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/auth/token", test_token);
  g_test_add_func("/auth/host", test_host);
  g_test_add_func("/auth/limiter", test_limiter);
  g_test_add_func("/auth/limiter-bounded", test_limiter_is_bounded);
  g_test_add_func("/auth/listen", test_listen_parse);
  g_test_add_func("/auth/loopback", test_loopback);
  return g_test_run();
}
