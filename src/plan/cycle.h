#pragma once
/* Edges sorted by their source, for the walks of this room. */
#include "model/job.h"

/* The edges of vertex v are targets[offsets[v]] .. targets[offsets[v + 1] - 1], in the order in
 * which they were given. */
typedef struct Adjacency {
  guint n;
  guint *offsets; /* n + 1 */
  guint *targets;
} Adjacency;

/* Sorts @edges (of Connection, all below @n) into @adjacency. Linear. */
void adjacency_init(Adjacency *adjacency, guint n, const GArray *edges);
void adjacency_done(Adjacency *adjacency);
