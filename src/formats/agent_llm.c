/* Reads [llm]: which brain an agent has, where it is and how it is asked. The keys are rows. */
#include "formats/agent_reader.h"
#include "formats/expand.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

typedef enum LlmKind { LLM_TEXT, LLM_REAL, LLM_COUNT, LLM_SECONDS } LlmKind;

typedef struct LlmRow {
  const char *key;
  LlmKind kind;
  size_t offset;
  double low, high; /* of numbers */
} LlmRow;

#define FIELD(field) offsetof(AgentFile, field)

static const LlmRow llm_rows[] = {
    {"provider", LLM_TEXT, FIELD(llm_provider), 0, 0},
    {"model", LLM_TEXT, FIELD(llm_model), 0, 0},
    {"system_prompt", LLM_TEXT, FIELD(system_prompt), 0, 0},
    {"base_url", LLM_TEXT, FIELD(base_url), 0, 0},
    {"temperature", LLM_REAL, FIELD(temperature), 0, 2},
    {"top_p", LLM_REAL, FIELD(top_p), 0, 1},
    {"max_tokens", LLM_COUNT, FIELD(max_tokens), 1, 10000000},
    {"max_completion_tokens", LLM_COUNT, FIELD(max_completion_tokens), 1, 10000000},
    {"timeout", LLM_SECONDS, FIELD(request_timeout_ms), 0.001, 86400},
    /* the one that counts when both are there */
    {"request_timeout", LLM_SECONDS, FIELD(request_timeout_ms), 0.001, 86400},
    {"idle_timeout", LLM_SECONDS, FIELD(idle_timeout_ms), 0.001, 86400},
    {"concurrency", LLM_COUNT, FIELD(concurrency), 1, 10000},
    {"api_key_env", LLM_TEXT, FIELD(api_key_env), 0, 0},
    {"api_key_file", LLM_TEXT, FIELD(api_key_file), 0, 0},
    {"api_key_secret", LLM_TEXT, FIELD(api_key_secret), 0, 0},
};

void agent_llm_clear(AgentFile *file)
{
  for (size_t i = 0; i < G_N_ELEMENTS(llm_rows); i++)
    if (llm_rows[i].kind == LLM_TEXT)
      g_free(G_STRUCT_MEMBER(char *, file, llm_rows[i].offset));
  g_strfreev(file->llm_command);
}

/* A value that is $NAME and nothing else was meant as ${NAME}. */
static void llm_bare_variable(AgentReader *reader, const char *key, const char *text)
{
  if (!text || text[0] != '$' || !text[1] ||
      strspn(text + 1, G_CSET_A_2_Z G_CSET_DIGITS "_") != strlen(text + 1))
    return;
  problems_add(reader->problems, PROBLEM_WARNING,
               expand_locate(reader->text, reader->file, "llm", key),
               "'llm.%s': '%s' stays as it is written; a variable is ${%s}", key, text, text + 1);
}

static void llm_row(AgentReader *reader, const LlmRow *row, const json_t *llm)
{
  AgentFile *out = reader->out;
  if (row->kind == LLM_TEXT) {
    agent_text(reader, llm, row->key, G_STRUCT_MEMBER_P(out, row->offset));
    llm_bare_variable(reader, row->key, G_STRUCT_MEMBER(char *, out, row->offset));
    return;
  }
  if (row->kind == LLM_SECONDS) {
    G_STRUCT_MEMBER(int64_t, out, row->offset) =
        agent_ms(reader, llm, row->key, row->low, row->high);
    return;
  }
  double number = agent_number(reader, llm, row->key, row->low, row->high);
  if (row->kind == LLM_REAL)
    G_STRUCT_MEMBER(double, out, row->offset) = number;
  else
    G_STRUCT_MEMBER(int, out, row->offset) = (int)number;
}

static void llm_command(AgentReader *reader, const json_t *llm)
{
  GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
  agent_texts(reader, llm, "command", words);
  bool some = words->len > 0;
  g_ptr_array_add(words, NULL);
  char **argv = (char **)g_ptr_array_free(words, FALSE);
  if (some)
    reader->out->llm_command = argv;
  else
    g_strfreev(argv);
}

/* A key in the URL would be in every log that names it. */
static const char *llm_url_problem(const char *url)
{
  const char *host = g_str_has_prefix(url, "http://")    ? url + 7
                     : g_str_has_prefix(url, "https://") ? url + 8
                                                         : NULL;
  if (!host || !host[0] || host[0] == '/')
    return "a URL that begins with http:// or https:// and names a host";
  for (const char *p = url; *p; p++)
    if ((unsigned char)*p <= 0x20 || *p == 0x7f)
      return "a URL without spaces and control characters";
  if (memchr(host, '@', strcspn(host, "/")))
    return "a URL without a user or password; see api_key_env";
  return strpbrk(url, "?#") ? "a URL without '?' and '#'" : NULL;
}

static void llm_trim_url(char *url)
{
  size_t n = strlen(url);
  while (n && url[n - 1] == '/')
    url[--n] = '\0';
}

