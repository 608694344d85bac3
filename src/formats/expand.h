#pragma once
/* Variables in agent files, and where a key stands in one. Pure: values come through a callback. */
#include "formats/job_reader.h"

#include <stddef.h>

enum { EXPAND_BYTES_MAX = 4 * 1024 * 1024 };

/* @text (TOML or JSON, @length bytes) with ${NAME} and what else variables.h knows replaced by
 * their values inside quoted strings: there they are escaped, so that a value never changes the
 * structure. Comments, keys without quotes and TOML's 'literal' strings are left as they are, and
 * no line moves. In the sections mcp_servers and sub_agents $NAME is replaced, too, when @variable
 * knows it. A name in braces that @variable does not know is an error with its place. NULL when
 * there was one, or when the result is larger than EXPAND_BYTES_MAX. Caller frees. */
char *expand_text(const char *text, size_t length, const char *file_name, FormatVarFn variable,
                  void *data, Problems *problems);

/* True for a variable that Reeve itself sets for every agent (AGENT_PORT, AGENT_ID, JOB_ID, ...):
 * known, but not before the start. */
bool expand_is_given(const char *name);

/* Where @key of @section (NULL = the top) stands in @text, TOML or JSON: for messages about values.
 * 1:1 when it is not found. */
SourcePos expand_locate(const char *text, const char *file_name, const char *section,
                        const char *key);
