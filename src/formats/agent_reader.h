#pragma once
/* Shared by the files that read agent files. */
#include "formats/agent_file.h"

#include <jansson.h>

typedef struct AgentReader {
  AgentFile *out;
  const char *file;
  Problems *problems;
  const char *text; /* of the file, for the places of problems */
} AgentReader;

/* "'@key': wanted @wanted", at the place of @key ("name" or "section.name") in the file. */
void agent_wanted(AgentReader *reader, const char *key, const char *wanted);
/* Member @key of @section into @out, when it is there; a problem when it is of another kind. */
void agent_text(AgentReader *reader, const json_t *section, const char *key, char **out);
void agent_texts(AgentReader *reader, const json_t *section, const char *key, GPtrArray *out);
/* 0 when it is absent or wrong. */
double agent_number(AgentReader *reader, const json_t *section, const char *key, double low,
                    double high);
/* Milliseconds of a number of seconds, or of a text as "500ms" or "2m"; 0 when it is absent or
 * wrong. */
int64_t agent_ms(AgentReader *reader, const json_t *section, const char *key, double low,
                 double high);
/* Warns about what a section has and this version does not know, with the nearest of @known
 * (NULL-terminated), and lists it. */
void agent_ignored(AgentReader *reader, const json_t *section, const char *name,
                   const char *const *known);

/* agent_llm.c: the section [llm], NULL = there is none. */
void agent_llm(AgentReader *reader, const json_t *llm);
void agent_llm_clear(AgentFile *file);

/* agent_limits.c: the sections [resources] and [deployment] of @root. */
void agent_limits(AgentReader *reader, const json_t *root);