static void llm_base_url(AgentReader *reader, const json_t *llm)
{
  AgentFile *out = reader->out;
  int port = (int)agent_number(reader, llm, "port", 1, 65535);
  if (!out->base_url && port)
    out->base_url = g_strdup_printf("http://127.0.0.1:%d", port);
  out->default_url = !out->base_url && g_strcmp0(out->llm_provider, "ollama") == 0;
  if (out->default_url)
    out->base_url = g_strdup(AGENT_DEFAULT_URL);
  if (!out->base_url) {
    if (g_strcmp0(out->llm_provider, "openai") == 0)
      agent_wanted(reader, "llm.base_url",
                   "the URL of the model server, since provider is \"openai\"");
    return;
  }
  bool is_variable = g_str_has_prefix(out->base_url, "${"); /* known when the agent starts */
  const char *wrong = is_variable ? NULL : llm_url_problem(out->base_url);
  if (wrong)
    agent_wanted(reader, "llm.base_url", wrong);
  llm_trim_url(out->base_url);
}

static void llm_tokens(AgentReader *reader)
{
  if (reader->out->max_tokens && reader->out->max_completion_tokens)
    agent_wanted(reader, "llm", "only one of max_tokens and max_completion_tokens");
}

static void llm_key(AgentReader *reader, const json_t *llm)
{
  const AgentFile *out = reader->out;
  if (json_object_get(llm, "api_key"))
    agent_wanted(
        reader, "llm.api_key",
        "no key in this file, where others see it; name a variable with api_key_env, a file of mode 0600 with api_key_file, or a"
        " secret of the job with api_key_secret");
  if (!!out->api_key_env + !!out->api_key_file + !!out->api_key_secret > 1)
    agent_wanted(reader, "llm", "only one of api_key_env, api_key_file and api_key_secret");
}

const char *const agent_llm_providers[] = {"command", "ollama", "openai", NULL};

static void llm_check_provider(AgentReader *reader)
{
  const char *provider = reader->out->llm_provider;
  if (!provider || g_str_has_prefix(provider, "${") ||
      g_strv_contains(agent_llm_providers, provider))
    return;
  const char *nearest = problems_nearest(provider, agent_llm_providers);
  g_autofree char *all = g_strjoinv(", ", (char **)(uintptr_t)agent_llm_providers);
  problems_add(reader->problems, PROBLEM_ERROR,
               expand_locate(reader->text, reader->file, "llm", "provider"),
               "'llm.provider': unknown value '%s'; allowed: %s%s%s%s", provider, all,
               nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

/* Which brain, when the file does not say: the command that it names, else a model at Ollama, the
 * one that it names or the default. */
static void llm_provider(AgentReader *reader)
{
  AgentFile *out = reader->out;
  if (!out->llm_provider)
    out->llm_provider = g_strdup(out->llm_command ? "command" : "ollama");
  if (g_strcmp0(out->llm_provider, "command") == 0 && !out->llm_command)
    agent_wanted(reader, "llm.command", "a list of words, since provider is \"command\"");
  bool named = out->llm_model && out->llm_model[0];
  out->default_model = !named && g_str_equal(out->llm_provider, "ollama");
  if (out->default_model) {
    g_free(out->llm_model);
    out->llm_model = g_strdup(AGENT_DEFAULT_MODEL);
  }
  if (!named && g_str_equal(out->llm_provider, "openai"))
    agent_wanted(reader, "llm.model", "the name of a model, since provider is \"openai\"");
}

void agent_llm(AgentReader *reader, const json_t *llm)
{
  const char *known[G_N_ELEMENTS(llm_rows) + 4] = {"command", "port", "api_key"};
  for (size_t i = 0; i < G_N_ELEMENTS(llm_rows); i++) {
    known[i + 3] = llm_rows[i].key;
    if (json_object_get(llm, llm_rows[i].key))
      llm_row(reader, &llm_rows[i], llm);
  }
  if (llm && !json_is_object(llm)) {
    agent_wanted(reader, "llm", "a section");
    return;
  }
  llm_command(reader, llm);
  llm_check_provider(reader);
  llm_provider(reader);
  llm_base_url(reader, llm);
  llm_key(reader, llm);
  llm_tokens(reader);
  agent_ignored(reader, llm, "llm", known);
}

void agent_file_set_default(AgentFile *file, const char *model, const char *url, Problems *problems)
{
  if (file->default_model && model && model[0]) {
    g_free(file->llm_model);
    file->llm_model = g_strdup(model);
  }
  if (!file->default_url || !url || !url[0])
    return;
  const char *wrong = llm_url_problem(url);
  if (wrong)
    problems_add(problems, PROBLEM_ERROR, (SourcePos){"environment", 0, 0},
                 "'REEVE_MODEL_URL': wanted %s", wrong);
  g_free(file->base_url);
  file->base_url = g_strdup(url);
  llm_trim_url(file->base_url);
}
