#pragma once
/* What an MCP server says about its tools and as their results, as text for a model. Pure; bounded.
 */
#include "base/json.h"

enum { MCP_NAME_MAX = 128, MCP_DESCRIPTION_MAX = 4096, MCP_SCHEMA_MAX = 64 * 1024 };

/* Description of the tool @entry, or its title, or ""; cut after MCP_DESCRIPTION_MAX. Caller frees.
 */
char *mcp_description(const json_t *entry);
/* @schema as JSON text when it is an object of reasonable size, else the schema of any object.
 * Caller frees. */
char *mcp_schema(const json_t *schema);
/* The content of the result of a call: texts as they are, images, sound and resources told in a
 * line each; the structured content when there is nothing else. Caller frees. */
char *mcp_content_text(const json_t *result);
/* @text cut at a character so that it has at most @max bytes. Caller frees. */
char *mcp_cut(const char *text, size_t max);
