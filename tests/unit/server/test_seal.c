/* Sealing: what comes out is what went in, and nothing opens that was changed, moved or sealed with
 * another key. */
#include "base/error.h"
#include "base/fs.h"
#include "server/seal.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory(void)
{
  return g_dir_make_tmp("reeve-seal-XXXXXX", NULL);
}

static void test_round(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *where = directory(), *large = g_strnfill(SEAL_VALUE_MAX, 'x'),
                  *path = seal_key_path(where);
  const char *values[] = {"", "x", "päss \"word\"\n", large};
  for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
    g_autofree char *sealed = seal_close(where, "key", values[i], &error),
                    *again = seal_close(where, "key", values[i], &error);
    g_assert_no_error(error);
    g_assert_cmpstr(sealed, !=, again); /* a nonce of its own each time */
    g_assert_true(strlen(values[i]) < 3 || !strstr(sealed, values[i]));
    char *value = seal_open(where, "key", sealed, &error);
    g_assert_cmpstr(value, ==, values[i]);
    seal_wipe(value);
  }
  struct stat status;
  g_assert_cmpint(stat(path, &status), ==, 0);
  g_assert_cmpint(status.st_mode & 07777, ==, 0600);
  g_assert_cmpint(status.st_size, ==, SEAL_KEY_BYTES);
  g_assert_true(fs_remove_tree(where, NULL));
}

static void assert_shut(const char *where, const char *name, const char *sealed)
{
  g_autoptr(GError) error = NULL;
  g_assert_null(seal_open(where, name, sealed, &error));
  g_assert_error(error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED);
}

static void test_shut(void)
{
  g_autofree char *where = directory(), *other = directory();
  g_autofree char *sealed = seal_close(where, "key", "value", NULL),
                  *of_other = seal_close(other, "key", "value", NULL);
  assert_shut(where, "key", of_other);
  assert_shut(where, "another", sealed);
  for (size_t i = 3; i < strlen(sealed) - 1; i++) {
    g_autofree char *changed = g_strdup(sealed);
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    if (strcmp(changed, sealed) != 0)
      assert_shut(where, "key", changed);
  }
  const char *damaged[] = {"", "v1:", "v1:AAAA", "v2:AAAA", "v3:AAAA", sealed + 3};
  for (guint i = 0; i < G_N_ELEMENTS(damaged); i++)
    assert_shut(where, "key", damaged[i]);
  g_assert_true(fs_remove_tree(where, NULL) && fs_remove_tree(other, NULL));
}

/* What releases before "v2" have sealed: made by them, with the key 00 01 ... 1f. */
static void test_earlier(void)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *where = directory(), *path = seal_key_path(where);
  char key[SEAL_KEY_BYTES];
  for (guint i = 0; i < sizeof key; i++)
    key[i] = (char)i;
  g_assert_true(g_file_set_contents(path, key, sizeof key, NULL));
  g_assert_cmpint(chmod(path, 0600), ==, 0);
  static const char v1[] =
      "v1:ZGVmZ2hpamtsbW5vJ33+BxfJM/9MDjaNqEUYmC6nZ3nu339Le+41GaMlZ0Phspwy0w==";
  char *value = seal_open(where, "key", v1, &error);
  g_assert_no_error(error);
  g_assert_cmpstr(value, ==, "of an earlier release");
  seal_wipe(value);
  assert_shut(where, "another", v1);
  g_autofree char *as_v2 = g_strconcat("v2:", v1 + 3, NULL),
                  *sealed = seal_close(where, "key", "x", NULL);
  assert_shut(where, "key", as_v2);
  g_assert_true(g_str_has_prefix(sealed, "v2:"));
  g_autofree char *as_v1 = g_strconcat("v1:", sealed + 3, NULL);
  assert_shut(where, "key", as_v1);
  /* agents of both releases know each other by it */
  g_autofree char *peers = seal_derive(where, "peer:web", NULL);
  g_assert_cmpstr(peers, ==, "d3cd17ed191fec57dfa8c0670a6594b3ccb386bd9eb655308b9261c5811a400e");
  g_assert_true(fs_remove_tree(where, NULL));
}

static void test_key_file(void)
{
  g_autoptr(GError) open_error = NULL, short_error = NULL, absent = NULL;
  g_autofree char *where = directory(), *path = seal_key_path(where);
  g_autofree char *sealed = seal_close(where, "key", "value", NULL),
                  *large = g_strnfill(SEAL_VALUE_MAX + 1, 'x');
  g_assert_null(seal_close(where, "key", large, NULL));
  g_assert_cmpint(chmod(path, 0640), ==, 0);
  g_assert_null(seal_open(where, "key", sealed, &open_error));
  g_assert_error(open_error, REEVE_ERROR, REEVE_ERROR_DENIED);
  g_assert_cmpint(chmod(path, 0600), ==, 0);
  g_assert_cmpint(truncate(path, 31), ==, 0);
  g_assert_null(seal_close(where, "key", "value", &short_error));
  g_assert_error(short_error, REEVE_ERROR, REEVE_ERROR_STORE_FAILED);
  unlink(path);
  /* a lost key is never made anew to open with */
  g_assert_null(seal_open(where, "key", sealed, &absent));
  g_assert_nonnull(absent);
  g_assert_cmpint(access(path, F_OK), !=, 0);
  g_assert_true(fs_remove_tree(where, NULL));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/seal/round", test_round);
  g_test_add_func("/seal/shut", test_shut);
  g_test_add_func("/seal/earlier", test_earlier);
  g_test_add_func("/seal/key-file", test_key_file);
  return g_test_run();
}
