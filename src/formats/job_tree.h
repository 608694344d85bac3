#pragma once
/* The document of a job file between parser and rows: parsed within limits, one document, no
 * duplicate keys, aliases expanded within bounds. Used inside formats/ only. */
#include "base/problems.h"

#include <libfyaml.h>

typedef struct JobTree {
  const char *text; /* borrowed, @length bytes */
  size_t length;
  struct fy_diag *diag;
  struct fy_parser *parser;
  /* its root is a mapping, list or text; positions need parser and text alive */
  struct fy_document *document;
} JobTree;

/* Parses @length bytes; @text must outlive @tree. Appends every problem found at @file and returns
 * false with nothing to close when there is one. Limits: JOB_FILE_* of job_reader.h. */
bool job_tree_open(JobTree *tree, const char *text, size_t length, const char *file,
                   Problems *problems);
/* Frees what job_tree_open made; positions of its nodes are void. */
void job_tree_close(JobTree *tree);

/* Where @node stands: its first text, or the nearest thing around it that has a place
 * (tree_pos.c). */
SourcePos job_tree_pos(const char *file, struct fy_node *node);

/* What the parsed document @root must hold before aliases may be expanded: keys are texts and
 * unique, no NUL, few aliases that stand for little (tree_check.c). @aliases: how many there are.
 * Returns false after appending problems. */
bool job_tree_check(struct fy_document *document, const char *file, Problems *problems,
                    int *aliases);
/* Gives every mapping with a merge key the pairs that it merges; own keys win, then earlier
 * sources. Of a document that job_tree_check accepted, before its aliases are resolved
 * (tree_merge.c). Returns false after appending problems. */
bool job_tree_merge(struct fy_document *document, const char *file, Problems *problems);
