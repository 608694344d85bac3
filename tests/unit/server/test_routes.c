/* The table of routes, who may use it, and the strict reading of bodies and log lines. */
#include "base/error.h"
#include "server/log_line.h"
#include "server/routes.h"

#include <string.h>

static void test_match(void)
{
  static const struct {
    const char *method, *path, *pattern, *name;
  } rows[] = {
      {"GET", "/api/deployments", "/api/deployments", ""},
      {"POST", "/api/deployments", "/api/deployments", ""},
      {"GET", "/api/deployments/desk", "/api/deployments/{name}", "desk"},
      {"DELETE", "/api/deployments/dep_000001", "/api/deployments/{name}", "dep_000001"},
      {"HEAD", "/api/deployments/desk", "/api/deployments/{name}", "desk"},
      {"POST", "/api/deployments/a.b/down", "/api/deployments/{name}/down", "a.b"},
      {"POST", "/api/deployments/x/rollback", "/api/deployments/{name}/rollback", "x"},
      {"GET", "/api/deployments/x/logs", "/api/deployments/{name}/logs", "x"},
      {"GET", "/healthz", "/healthz", ""},
      {"POST", "/api/server/stop", "/api/server/stop", ""},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    RouteMatch match;
    route_match(rows[i].method, rows[i].path, &match);
    g_assert_nonnull(match.route);
    g_assert_cmpstr(match.route->pattern, ==, rows[i].pattern);
    g_assert_cmpstr(match.name, ==, rows[i].name);
  }
}

static void test_no_match(void)
{
  static const char *const paths[] = {"/",
                                      "",
                                      "/api",
                                      "/api/",
                                      "/api/deployments/",
                                      "/api/deploymentsx",
                                      "/healthz/",
                                      "/healthz2",
                                      "//healthz",
                                      "/api/nodes/x/y",
                                      "/api/deployments/x/other",
                                      "/api/deployments//down"};
  RouteMatch match;
  for (guint i = 0; i < G_N_ELEMENTS(paths); i++) {
    route_match("GET", paths[i], &match);
    g_assert_null(match.route);
    g_assert_cmpstr(match.allow, ==, "");
  }
  char path[128] = "/api/deployments/";
  memset(path + strlen(path), 'a', 65); /* a name has at most 64 characters */
  route_match("GET", path, &match);
  g_assert_null(match.route);
}

