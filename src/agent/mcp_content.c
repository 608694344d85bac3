/* Descriptions, schemas and results of MCP tools as text; see mcp_content.h. */
#include "agent/mcp_content.h"

#include <string.h>

static const char any_object[] = "{\"type\":\"object\",\"properties\":{}}";

char *mcp_cut(const char *text, size_t max)
{
  size_t n = strnlen(text, max + 1);
  if (n <= max)
    return g_strdup(text);
  while (max > 0 && ((unsigned char)text[max] & 0xc0) == 0x80)
    max--;
  return g_strndup(text, max);
}

char *mcp_description(const json_t *entry)
{
  const char *title =
      jget_str(entry, "title", jget_str(json_object_get(entry, "annotations"), "title", ""));
  const char *text = jget_str(entry, "description", "");
  return mcp_cut(text[0] ? text : title, MCP_DESCRIPTION_MAX);
}

char *mcp_schema(const json_t *schema)
{
  char *text = json_is_object(schema) ? json_dumps(schema, JSON_COMPACT) : NULL;
  char *copy = g_strdup(text && strlen(text) <= MCP_SCHEMA_MAX ? text : any_object);
  free(text);
  return copy;
}

/* ---- content ---- */

static size_t base64_bytes(const char *data)
{
  return strlen(data) / 4 * 3;
}

static void content_of_text(GString *out, const json_t *block)
{
  g_string_append(out, jget_str(block, "text", ""));
}

static void content_of_bytes(GString *out, const json_t *block)
{
  g_string_append_printf(out, "[%s, %s, about %zu bytes, not shown]", jget_str(block, "type", ""),
                         jget_str(block, "mimeType", "unknown type"),
                         base64_bytes(jget_str(block, "data", "")));
}

static void content_of_resource(GString *out, const json_t *block)
{
  const json_t *resource = json_object_get(block, "resource");
  const char *text = jget_str(resource, "text", NULL);
  g_string_append_printf(out, "[resource %s, %s", jget_str(resource, "uri", "without a name"),
                         jget_str(resource, "mimeType", "unknown type"));
  if (text)
    g_string_append_printf(out, "]\n%s", text);
  else
    g_string_append_printf(out, ", about %zu bytes, not shown]",
                           base64_bytes(jget_str(resource, "blob", "")));
}

static void content_of_link(GString *out, const json_t *block)
{
  g_string_append_printf(out, "[link to resource %s: %s]", jget_str(block, "uri", ""),
                         jget_str(block, "name", ""));
}

static void content_block(GString *out, const json_t *block)
{
  static const struct {
    const char *type;
    void (*write)(GString *out, const json_t *block);
  } rows[] = {{"text", content_of_text},
              {"image", content_of_bytes},
              {"audio", content_of_bytes},
              {"resource", content_of_resource},
              {"resource_link", content_of_link}};
  const char *type = jget_str(block, "type", "");
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    if (strcmp(type, rows[i].type) == 0) {
      rows[i].write(out, block);
      return;
    }
  }
  g_string_append(out, "[content of a kind that is not known here]");
}

char *mcp_content_text(const json_t *result)
{
  GString *out = g_string_new(NULL);
  const json_t *content = json_object_get(result, "content"),
               *structured = json_object_get(result, "structuredContent");
  size_t i;
  json_t *block;
  json_array_foreach((json_t *)(uintptr_t)content, i, block)
  {
    if (i > 0)
      g_string_append_c(out, '\n');
    content_block(out, block);
  }
  if (!json_array_size(content) && json_is_object(structured)) {
    char *text = json_dumps(structured, JSON_COMPACT);
    g_string_append(out, text);
    free(text);
  }
  return g_string_free(out, FALSE);
}
