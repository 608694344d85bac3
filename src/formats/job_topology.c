/* The topology block of a job file: six types, references by agent id. */
#include "formats/reader.h"
#include "plan/plan.h"

#include <string.h>

static const char *const *topology_ids(const Reader *reader)
{
  const char **ids = g_new0(const char *, reader->job->agents->len + 1);
  for (guint i = 0; i < reader->job->agents->len; i++)
    ids[i] = job_agent(reader->job, i)->id;
  return ids;
}

/* Index of the agent that @node names, or -1 after an error with the nearest id. */
static int topology_agent(Reader *reader, struct fy_node *node, const char *path)
{
  g_autofree char *id = reader_text(reader, node, path, "the id of an agent");
  if (!id)
    return -1;
  int index = job_find_agent(reader->job, id);
  if (index >= 0)
    return index;
  const char *const *ids = topology_ids(reader);
  const char *nearest = problems_nearest(id, ids);
  if (nearest)
    reader_error(reader, node, "'%s': unknown agent '%s'; did you mean '%s'?", path, id, nearest);
  else
    reader_error(reader, node, "'%s': unknown agent '%s'", path, id);
  g_free((gpointer)(uintptr_t)ids);
  return -1;
}

/* Agents of an id or a list of ids, appended to @out. */
static void topology_members(Reader *reader, struct fy_node *node, const char *path, GArray *out)
{
  if (!fy_node_is_sequence(node)) {
    int index = topology_agent(reader, node, path);
    guint member = (guint)index;
    if (index >= 0)
      g_array_append_val(out, member);
    return;
  }
  void *iter = NULL;
  for (struct fy_node *item = fy_node_sequence_iterate(node, &iter); item; item = fy_node_sequence_iterate(node, &iter)) {
    int index = topology_agent(reader, item, path);
    guint member = (guint)index;
    for (guint i = 0; i < out->len && index >= 0 && out->len < 1000; i++)
      if (g_array_index(out, guint, i) == member) {
        reader_error(reader, item, "'%s': agent '%s' is there twice", path, job_agent(reader->job, member)->id);
        index = -1;
      }
    if (index >= 0)
      g_array_append_val(out, member);
  }
}

static struct fy_node *topology_get(Reader *reader, struct fy_node *node, const char *key, bool required)
{
  struct fy_node *value = fy_node_mapping_lookup_by_string(node, key, (size_t)-1);
  if (!value && required)
    reader_error(reader, node, "'topology.%s': missing", key);
  return value;
}

static void topology_group_of(Reader *reader, struct fy_node *node, const char *key, guint least)
{
  struct fy_node *value = topology_get(reader, node, key, true);
  g_autofree char *path = reader_join("topology", key);
  g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(guint));
  if (value) {
    int before = reader->problems->errors;
    topology_members(reader, value, path, members);
    if (members->len < least && reader->problems->errors == before)
      reader_error(reader, value, "'%s': wanted at least %u agents", path, least);
  }
  topology_add_group(&reader->job->topology, (const guint *)(void *)members->data, members->len);
}

static void topology_hub_of(Reader *reader, struct fy_node *node, const char *key)
{
  struct fy_node *value = topology_get(reader, node, key, true);
  g_autofree char *path = reader_join("topology", key);
  int index = value ? topology_agent(reader, value, path) : -1;
  reader->job->topology.hub = index;
}

static void read_hub_spoke(Reader *reader, struct fy_node *node)
{
  topology_hub_of(reader, node, "hub");
  topology_group_of(reader, node, "spokes", 1);
  const GArray *spokes = topology_group(&reader->job->topology, 0);
  for (guint i = 0; i < spokes->len; i++)
    if ((gint)g_array_index(spokes, guint, i) == reader->job->topology.hub)
      reader_error(reader, node, "'topology.spokes': the hub '%s' is among its spokes",
                   job_agent(reader->job, g_array_index(spokes, guint, i))->id);
}

static void topology_connect(Reader *reader, guint from, guint to)
{
  Connection edge = {.from = from, .to = to};
  g_array_append_val(reader->job->topology.connections, edge);
}

