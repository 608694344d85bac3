/* Whole-file reads and atomic writes, on a real directory. */
#include "base/error.h"
#include "base/fs.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct Place {
  char *path;
  int fd;
} Place;

static void place_up(Place *place, gconstpointer data)
{
  place->path = g_dir_make_tmp("reeve-fs-XXXXXX", NULL);
  place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint(place->fd, >=, 0);
}

static void place_down(Place *place, gconstpointer data)
{
  close(place->fd);
  g_assert_true(fs_remove_tree(place->path, NULL));
  g_assert_false(g_file_test(place->path, G_FILE_TEST_EXISTS));
  g_free(place->path);
}

static char *in(const Place *place, const char *name)
{
  return g_build_filename(place->path, name, NULL);
}

static bool put(const Place *place, const char *name, const char *text, size_t length, mode_t mode,
                bool sync, GError **error)
{
  g_autofree char *path = in(place, name);
  return fs_write(path, text, length, mode, sync, error);
}

static void check_file(const Place *place, const char *name, const char *expected)
{
  g_autofree char *path = in(place, name);
  g_autoptr(GError) error = NULL;
  size_t length = 0;
  g_autofree char *text = fs_read(path, 1000, &length, &error);
  g_assert_no_error(error);
  g_assert_cmpmem(text, length, expected, strlen(expected));
  g_assert_cmpint(text[length], ==, '\0');
}

/* One value, of a file that is its owner's alone. */
static void test_value(Place *place, gconstpointer data)
{
  (void)data;
  static const struct {
    mode_t mode;
    const char *text, *value;
    int code;
  } rows[] = {{0600, "\xef\xbb\xbfkey\r\n", "key", 0},
              {0400, " a b \n\n", " a b \n", 0},
              {0600, "", "", 0},
              {0640, "key", NULL, REEVE_ERROR_DENIED},
              {0604, "key", NULL, REEVE_ERROR_DENIED},
              {0620, "key", NULL, REEVE_ERROR_DENIED},
              {0600, "123456789", NULL, REEVE_ERROR_LIMIT},
              {0600, "12345678", "12345678", 0}};
  g_autofree char *path = in(place, "key");
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(GError) error = NULL;
    g_assert_true(g_file_set_contents(path, rows[i].text, -1, NULL));
    g_assert_cmpint(chmod(path, rows[i].mode), ==, 0);
    g_autofree char *value = fs_read_value(path, 8, &error);
    g_assert_cmpstr(value, ==, rows[i].value);
    if (!rows[i].value)
      g_assert_error(error, REEVE_ERROR, rows[i].code);
    if (rows[i].code == REEVE_ERROR_DENIED)
      g_assert_nonnull(strstr(error->message, "; run: chmod 600 '"));
  }
  g_autoptr(GError) nul = NULL, directory = NULL, absent = NULL;
  g_assert_true(g_file_set_contents(path, "a\0b", 3, NULL));
  g_assert_cmpint(chmod(path, 0600), ==, 0);
  g_assert_null(fs_read_value(path, 8, &nul));
  g_assert_error(nul, REEVE_ERROR, REEVE_ERROR_INVALID);
  g_assert_null(fs_read_value(place->path, 8, &directory));
  g_assert_error(directory, REEVE_ERROR, REEVE_ERROR_INVALID);
  g_assert_cmpint(unlink(path), ==, 0);
  g_assert_null(fs_read_value(path, 8, &absent));
  g_assert_error(absent, REEVE_ERROR, REEVE_ERROR_NOT_FOUND);
}

static void test_write(Place *place, gconstpointer data)
{
  g_autoptr(GError) error = NULL;
  g_assert_true(put(place, "x", "one", 3, 0600, true, &error));
  g_assert_no_error(error);
  check_file(place, "x", "one");
  g_assert_true(put(place, "x", "", 0, 0600, false, &error));
  check_file(place, "x", "");
  g_autofree char *path = in(place, "x"), *temporary = in(place, "x.new");
  struct stat st;
  g_assert_cmpint(stat(path, &st), ==, 0);
  g_assert_cmpint(st.st_mode & 0777, ==, 0600);
  g_assert_false(g_file_test(temporary, G_FILE_TEST_EXISTS));
}