static void test_allow(void)
{
  static const struct {
    const char *method, *path, *allow;
  } rows[] = {
      {"PUT", "/api/deployments/x", "GET, HEAD, DELETE"},
      {"PATCH", "/api/deployments", "GET, HEAD, POST"},
      {"GET", "/api/deployments/x/down", "POST"},
      {"HEAD", "/api/events", "GET"},
      {"LOCK", "/metrics", "GET, HEAD"},
      {"get", "/metrics", "GET, HEAD"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    RouteMatch match;
    route_match(rows[i].method, rows[i].path, &match);
    g_assert_null(match.route);
    g_assert_cmpstr(match.allow, ==, rows[i].allow);
  }
}

static void test_table(void)
{
  for (guint i = 0; i < routes_n; i++) {
    g_assert_nonnull(routes[i].handler);
    g_assert_true(routes[i].pattern[0] == '/');
    g_assert_true(g_str_equal(routes[i].method, "POST") || !routes[i].has_body);
    /* which asks, and changes nothing */
    if (!g_str_equal(routes[i].method, "GET") && !g_str_equal(routes[i].pattern, "/check"))
      g_assert_cmpint(routes[i].role, >, ROLE_VIEWER);
  }
}

static void test_role(void)
{
  g_assert_cmpint(route_role(1000, 1000), ==, ROLE_ADMIN);
  g_assert_cmpint(route_role(0, 1000), ==, ROLE_ADMIN);
  g_assert_cmpint(route_role(1001, 1000), ==, -1);
  g_assert_cmpint(route_role(-1, 1000), ==, -1); /* not a local socket */
  g_assert_cmpint(route_role(-1, -1), ==, -1);
}

static const char *const modes[] = {"one", "two", NULL};
static const BodyMember members[] = {
    {.name = "name", .type = BODY_TEXT, .required = true, .min = 1, .max = 5},
    {.name = "count", .type = BODY_INT, .min = 1, .max = 9},
    {.name = "flag", .type = BODY_BOOL},
    {.name = "job", .type = BODY_OBJECT},
    {.name = "mode", .type = BODY_TEXT, .words = modes},
    {NULL}};

static void body_good(const BodyMember *table, const char *text)
{
  g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  json_t *body = body_parse(table, text, strlen(text), problems, &error);
  g_assert_no_error(error);
  g_assert_nonnull(body);
  json_decref(body);
}

/* @wanted: the problems, joined by '|'; "" when it is no JSON at all. */
static void body_bad(const BodyMember *table, const char *text, int code, const char *wanted)
{
  g_autoptr(GPtrArray) problems = g_ptr_array_new_with_free_func(g_free);
  g_autoptr(GError) error = NULL;
  g_assert_null(body_parse(table, text, strlen(text), problems, &error));
  g_assert_error(error, REEVE_ERROR, code);
  g_ptr_array_add(problems, NULL);
  g_autofree char *all = g_strjoinv("|", (char **)problems->pdata);
  g_assert_cmpstr(all, ==, wanted);
}

static void test_body(void)
{
  body_good(members, "{\"name\":\"a\"}");
  body_good(members, "{\"name\":\"abcde\",\"count\":9,\"flag\":false,\"job\":{},\"mode\":\"two\"}");
  body_good(NULL, "");
  body_good(NULL, "{}");
  body_bad(members, "{", REEVE_ERROR_USAGE, "");
  body_bad(members, "{\"name\":\"a\",\"name\":\"b\"}", REEVE_ERROR_USAGE, "");
  body_bad(members, "[]", REEVE_ERROR_INVALID, "the body is list; wanted: object");
  body_bad(members, "", REEVE_ERROR_INVALID, "member 'name' is missing; wanted: text");
  body_bad(
      members, "{\"nam\":1,\"count\":\"x\",\"flag\":null,\"mode\":\"three\"}", REEVE_ERROR_INVALID,
      "unknown member 'nam'; allowed: name, count, flag, job, mode; did you mean 'name'?|member 'count' is text; wanted: whole number|"
      "member 'flag' is null; wanted: true or false|member 'mode' is 'three'; allowed: one, two|member 'name' is missing; wanted: text");
  body_bad(
      members, "{\"name\":\"\",\"count\":10}", REEVE_ERROR_INVALID,
      "member 'name' has a length of 0; allowed: 1 to 5|member 'count' is 10; allowed: 1 to 9");
  body_bad(NULL, "{\"x\\u0001\":1}", REEVE_ERROR_INVALID,
           "unknown member 'x\\x01'; allowed: no members");
}

static void test_body_deep(void)
{
  g_autoptr(GString) text = g_string_new("{\"name\":\"a\",\"job\":");
  for (int i = 0; i < 100; i++)
    g_string_append(text, "{\"a\":");
  body_bad(members, text->str, REEVE_ERROR_LIMIT, "");
}

static void log_is(const char *line, int64_t time_ms, const char *stream, bool partial,
                   const char *text)
{
  LogLine got;
  /* no NUL behind it: a read too far is seen by ASan */
  g_autofree char *copy = g_memdup2(line, strlen(line));
  log_line_parse(copy, strlen(line), &got);
  g_assert_cmpint(got.time_ms, ==, time_ms);
  g_assert_cmpstr(got.stream, ==, stream);
  g_assert_true(got.partial == partial);
  g_autofree char *seen = g_strndup(got.text, got.length);
  g_assert_cmpstr(seen, ==, text);
}

static void test_log_line(void)
{
  log_is("1970-01-01T00:00:01.500Z stdout F hello  you", 1500, "stdout", false, "hello  you");
  log_is("1970-01-01T00:00:01.500Z stderr P ", 1500, "stderr", true, "");
  log_is("1970-01-01T00:00:01.500Z reeve F 12 bytes dropped", 1500, "reeve", false,
         "12 bytes dropped");
  static const char *const other[] = {"x",
                                      "x y",
                                      "1970-01-01T00:00:01.500Z",
                                      "1970-01-01T00:00:01.500Z ",
                                      "1970-01-01T00:00:01.500Z stdout",
                                      "1970-01-01T00:00:01.500Z stdout F",
                                      "1970-01-01T00:00:01.500Z stdout X a",
                                      "1970-01-01T00:00:01.500Z stdin F a",
                                      "yesterday stdout F a",
                                      "  stdout F a"};
  for (guint i = 0; i < G_N_ELEMENTS(other); i++)
    log_is(other[i], 0, "reeve", false, other[i]);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/server/routes/match", test_match);
  g_test_add_func("/server/routes/no-match", test_no_match);
  g_test_add_func("/server/routes/allow", test_allow);
  g_test_add_func("/server/routes/table", test_table);
  g_test_add_func("/server/routes/role", test_role);
  g_test_add_func("/server/body/problems", test_body);
  g_test_add_func("/server/body/deep", test_body_deep);
  g_test_add_func("/server/log-line", test_log_line);
  return g_test_run();
}