/* A {parent, children} map of a hierarchical tree. */
static void read_tree_level(Reader *reader, struct fy_node *level)
{
  struct fy_node *parent = fy_node_mapping_lookup_by_string(level, "parent", (size_t)-1);
  struct fy_node *children = fy_node_mapping_lookup_by_string(level, "children", (size_t)-1);
  reader->job->topology.is_tree = true;
  if (!parent || !children) {
    reader_error(reader, level, "'topology.levels': wanted both parent and children");
    return;
  }
  int from = topology_agent(reader, parent, "topology.levels.parent");
  g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(guint));
  topology_members(reader, children, "topology.levels.children", members);
  for (guint i = 0; i < members->len && from >= 0; i++)
    topology_connect(reader, (guint)from, g_array_index(members, guint, i));
}

/* A list of levels or stages, each an id or a list of ids. */
static void read_levels(Reader *reader, struct fy_node *node, const char *key)
{
  struct fy_node *list = topology_get(reader, node, key, true), *item;
  g_autofree char *path = reader_join("topology", key);
  void *iter = NULL;
  if (!list)
    return;
  if (!fy_node_is_sequence(list) || !fy_node_sequence_iterate(list, &iter)) {
    reader_error(reader, list, "'%s': wanted a list that is not empty", path);
    return;
  }
  iter = NULL;
  while ((item = fy_node_sequence_iterate(list, &iter))) {
    if (fy_node_is_mapping(item)) {
      read_tree_level(reader, item);
      continue;
    }
    g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(guint));
    int before = reader->problems->errors;
    topology_members(reader, item, path, members);
    if (members->len == 0 && reader->problems->errors == before)
      reader_error(reader, item, "'%s': an empty group", path);
    topology_add_group(&reader->job->topology, (const guint *)(void *)members->data, members->len);
  }
}

static void read_pipeline(Reader *reader, struct fy_node *node)
{
  read_levels(reader, node, "stages");
}

static void read_hierarchical(Reader *reader, struct fy_node *node)
{
  Topology *topology = &reader->job->topology;
  topology_hub_of(reader, node, "root");
  read_levels(reader, node, "levels");
  if (topology->is_tree && topology->groups->len)
    reader_error(reader, node, "'topology.levels': lists and {parent, children} cannot be mixed");
  for (guint g = 0; g < topology->groups->len; g++) {
    const GArray *group = topology_group(topology, g);
    for (guint i = 0; i < group->len; i++)
      if ((gint)g_array_index(group, guint, i) == topology->hub)
        reader_error(reader, node, "'topology.levels': the root '%s' is inside a level",
                     job_agent(reader->job, g_array_index(group, guint, i))->id);
  }
}

static void read_mesh(Reader *reader, struct fy_node *node)
{
  topology_group_of(reader, node, "agents", 2);
}

static void read_connection(Reader *reader, struct fy_node *item)
{
  struct fy_node *from = fy_node_mapping_lookup_by_string(item, "from", (size_t)-1);
  struct fy_node *to = fy_node_mapping_lookup_by_string(item, "to", (size_t)-1);
  static const char *const ignored[] = {"type", "condition"};
  for (size_t i = 0; i < G_N_ELEMENTS(ignored); i++) {
    struct fy_node *extra = fy_node_mapping_lookup_by_string(item, ignored[i], (size_t)-1);
    if (extra)
      reader_warn(reader, extra, "not honoured: 'topology.connections.%s' (agents talk as they like)", ignored[i]);
  }
  if (!from || !to) {
    reader_error(reader, item, "'topology.connections': wanted both from and to");
    return;
  }
  int source = topology_agent(reader, from, "topology.connections.from");
  g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(guint));
  topology_members(reader, to, "topology.connections.to", members);
  for (guint i = 0; i < members->len && source >= 0; i++)
    topology_connect(reader, (guint)source, g_array_index(members, guint, i));
}

static void read_dag(Reader *reader, struct fy_node *node)
{
  struct fy_node *list = topology_get(reader, node, "connections", true), *item;
  void *iter = NULL;
  if (!list)
    return;
  if (!fy_node_is_sequence(list)) {
    reader_error(reader, list, "'topology.connections': wanted a list of {from, to}");
    return;
  }
  while ((item = fy_node_sequence_iterate(list, &iter))) {
    if (fy_node_is_mapping(item))
      read_connection(reader, item);
    else
      reader_error(reader, item, "'topology.connections': wanted {from, to}");
  }
}

static void read_dynamic(Reader *reader, struct fy_node *node)
{
  (void)reader;
  (void)node;
}

