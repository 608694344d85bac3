/* Log lines when nobody reads them: the caller is never held up, and what was lost is said later.
 */
#include "base/log.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void test_full_pipe(void)
{
  int ends[2], former = dup(STDERR_FILENO);
  g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
  g_assert_cmpint(dup2(ends[1], STDERR_FILENO), ==, STDERR_FILENO);
  alarm(20); /* a write that blocks would do so for ever */
  for (int i = 0; i < 5000; i++)
    log_info("something happened", "number=%d", i);
  g_autofree char *text = g_malloc(1 << 20);
  ssize_t n = read(ends[0], text, 1 << 20);
  g_assert_cmpint(n, >, 1000);
  g_assert_cmpint(text[n - 1], ==, '\n'); /* lines are whole */
  log_info("it goes on", "%s", "");
  n = read(ends[0], text, (1 << 20) - 1);
  g_assert_cmpint(n, >, 0);
  text[n] = '\0';
  alarm(0);
  dup2(former, STDERR_FILENO);
  g_assert_nonnull(strstr(text, "log lines lost"));
  g_assert_nonnull(strstr(text, "it goes on"));
  close(former);
  close(ends[0]);
  close(ends[1]);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/log/full-pipe", test_full_pipe);
  return g_test_run();
}
