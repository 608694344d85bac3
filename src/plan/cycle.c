/* Owns the search for a cycle in a directed graph, so that a refusal can name it in order.
 * Depth-first with a stack of its own: a chain of 100,000 agents must not depend on the size of the
 * C stack. */
#include "plan/cycle.h"

#include "plan/plan.h"

/* A counting sort by source: count each one's edges, sum the counts to where its part ends, then
 * put every edge, the last one first, before the others of its part: so each offset walks down to
 * the beginning of its part, and is right in the end. Edges of one source keep their order. */
void adjacency_init(Adjacency *adjacency, guint n, const GArray *edges)
{
  guint *offsets = g_new0(guint, (gsize)n + 1), *targets = g_new(guint, MAX(edges->len, 1));
  for (guint i = 0; i < edges->len; i++) {
    const Connection *edge = &g_array_index(edges, Connection, i);
    g_assert(edge->from < n && edge->to < n);
    offsets[edge->from]++;
  }
  for (guint i = 0; i < n; i++)
    offsets[i + 1] += offsets[i];
  for (guint i = edges->len; i > 0; i--) {
    const Connection *edge = &g_array_index(edges, Connection, i - 1);
    targets[--offsets[edge->from]] = edge->to;
  }
  *adjacency = (Adjacency){.n = n, .offsets = offsets, .targets = targets};
}

void adjacency_done(Adjacency *adjacency)
{
  g_clear_pointer(&adjacency->offsets, g_free);
  g_clear_pointer(&adjacency->targets, g_free);
}

/* Vertices on the way from the start to here are OPEN; an edge to one of them closes a cycle. */
typedef enum VertexMark { VERTEX_NEW, VERTEX_OPEN, VERTEX_CLOSED } VertexMark;

typedef struct CycleSearch {
  Adjacency adjacency;
  guint8 *marks;
  guint *next; /* per vertex: the next edge to look at */
  /* of guint: the way from a root to where the search stands. Invariant: exactly these are OPEN.
   * What is CLOSED reaches no cycle, so no vertex is entered and no edge looked at twice. */
  GArray *path;
} CycleSearch;

/* The part of the path from @vertex on, turned so that the vertex declared first leads. */
static GArray *cycle_take(const GArray *path, guint vertex)
{
  guint start = path->len;
  while (g_array_index(path, guint, start - 1) != vertex)
    start--;
  start--;
  guint length = path->len - start, lead = 0;
  for (guint i = 1; i < length; i++)
    if (g_array_index(path, guint, start + i) < g_array_index(path, guint, start + lead))
      lead = i;
  GArray *cycle = g_array_sized_new(FALSE, FALSE, sizeof(guint), length);
  for (guint i = 0; i < length; i++)
    g_array_append_val(cycle, g_array_index(path, guint, start + (lead + i) % length));
  return cycle;
}

static void cycle_enter(CycleSearch *search, guint vertex)
{
  search->marks[vertex] = VERTEX_OPEN;
  search->next[vertex] = search->adjacency.offsets[vertex];
  g_array_append_val(search->path, vertex);
}

/* Walks everything reachable from @root that was not walked before; the first cycle met, or NULL.
 */
static GArray *cycle_walk(CycleSearch *search, guint root)
{
  cycle_enter(search, root);
  while (search->path->len) {
    guint vertex = g_array_index(search->path, guint, search->path->len - 1);
    if (search->next[vertex] == search->adjacency.offsets[vertex + 1]) {
      search->marks[vertex] = VERTEX_CLOSED;
      g_array_set_size(search->path, search->path->len - 1);
      continue;
    }
    guint target = search->adjacency.targets[search->next[vertex]++];
    if (search->marks[target] == VERTEX_OPEN)
      return cycle_take(search->path, target);
    if (search->marks[target] == VERTEX_NEW)
      cycle_enter(search, target);
  }
  return NULL;
}

/* Roots in the order of declaration, so the cycle that is told is the same for the same file. */
GArray *plan_find_cycle(guint n, const GArray *edges)
{
  g_autofree guint8 *marks = g_new0(guint8, MAX(n, 1));
  g_autofree guint *next = g_new0(guint, MAX(n, 1));
  g_autoptr(GArray) path = g_array_new(FALSE, FALSE, sizeof(guint));
  CycleSearch search = {.marks = marks, .next = next, .path = path};
  adjacency_init(&search.adjacency, n, edges);
  GArray *cycle = NULL;
  for (guint i = 0; i < n && !cycle; i++)
    if (marks[i] == VERTEX_NEW)
      cycle = cycle_walk(&search, i);
  adjacency_done(&search.adjacency);
  return cycle;
}
