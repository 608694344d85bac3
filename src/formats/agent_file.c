/* Reads agent.toml and agent.json; see agent_file.h. */
#include "formats/agent_reader.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "formats/expand.h"
#include "formats/toml_shim.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AGENT_FILE_BYTES_MAX = 1024 * 1024 };

void agent_file_free(AgentFile *file)
{
  if (!file)
    return;
  char *texts[] = {
      file->name,           file->version,         file->description,      file->author,
      file->server_key_env, file->server_key_file, file->server_public_url};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    g_free(texts[i]);
  agent_llm_clear(file);
  g_ptr_array_unref(file->capabilities);
  g_ptr_array_unref(file->server_names);
  g_ptr_array_unref(file->server_origins);
  g_ptr_array_unref(file->not_honoured);
  agent_tools_free(file->tools);
  g_free(file);
}

static void agent_bad(AgentReader *reader, int line, int column, const char *what)
{
  problems_add(reader->problems, PROBLEM_ERROR, (SourcePos){reader->file, line, column}, "%s",
               what);
}

/* http(s)://AUTHORITY with letters, digits and what stands in names, addresses and ports; @path:
 * one may follow. */
static bool url_is_plain(const char *text, bool path)
{
  static const char authority[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:[]";
  const char *rest = g_str_has_prefix(text, "http://")    ? text + 7
                     : g_str_has_prefix(text, "https://") ? text + 8
                                                          : "";
  size_t n = strspn(rest, authority);
  return n > 0 && (rest[n] == '\0' || (path && rest[n] == '/' && !strpbrk(rest + n, "?# \"\\")));
}

static bool text_is_host(const char *text)
{
  return text[0] && !strpbrk(text, "/:@ \t");
}

/* [server]: who may come in, and under which name. */
static void agent_server_access(AgentReader *reader, const json_t *server)
{
  static const char *const words[] = {
      [AGENT_AUTH_DEFAULT] = "loopback", [AGENT_AUTH_KEY] = "key", [AGENT_AUTH_NONE] = "none"};
  AgentFile *out = reader->out;
  g_autofree char *auth = NULL;
  agent_text(reader, server, "auth", &auth);
  guint word = 0;
  while (auth && word < G_N_ELEMENTS(words) && !g_str_equal(auth, words[word]))
    word++;
  if (word == G_N_ELEMENTS(words))
    agent_wanted(reader, "server.auth", "loopback (a key from elsewhere only), key or none");
  else
    out->server_auth = (AgentAuth)word;
  if (out->server_auth == AGENT_AUTH_NONE && (out->server_key_env || out->server_key_file))
    agent_wanted(reader, "server.auth", "key, since the file names a key; or no key beside none");
  agent_text(reader, server, "public_url", &out->server_public_url);
  if (out->server_public_url && !url_is_plain(out->server_public_url, true))
    agent_wanted(reader, "server.public_url", "http(s)://HOST[:PORT][/PATH]");
  while (out->server_public_url && g_str_has_suffix(out->server_public_url, "/"))
    out->server_public_url[strlen(out->server_public_url) - 1] = '\0';
  agent_texts(reader, server, "host_names", out->server_names);
  for (guint i = 0; i < out->server_names->len; i++)
    if (!text_is_host(out->server_names->pdata[i]))
      agent_wanted(reader, "server.host_names",
                   "a list of names of hosts, without scheme and port");
  agent_texts(reader, server, "allowed_origins", out->server_origins);
  for (guint i = 0; i < out->server_origins->len; i++) {
    g_autofree char *lower = g_ascii_strdown(out->server_origins->pdata[i], -1);
    if (!url_is_plain(out->server_origins->pdata[i], false) ||
        !g_str_equal(lower, out->server_origins->pdata[i]))
      agent_wanted(reader, "server.allowed_origins",
                   "a list of http(s)://HOST[:PORT], each without a path and in small letters");
  }
}

/* [server]: where the key of the doors is; never the key itself. */
static void agent_server(AgentReader *reader, const json_t *server)
{
  static const char *const known[] = {"api_key_env", "api_key_file",    "auth", "public_url",
                                      "host_names",  "allowed_origins", NULL};
  AgentFile *out = reader->out;
  agent_text(reader, server, "api_key_env", &out->server_key_env);
  agent_text(reader, server, "api_key_file", &out->server_key_file);
  if (out->server_key_env && out->server_key_file)
    agent_wanted(reader, "server", "api_key_env or api_key_file, not both");
  if (json_object_get(server, "api_key"))
    agent_wanted(
        reader, "server.api_key",
        "no key in the file itself: name an environment variable with api_key_env or a file with api_key_file");
  agent_server_access(reader, server);
  agent_ignored(reader, server, "server", known);
}

static void agent_sections(AgentReader *reader, const json_t *root)
{
  static const char *const agent_known[] = {"name",    "version",      "description", "author",
                                            "license", "capabilities", NULL};
  static const char *const sections[] = {
      "agent", "llm",     "resources",   "deployment", "server",       "mcp_servers", "sub_agents",
      "name",  "version", "description", "author",     "capabilities", "license",     NULL};
  AgentFile *out = reader->out;
  const json_t *nested = json_object_get(root, "agent"), *llm = json_object_get(root, "llm");
  const json_t *agent = json_is_object(nested) ? nested : root;
  agent_text(reader, agent, "name", &out->name);
  agent_text(reader, agent, "version", &out->version);
  agent_text(reader, agent, "description", &out->description);
  agent_text(reader, agent, "author", &out->author);
  agent_texts(reader, agent, "capabilities", out->capabilities);
  if (!out->name)
    agent_wanted(reader, "agent.name", "the agent's name");
  if (agent == nested)
    agent_ignored(reader, nested, "agent", agent_known);
  agent_llm(reader, llm);
  agent_server(reader, json_object_get(root, "server"));
  agent_limits(reader, root);
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)(uintptr_t)root, key, value)
  {
    if (g_strv_contains(sections, key))
      continue;
    const char *nearest = problems_nearest(key, sections);
    g_ptr_array_add(out->not_honoured, g_strdup(key));
    problems_add(
        reader->problems, PROBLEM_WARNING,
        expand_locate(reader->text, reader->file, json_is_object(value) ? key : NULL, key),
        "not honoured: '%s' (the agent server does not act on this part of the agent file)%s%s%s",
        key, nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
  }
}