/* Removes repeated edges, keeping the first of each. */
static void topology_unique(Topology *topology)
{
  g_autoptr(GHashTable) seen = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
  guint kept = 0;
  for (guint i = 0; i < topology->connections->len; i++) {
    Connection edge = g_array_index(topology->connections, Connection, i);
    gint64 *key = g_new(gint64, 1);
    *key = ((gint64)edge.from << 32) | edge.to;
    if (g_hash_table_add(seen, key))
      g_array_index(topology->connections, Connection, kept++) = edge;
  }
  g_array_set_size(topology->connections, kept);
}

static void topology_check_cycle(Reader *reader, struct fy_node *node)
{
  const Job *job = reader->job;
  g_autoptr(GArray) cycle = plan_find_cycle(job->agents->len, job->topology.connections);
  if (!cycle)
    return;
  GString *names = g_string_new(NULL);
  for (guint i = 0; i < cycle->len; i++)
    g_string_append_printf(names, "%s -> ", job_agent(job, g_array_index(cycle, guint, i))->id);
  g_string_append(names, job_agent(job, g_array_index(cycle, guint, 0))->id);
  reader_error(reader, node, "'topology': cycle: %s", names->str);
  g_string_free(names, TRUE);
}

/* Agents that the topology leaves out start all the same; say so. */
static void topology_check_left_out(Reader *reader, struct fy_node *node)
{
  const Topology *topology = &reader->job->topology;
  guint n = reader->job->agents->len;
  g_autofree bool *in = g_new0(bool, n ? n : 1);
  if (topology->hub >= 0)
    in[topology->hub] = true;
  for (guint g = 0; g < topology->groups->len; g++)
    for (guint i = 0; i < topology_group(topology, g)->len; i++)
      in[g_array_index(topology_group(topology, g), guint, i)] = true;
  for (guint i = 0; i < topology->connections->len; i++) {
    const Connection *edge = &g_array_index(topology->connections, Connection, i);
    in[edge->from] = in[edge->to] = true;
  }
  for (guint i = 0; i < n; i++)
    if (!in[i])
      reader_warn(reader, node, "agent '%s' is not in the topology; it is started without connections", job_agent(reader->job, i)->id);
}

static bool topology_known_key(const char *key)
{
  static const char *const keys[] = {"type", "hub", "spokes", "stages", "connections", "agents", "root", "levels", "strategy"};
  for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
    if (strcmp(key, keys[i]) == 0)
      return true;
  return false;
}

static void topology_check_keys(Reader *reader, struct fy_node *node)
{
  void *iter = NULL;
  for (struct fy_node_pair *pair = fy_node_mapping_iterate(node, &iter); pair; pair = fy_node_mapping_iterate(node, &iter)) {
    g_autofree char *key = reader_text(reader, fy_node_pair_key(pair), "topology", "a key");
    if (key && !topology_known_key(key))
      reader_warn(reader, fy_node_pair_key(pair), "unknown key '%s' in 'topology'; it is not honoured", key);
  }
}

void reader_topology(Reader *reader, struct fy_node *node)
{
  static void (*const readers[])(Reader *, struct fy_node *) = {
      [TOPOLOGY_HUB_SPOKE] = read_hub_spoke, [TOPOLOGY_PIPELINE] = read_pipeline,         [TOPOLOGY_DAG] = read_dag,
      [TOPOLOGY_MESH] = read_mesh,           [TOPOLOGY_HIERARCHICAL] = read_hierarchical, [TOPOLOGY_DYNAMIC] = read_dynamic};
  static const char *const words[] = {"hub-spoke", "pipeline", "dag", "mesh", "hierarchical", "dynamic", NULL};
  if (!node)
    return; /* dynamic */
  if (!fy_node_is_mapping(node)) {
    reader_error(reader, node, "'topology': wanted a mapping of keys");
    return;
  }
  topology_check_keys(reader, node);
  struct fy_node *type_node = topology_get(reader, node, "type", true);
  if (!type_node)
    return;
  int type = TOPOLOGY_DYNAMIC, before = reader->problems->errors;
  const Row row = {.key = "type", .words = words};
  row_enum(reader, &row, type_node, &type, "topology");
  if (reader->problems->errors != before)
    return;
  reader->job->topology.type = (TopologyType)type;
  reader->job->topology.pos = reader_pos(reader, node);
  readers[type](reader, node);
  topology_unique(&reader->job->topology);
  if (reader->problems->errors != before)
    return; /* references are broken: cycles and gaps would only repeat it */
  topology_check_cycle(reader, node);
  if (type != TOPOLOGY_DYNAMIC)
    topology_check_left_out(reader, node);
}
