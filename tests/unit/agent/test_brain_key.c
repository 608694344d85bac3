/* Where the key of a model server comes from, and which keys are none. */
#include "agent/brain_key.h"
#include "base/error.h"

#include <glib/gstdio.h>
#include <string.h>

static char *literal(const char *text)
{
  return (char *)(uintptr_t)text;
}

/* The key, or the message of the error. Caller frees. */
static char *read_key(const AgentFile *file)
{
  g_autoptr(GError) error = NULL;
  char *key = brain_key_read(file, &error);
  g_assert_true(!key || !error);
  if (error)
    g_assert_true(error->code == REEVE_ERROR_INVALID || error->code == REEVE_ERROR_NOT_FOUND ||
                  error->code == REEVE_ERROR_DENIED);
  return error ? g_strdup(error->message) : key;
}

static void test_variables(void)
{
  const AgentFile none = {0}, env = {.api_key_env = literal("TEST_KEY")},
                  secret = {.api_key_secret = literal("TEST_KEY")};
  g_assert_null(read_key(&none));
  g_unsetenv("TEST_KEY");
  g_autofree char *no_env = read_key(&env), *no_secret = read_key(&secret);
  g_assert_cmpstr(
      no_env, ==,
      "llm.api_key_env: the environment has no variable 'TEST_KEY'; give it to the agent");
  g_assert_cmpstr(
      no_secret, ==,
      "llm.api_key_secret: the environment has no variable 'TEST_KEY'; give it to the agent as a secret of its job");
  g_setenv("TEST_KEY", "sk-1", TRUE);
  g_autofree char *key = read_key(&env), *same = read_key(&secret);
  g_assert_cmpstr(key, ==, "sk-1");
  g_assert_cmpstr(same, ==, "sk-1");
  /* what could end a header line */
  g_setenv("TEST_KEY", "sk-1\r\nX-Other: 1", TRUE);
  g_autofree char *lines = read_key(&env);
  g_assert_cmpstr(lines, ==,
                  "llm: the API key is empty, or has spaces or control characters in it");
}

static void test_file(void)
{
  g_autofree char *dir = g_dir_make_tmp("reeve-test-key-XXXXXX", NULL),
                  *path = g_build_filename(dir, "key", NULL);
  const AgentFile file = {.api_key_file = path};
  g_autofree char *absent = read_key(&file);
  g_assert_true(g_str_has_prefix(absent, "llm.api_key_file: open '"));
  g_assert_true(g_file_set_contents(path, "  sk-2\n", -1, NULL));
  g_chmod(path, 0644);
  g_autofree char *open = read_key(&file);
  g_assert_nonnull(strstr(open, "others may read it (mode 0644); run: chmod 600"));
  g_assert_null(strstr(open, "sk-2"));
  g_chmod(path, 0600);
  g_autofree char *key = read_key(&file);
  g_assert_cmpstr(key, ==, "sk-2");
  g_assert_true(g_file_set_contents(path, "\n", -1, NULL));
  g_chmod(path, 0600);
  g_autofree char *empty = read_key(&file);
  g_assert_cmpstr(empty, ==,
                  "llm: the API key is empty, or has spaces or control characters in it");
  g_unlink(path);
  g_rmdir(dir);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/brain-key/variables", test_variables);
  g_test_add_func("/brain-key/file", test_file);
  return g_test_run();
}
