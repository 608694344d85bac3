/* Any bytes as what shims and nodes say to each other: a datagram to a shim, one from a shim, and
 * the spec that a shim is born with. Each buffer is exactly as long as its text, so that a
 * sanitizer sees the first byte beyond. */
#include "drivers/shim_message.h"
#include "shim/shim.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_to_shim(const char *text)
{
  Message message = message_parse(text);
  g_assert_true(message.verb >= MESSAGE_UNKNOWN && message.verb < MESSAGE_N);
  g_assert_cmpint(message.attempt, >=, 0);
  g_assert_cmpint(message.signal, >=, 0);
}

static void fuzz_from_shim(const char *text)
{
  ShimMessage message = shim_message_parse(text);
  g_assert_true(message.news >= SHIM_NEWS_UNKNOWN && message.news < SHIM_NEWS_N);
  g_assert_true(message.attempt >= 0 && message.pid >= 0 && message.generation >= 0 &&
                message.output >= -1);
  g_assert_true(message.exit.code >= -1 && message.exit.code <= 255 && message.exit.signal >= 0 &&
                message.exit.signal <= 64);
}

static void fuzz_spec(const uint8_t *data, size_t size)
{
  static ShimSpec spec; /* 64 KiB */
  memset(&spec, 0, sizeof spec);
  g_autofree char *text = g_memdup2(data, size);
  if (!size || spec_parse(text, size, &spec))
    return;
  g_assert_true(spec.n_argv > 0 && spec.n_argv <= SHIM_WORDS_MAX && spec.n_env <= SHIM_WORDS_MAX &&
                spec.n_cgroups <= SHIM_CGROUPS_MAX);
  g_assert_null(spec.argv[spec.n_argv]);
  g_assert_null(spec.envp[spec.n_env]);
  for (int i = 0; i < spec.n_argv; i++)
    g_assert_true(spec.argv[i] >= text && spec.argv[i] + strlen(spec.argv[i]) < text + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup((const char *)data, size);
  fuzz_to_shim(text);
  fuzz_from_shim(text);
  fuzz_spec(data, size);
  return 0;
}
