/* What is kept of logs: a cap for all, oldest first, never what is being written; and an end for
 * what is long gone. */
#include "base/fs.h"
#include "drivers/keep.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DAY_MS = 24 * 3600 * 1000, NOW_S = 2000000000 };

static char *root;

/* A file of @bytes, last written @age_s before now. */
static void put(const char *instance, const char *name, size_t bytes, int64_t age_s)
{
  g_autofree char *directory = g_build_filename(root, instance, NULL),
                  *path = g_build_filename(directory, name, NULL);
  g_autofree char *text = g_strnfill(bytes, 'x');
  g_assert_true(fs_mkdirs(directory, 0755, NULL) &&
                g_file_set_contents(path, text, (gssize)bytes, NULL));
  struct timespec times[2] = {{.tv_sec = NOW_S - age_s}, {.tv_sec = NOW_S - age_s}};
  g_assert_cmpint(utimensat(AT_FDCWD, path, times, 0), ==, 0);
}

static bool there(const char *instance, const char *name)
{
  g_autofree char *path = g_build_filename(root, instance, name, NULL);
  return access(path, F_OK) == 0;
}

/* @data: text with the ids of those that are held. */
static bool held(const char *id, void *data)
{
  return strstr(data, id) != NULL;
}

static int64_t sweep(const char *who_is_held, int64_t cap_bytes)
{
  KeepLimits limits = {
      .cap_bytes = cap_bytes, .gone_ms = 7 * (int64_t)DAY_MS, .now_ms = (int64_t)NOW_S * 1000};
  return keep_sweep(root, held, (void *)(uintptr_t)who_is_held, &limits);
}

static void set_up(void)
{
  root = g_dir_make_tmp("reeve-keep-XXXXXX", NULL);
}

static void tear_down(void)
{
  fs_remove_tree(root, NULL);
  g_free(root);
}

static void test_below_the_cap(void)
{
  set_up();
  put("ins_00000a", "log", 100, 10);
  put("ins_00000a", "log.1", 100, 20);
  g_assert_cmpint(sweep("ins_00000a", 200), ==, 0);
  g_assert_true(there("ins_00000a", "log") && there("ins_00000a", "log.1"));
  tear_down();
}

static void test_oldest_go_first(void)
{
  set_up();
  put("ins_00000a", "log", 100, 10);
  put("ins_00000a", "log.1", 100, 500);
  put("ins_00000a", "log.2", 100, 900);
  put("ins_00000b", "log", 100, 20);
  put("ins_00000b", "log.1", 100, 700);
  g_assert_cmpint(sweep("ins_00000a ins_00000b", 350), ==, 200);
  g_assert_false(there("ins_00000a", "log.2"));
  g_assert_false(there("ins_00000b", "log.1"));
  g_assert_true(there("ins_00000a", "log.1") && there("ins_00000a", "log") &&
                there("ins_00000b", "log"));
  tear_down();
}

static void test_what_is_written_stays(void)
{
  set_up();
  put("ins_00000a", "log", 1000, 900); /* silent for long, and still the agent's */
  put("ins_00000b", "log", 1000, 10);
  g_assert_cmpint(sweep("ins_00000a", 0), ==, 1000);
  g_assert_true(there("ins_00000a", "log"));
  g_assert_false(there("ins_00000b", "log"));
  tear_down();
}

static void test_gone_for_long(void)
{
  int64_t day = DAY_MS / 1000;
  set_up();
  put("ins_00000a", "log", 100, 8 * day);
  put("ins_00000a", "log.1", 100, 9 * day);
  put("ins_00000a", "instance.json", 50, 8 * day);
  put("ins_00000b", "log", 100, 8 * day);
  put("ins_00000b", "instance.json", 50, 6 * day); /* was stopped six days ago */
  put("ins_00000c", "log", 100, 8 * day);          /* runs */
  put("ins_00000d", "peers.json", 100, 8 * day);
  put("strange", "log", 100, 8 * day);
  g_assert_cmpint(sweep("ins_00000c", INT64_MAX), ==, 200);
  g_assert_false(there("ins_00000a", "log") || there("ins_00000a", "log.1"));
  g_assert_true(there("ins_00000a", "instance.json"));
  g_assert_true(there("ins_00000b", "log") && there("ins_00000c", "log") &&
                there("ins_00000d", "peers.json") && there("strange", "log"));
  tear_down();
}

static void test_links_are_not_followed(void)
{
  set_up();
  put("ins_00000a", "instance.json", 10, 1);
  g_autofree char *path = g_build_filename(root, "ins_00000a", "log.1", NULL);
  g_assert_cmpint(symlink("/etc/passwd", path), ==, 0);
  g_assert_cmpint(sweep("", 0), ==, 0);
  g_assert_true(there("ins_00000a", "log.1"));
  tear_down();
}

static void test_no_directory(void)
{
  root = g_strdup("/no/such/directory");
  g_assert_cmpint(sweep("", 0), ==, 0);
  g_free(root);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/keep/below-the-cap", test_below_the_cap);
  g_test_add_func("/keep/oldest-go-first", test_oldest_go_first);
  g_test_add_func("/keep/what-is-written-stays", test_what_is_written_stays);
  g_test_add_func("/keep/gone-for-long", test_gone_for_long);
  g_test_add_func("/keep/links", test_links_are_not_followed);
  g_test_add_func("/keep/no-directory", test_no_directory);
  return g_test_run();
}
