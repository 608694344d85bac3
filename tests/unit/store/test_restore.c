/* A restore that is killed before any of its steps: the data directory holds the former store or
 * the restored one, whole, and a second try goes through. */
#include "base/fs.h"
#include "store/backup.h"
#include "store/store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int steps_left = -1; /* until the process is killed; -1 = never */

static void step(void)
{
  if (steps_left > 0 && --steps_left == 0)
    kill(getpid(), SIGKILL);
}

/* Found before those of the C library, by SQLite too. */
int rename(const char *from, const char *to)
{
  step();
  return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int link(const char *from, const char *to)
{
  step();
  return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *path)
{
  step();
  return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

int mkdir(const char *path, mode_t mode)
{
  step();
  return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

static bool see_row(TableId table, const Value *values, void *data, GError **error)
{
  (void)error;
  if (table == TABLE_META && g_str_has_prefix(values[META_KEY].text, "test"))
    g_string_append_printf(data, "%s=%s;", values[META_KEY].text, values[META_VALUE].text);
  return true;
}

static char *contents(const char *where)
{
  g_autoptr(GError) error = NULL;
  Store *store = store_open(where, &error);
  g_assert_no_error(error);
  GString *text = g_string_new(NULL);
  g_assert_true(store->driver->load(store, see_row, text, &error));
  store_close(store);
  return g_string_free(text, FALSE);
}

/* Writes @value and ends without a close, so that it is in the log only. */
static void write_value(const char *where, const char *value)
{
  pid_t pid = fork();
  if (pid == 0) {
    Store *store = store_open(where, NULL);
    g_autoptr(GPtrArray) records = g_ptr_array_new();
    Record *record = record_new(TABLE_META);
    record_text(record, META_KEY, "test");
    record_text(record, META_VALUE, value);
    g_ptr_array_add(records, record);
    _exit(store && store->driver->commit(store, records, 1, NULL) == STORE_DONE ? 0 : 1);
  }
  int status;
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_cmpint(status, ==, 0);
}

/* True when the restore came to its end before step @n. */
static bool restore_until(const BackupOptions *options, int n)
{
  pid_t pid = fork();
  if (pid == 0) {
    BackupManifest manifest;
    BackupRestored restored;
    steps_left = n;
    bool ok = backup_restore(options, &manifest, &restored, NULL);
    steps_left = -1;
    _exit(ok ? 0 : 1);
  }
  int status;
  g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
  g_assert_false(WIFEXITED(status) && WEXITSTATUS(status));
  return WIFEXITED(status);
}

static void test_killed(void)
{
  g_autofree char *root = g_dir_make_tmp("reeve-restore-XXXXXX", NULL);
  g_autofree char *file = g_build_filename(root, "backup", NULL);
  bool over = false;
  int seen_former = 0, seen_restored = 0;
  for (int n = 1; !over; n++) {
    g_autofree char *number = g_strdup_printf("data%d", n),
                    *where = g_build_filename(root, number, NULL);
    g_autofree char *node = g_build_filename(where, "node", NULL);
    g_autoptr(GError) error = NULL;
    write_value(where, "backed-up");
    g_assert_true(fs_mkdirs(node, 0700, &error));
    BackupOptions options = {
        .directory = where, .file = file, .version = "test", .wall_ms = 1700000000000};
    BackupManifest manifest;
    unlink(file);
    g_assert_true(backup_write(&options, &manifest, &error));
    write_value(where, "present");
    over = restore_until(&options, n);
    g_autofree char *left = contents(where);
    if (strcmp(left, "test=present;") == 0)
      seen_former++;
    else if (strcmp(left, "test=backed-up;") == 0)
      seen_restored++;
    else
      g_error("killed at step %d there is '%s'", n, left);
    g_assert_true(over || restore_until(&options, 0)); /* once more, to its end */
    g_autofree char *again = contents(where);
    g_assert_cmpstr(again, ==, "test=backed-up;");
    g_assert_cmpint(n, <, 100);
  }
  g_assert_cmpint(seen_former, >, 5);
  g_assert_cmpint(seen_restored, >=, 1);
  g_assert_true(fs_remove_tree(root, NULL));
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/store/restore/killed", test_killed);
  return g_test_run();
}
