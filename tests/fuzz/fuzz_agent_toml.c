/* Any bytes as an agent file. */
#include "formats/agent_file.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  g_autoptr(Problems) problems = problems_new();
  g_autofree char *text = g_strndup("", size);
  memcpy(text, data, size);
  AgentFile *file = agent_file_read(text, size, "fuzz.toml", problems);
  g_assert(file || problems->errors > 0);
  agent_file_free(file);
  return 0;
}
