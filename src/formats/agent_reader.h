#pragma once
/* Shared by the files that read agent files: agent_reader.c reads one member by its kind, a file
 * for each section knows the members, agent_file.c goes through the sections. */
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
/* Text @key of @section into @out, when it is there; a problem when it is of another kind. Caller
 * frees. */
void agent_text(AgentReader *reader, const json_t *section, const char *key, char **out);
/* Adds the texts of the list @key of @section to @out (of char*), when it is there; a problem when
 * it, or an item, is of another kind. */
void agent_texts(AgentReader *reader, const json_t *section, const char *key, GPtrArray *out);
/* Number @key of @section, @low..@high; 0 when it is absent, or wrong, which is a problem. */
double agent_number(AgentReader *reader, const json_t *section, const char *key, double low,
                    double high);
/* Milliseconds of a number of seconds, or of a text as "500ms" or "2m", @low..@high seconds; 0 when
 * it is absent, or wrong, which is a problem. */
int64_t agent_ms(AgentReader *reader, const json_t *section, const char *key, double low,
                 double high);
/* Warns about what a section has and this version does not know, with the nearest of @known
 * (NULL-terminated), and lists it. */
void agent_ignored(AgentReader *reader, const json_t *section, const char *name,
                   const char *const *known);

/* agent_llm.c: the section [llm], NULL = there is none. */
void agent_llm(AgentReader *reader, const json_t *llm);
/* Frees what the section [llm] put into @file. */
void agent_llm_clear(AgentFile *file);

/* agent_limits.c: the sections [resources] and [deployment] of @root. */
void agent_limits(AgentReader *reader, const json_t *root);