/* The document as JSON, whatever it was written in; NULL after a problem. */
static json_t *agent_parse(AgentReader *reader, const char *text, size_t length)
{
  const char *begin = text_behind_bom(text);
  g_autoptr(GError) error = NULL;
  if (begin[strspn(begin, " \t\r\n")] == '{') {
    json_t *root = json_parse(begin, length - (size_t)(begin - text), &error);
    if (!root)
      agent_bad(reader, 0, 0, error->message); /* the message names line and column */
    return root;
  }
  int line = 0, column = 0;
  char *message = NULL, *json = toml_to_json(text, length, &line, &column, &message);
  if (!json) {
    agent_bad(reader, line, column, message);
    free(message);
    return NULL;
  }
  json_t *root = json_parse(json, strlen(json), &error);
  free(json);
  if (!root)
    agent_bad(reader, 0, 0, error->message);
  return root;
}

AgentFile *agent_file_read(const char *text, size_t length, const char *file_name,
                           Problems *problems)
{
  AgentReader reader = {
      .out = g_new0(AgentFile, 1), .file = file_name, .problems = problems, .text = text};
  reader.out->temperature = reader.out->top_p = (double)NAN;
  reader.out->capabilities = g_ptr_array_new_with_free_func(g_free);
  reader.out->not_honoured = g_ptr_array_new_with_free_func(g_free);
  reader.out->server_names = g_ptr_array_new_with_free_func(g_free);
  reader.out->server_origins = g_ptr_array_new_with_free_func(g_free);
  int before = problems->errors;
  json_t *root = NULL;
  if (length > AGENT_FILE_BYTES_MAX || memchr(text, '\0', length) ||
      !g_utf8_validate(text, (gssize)length, NULL))
    agent_bad(&reader, 0, 0,
              length > AGENT_FILE_BYTES_MAX ? "file is larger than 1 MiB"
                                            : "not a UTF-8 text file");
  else
    root = agent_parse(&reader, text, length);
  if (root)
    agent_sections(&reader, root);
  reader.out->tools = agent_tools_read(root, &(AgentSource){file_name, text, length}, problems);
  json_decref(root);
  if (problems->errors == before)
    return reader.out;
  agent_file_free(reader.out);
  return NULL;
}