/* Readers see the old text or the new one: whoever opened the file before keeps the old. */
static void test_write_is_atomic(Place *place, gconstpointer data)
{
  g_assert_true(put(place, "x", "before", 6, 0600, false, NULL));
  int fd = openat(place->fd, "x", O_RDONLY | O_CLOEXEC);
  g_assert_true(put(place, "x", "after", 5, 0600, false, NULL));
  char text[16] = "";
  g_assert_cmpint(read(fd, text, sizeof text), ==, 6);
  g_assert_cmpstr(text, ==, "before");
  close(fd);
  check_file(place, "x", "after");
}

/* A link that somebody put where the temporary file goes is not followed, and what is there stays.
 */
static void test_write_fails_whole(Place *place, gconstpointer data)
{
  g_autofree char *victim = in(place, "victim"), *link = in(place, "x.new"),
                  *taken = in(place, "taken");
  g_assert_true(g_file_set_contents(victim, "mine", -1, NULL));
  g_assert_cmpint(symlink(victim, link), ==, 0);
  g_autoptr(GError) error = NULL;
  g_assert_false(put(place, "x", "evil", 4, 0600, true, &error));
  g_assert_nonnull(strstr(error->message, "/x.new': "));
  check_file(place, "victim", "mine");
  g_clear_error(&error);
  g_assert_cmpint(g_mkdir(taken, 0700), ==, 0);
  g_assert_false(put(place, "taken", "x", 1, 0600, true, &error));
  g_assert_nonnull(strstr(error->message, "/taken': "));
  g_autofree char *left = in(place, "taken.new");
  g_assert_false(g_file_test(left, G_FILE_TEST_EXISTS));
}

static void read_refused(const Place *place, const char *name, size_t max, int code,
                         const char *message)
{
  g_autofree char *path = in(place, name);
  g_autoptr(GError) error = NULL;
  g_assert_null(fs_read(path, max, NULL, &error));
  g_assert_error(error, REEVE_ERROR, code);
  g_assert_nonnull(strstr(error->message, message));
}

static void test_read_refused(Place *place, gconstpointer data)
{
  g_assert_true(put(place, "ten", "0123456789", 10, 0600, false, NULL));
  g_assert_cmpint(mkfifoat(place->fd, "fifo", 0600), ==, 0);
  read_refused(place, "none", 10, REEVE_ERROR_NOT_FOUND, "No such file");
  read_refused(place, "ten", 9, REEVE_ERROR_LIMIT, "larger than 9 bytes");
  /* and it did not wait for a writer */
  read_refused(place, "fifo", 10, REEVE_ERROR_INVALID, "not a regular file");
  read_refused(place, ".", 10, REEVE_ERROR_INVALID, "not a regular file");
  check_file(place, "ten", "0123456789");
}

static void test_trees(Place *place, gconstpointer data)
{
  g_autofree char *deep = in(place, "a/b/c"), *top = in(place, "a"),
                  *outside = in(place, "outside"), *link = in(place, "a/b/link");
  g_assert_true(fs_mkdirs(deep, 0700, NULL));
  g_assert_true(fs_mkdirs(deep, 0700, NULL));
  g_assert_true(g_file_set_contents(outside, "stays", -1, NULL));
  g_assert_cmpint(symlink("../../outside", link), ==, 0);
  g_autofree char *file = g_build_filename(deep, "f", NULL);
  g_assert_true(g_file_set_contents(file, "goes", -1, NULL));
  g_assert_true(fs_remove_tree(top, NULL));
  g_assert_false(g_file_test(top, G_FILE_TEST_EXISTS));
  g_assert_true(g_file_test(outside, G_FILE_TEST_EXISTS));
  g_assert_true(fs_remove_tree(top, NULL)); /* absent is fine */
  g_autoptr(GError) error = NULL;
  g_autofree char *below = g_build_filename(outside, "x", NULL);
  g_assert_false(fs_mkdirs(below, 0700, &error));
  g_assert_nonnull(strstr(error->message, "make directory '"));
}

#define ADD(name, function) \
  g_test_add("/base/fs/" name, Place, NULL, place_up, function, place_down)

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  ADD("value", test_value);
  ADD("write", test_write);
  ADD("write-is-atomic", test_write_is_atomic);
  ADD("write-fails-whole", test_write_fails_whole);
  ADD("read-refused", test_read_refused);
  ADD("trees", test_trees);
  return g_test_run();
}
