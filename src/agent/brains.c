/* Owns the list of brains. */
#include "agent/brain.h"

static const Brain *const brains[] = {&command_brain, &ollama_brain, &openai_brain};

const Brain *brain_find(const char *provider)
{
  for (size_t i = 0; provider && i < G_N_ELEMENTS(brains); i++)
    if (g_str_equal(brains[i]->provider, provider))
      return brains[i];
  return NULL;
}

const char *brain_providers(void)
{
  return "command, ollama, openai";
}
