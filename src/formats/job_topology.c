/* The topology block of a job file: six types, references by agent id. */
#include "formats/reader.h"
#include "plan/plan.h"

#include <stddef.h>
#include <string.h>

static const char *const hub_types[] = {"hub-spoke", NULL},
                         *const pipeline_types[] = {"pipeline", NULL},
                         *const dag_types[] = {"dag", NULL}, *const mesh_types[] = {"mesh", NULL},
                         *const tree_types[] = {"hierarchical", NULL};
static const char *const type_words[] = {"hub-spoke",    "pipeline", "dag", "mesh",
                                         "hierarchical", "dynamic",  NULL};

/* The values of the block, as found. */
typedef struct TopologyBlock {
  struct fy_node *type, *hub, *spokes, *stages, *connections, *agents, *root, *levels, *strategy;
} TopologyBlock;

typedef struct TopologyReader {
  Reader *reader;
  struct fy_node *node; /* the block itself */
  TopologyBlock block;
  guint *marks; /* per agent: the last list that named it */
  guint list;   /* number of the list being read, from 1 */
} TopologyReader;

static void row_node(Reader *reader, const Row *row, struct fy_node *value, void *base,
                     const char *path)
{
  (void)reader;
  (void)path;
  *(struct fy_node **)(void *)((char *)base + row->offset) = value;
}

#define KEY(name, types, what, text)                                                         \
  {                                                                                          \
    .key = #name, .read = row_node, .offset = offsetof(TopologyBlock, name), .words = types, \
    .type = what, .help = text                                                               \
  }

/* words: the only types that have the key; NULL = all. */
const Row topology_rows[] = {
    KEY(type, NULL, "hub-spoke, pipeline, dag, mesh, hierarchical, dynamic",
        "required; without a topology block it is dynamic"),
    KEY(hub, hub_types, "agent id", "hub-spoke: the agent that is given the URLs of all spokes"),
    KEY(spokes, hub_types, "list of ids", "hub-spoke: started before the hub"),
    KEY(stages, pipeline_types, "list of ids or lists of ids",
        "pipeline: each stage is given the URLs of the next"),
    KEY(connections, dag_types, "list of {from, to}",
        "dag: `from` is given the URL of `to`, an id or a list of ids"),
    KEY(agents, mesh_types, "list of ids",
        "mesh: each is given the URLs of all others; at least two"),
    KEY(root, tree_types, "agent id", "hierarchical: the agent at the top"),
    KEY(levels, tree_types, "list of lists, or of {parent, children}",
        "hierarchical: each level is given the URLs of the next; with parent and children, a parent those of its children"),
    KEY(strategy, NULL, "text", "accepted and without effect: a topology has one order"),
    {.key = NULL}};

typedef struct ConnectionBlock {
  struct fy_node *from, *to, *parent, *children;
} ConnectionBlock;

static const Row connection_rows[] = {
    {.key = "from", .read = row_node, .offset = offsetof(ConnectionBlock, from)},
    {.key = "to", .read = row_node, .offset = offsetof(ConnectionBlock, to)},
    {.key = "type", .read = row_ignored, .help = "agents talk as they like"},
    {.key = "condition", .read = row_ignored, .help = "agents talk as they like"},
    {.key = NULL}};

static const Row level_rows[] = {
    {.key = "parent", .read = row_node, .offset = offsetof(ConnectionBlock, parent)},
    {.key = "children", .read = row_node, .offset = offsetof(ConnectionBlock, children)},
    {.key = NULL}};

/* Index of the agent that @node names, or -1 after an error with the nearest id. */
static int topology_agent(Reader *reader, struct fy_node *node, const char *path)
{
  g_autofree char *id = reader_text(reader, node, path, NULL, "the id of an agent");
  if (!id)
    return -1;
  int index = job_find_agent(reader->job, id);
  if (index < 0)
    reader_unknown_agent(reader, reader_pos(reader, node), path, id);
  return index;
}

static void topology_member(TopologyReader *it, struct fy_node *node, const char *path, GArray *out)
{
  int index = topology_agent(it->reader, node, path);
  if (index < 0)
    return;
  guint member = (guint)index;
  if (it->marks[member] == it->list) {
    reader_error(it->reader, node, "'%s': agent '%s' is named twice", path,
                 job_agent(it->reader->job, member)->id);
    return;
  }
  it->marks[member] = it->list;
  g_array_append_val(out, member);
}

/* Agents of an id or a list of ids, appended to @out. */
static void topology_members(TopologyReader *it, struct fy_node *node, const char *path,
                             GArray *out)
{
  if (!fy_node_is_sequence(node)) {
    topology_member(it, node, path, out);
    return;
  }
  void *iter = NULL;
  struct fy_node *item = fy_node_sequence_iterate(node, &iter);
  if (!item)
    reader_error(it->reader, node, "'%s': the list is empty", path);
  for (; item; item = fy_node_sequence_iterate(node, &iter))
    topology_member(it, item, path, out);
}

/* @value, or NULL after an error that the type needs @key. */
static struct fy_node *topology_need(TopologyReader *it, struct fy_node *value, const char *key)
{
  if (!value)
    reader_error(it->reader, it->node, "'topology.%s': missing", key);
  return value;
}

static void topology_group_of(TopologyReader *it, struct fy_node *value, const char *key,
                              guint least)
{
  g_autofree char *path = reader_join("topology", key);
  g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(guint));
  int before = it->reader->problems->errors;
  if (topology_need(it, value, key))
    topology_members(it, value, path, members);
  if (members->len < least && it->reader->problems->errors == before)
    reader_error(it->reader, value, "'%s': wanted at least %u agents", path, least);
  topology_add_group(&it->reader->job->topology, (const guint *)(void *)members->data,
                     members->len);
}

static void topology_hub_of(TopologyReader *it, struct fy_node *value, const char *key)
{
  g_autofree char *path = reader_join("topology", key);
  it->reader->job->topology.hub =
      topology_need(it, value, key) ? topology_agent(it->reader, value, path) : -1;
}

static void read_hub_spoke(TopologyReader *it)
{
  const Topology *topology = &it->reader->job->topology;
  topology_hub_of(it, it->block.hub, "hub");
  topology_group_of(it, it->block.spokes, "spokes", 1);
  const GArray *spokes = topology_group(topology, 0);
  for (guint i = 0; i < spokes->len; i++)
    if ((gint)g_array_index(spokes, guint, i) == topology->hub)
      reader_error(it->reader, it->block.spokes,
                   "'topology.spokes': the hub '%s' is among its spokes",
                   job_agent(it->reader->job, (guint)topology->hub)->id);
}

/* Edges from @source to each of @targets, an id or a list. */
static void topology_connect(TopologyReader *it, int source, struct fy_node *targets,
                             const char *path)
{
  g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(guint));
  topology_members(it, targets, path, members);
  for (guint i = 0; i < members->len && source >= 0; i++) {
    Connection edge = {.from = (guint)source, .to = g_array_index(members, guint, i)};
    g_array_append_val(it->reader->job->topology.connections, edge);
  }
}

/* A {parent, children} map of a hierarchical tree. */
static void read_tree_level(TopologyReader *it, struct fy_node *level)
{
  ConnectionBlock block = {0};
  it->reader->job->topology.is_tree = true;
  reader_mapping(it->reader, level, level_rows, &block, "topology.levels");
  if (block.parent && block.children)
    topology_connect(it, topology_agent(it->reader, block.parent, "topology.levels.parent"),
                     block.children, "topology.levels.children");
  else
    reader_error(it->reader, level, "'topology.levels': wanted both parent and children");
}

/* A list of levels or stages, each an id or a list of ids. */
static void read_levels(TopologyReader *it, struct fy_node *list, const char *key)
{
  g_autofree char *path = reader_join("topology", key);
  void *iter = NULL;
  if (!topology_need(it, list, key))
    return;
  struct fy_node *item = fy_node_is_sequence(list) ? fy_node_sequence_iterate(list, &iter) : NULL;
  if (!item)
    reader_error(it->reader, list, "'%s': wanted a list that is not empty", path);
  for (; item; item = fy_node_sequence_iterate(list, &iter)) {
    if (fy_node_is_mapping(item) && list == it->block.levels) {
      read_tree_level(it, item);
      continue;
    }
    g_autoptr(GArray) members = g_array_new(FALSE, FALSE, sizeof(guint));
    topology_members(it, item, path, members);
    topology_add_group(&it->reader->job->topology, (const guint *)(void *)members->data,
                       members->len);
  }
}

static void read_pipeline(TopologyReader *it)
{
  read_levels(it, it->block.stages, "stages");
}

/* Every parent of a tree is the root or somebody's child; children were seen at most once, so the
 * rest is a tree or a cycle. */
static void topology_check_tree(TopologyReader *it)
{
  const Topology *topology = &it->reader->job->topology;
  for (guint i = 0; i < topology->connections->len; i++) {
    guint parent = g_array_index(topology->connections, Connection, i).from;
    if ((gint)parent == topology->hub || it->marks[parent] == it->list)
      continue;
    reader_error(it->reader, it->block.levels,
                 "'topology.levels': parent '%s' is not below the root",
                 job_agent(it->reader->job, parent)->id);
    it->marks[parent] = it->list; /* said once */
  }
}

static void read_hierarchical(TopologyReader *it)
{
  const Topology *topology = &it->reader->job->topology;
  topology_hub_of(it, it->block.root, "root");
  read_levels(it, it->block.levels, "levels");
  if (topology->is_tree && topology->groups->len)
    reader_error(it->reader, it->block.levels,
                 "'topology.levels': lists and {parent, children} cannot be mixed");
  else if (topology->is_tree)
    topology_check_tree(it);
  if (topology->hub >= 0 && it->marks[topology->hub] == it->list)
    reader_error(it->reader, it->block.levels, "'topology.levels': the root '%s' is inside a level",
                 job_agent(it->reader->job, (guint)topology->hub)->id);
}

static void read_mesh(TopologyReader *it)
{
  topology_group_of(it, it->block.agents, "agents", 2);
}

static void read_connection(TopologyReader *it, struct fy_node *item)
{
  ConnectionBlock block = {0};
  reader_mapping(it->reader, item, connection_rows, &block, "topology.connections");
  it->list++;
  if (block.from && block.to)
    topology_connect(it, topology_agent(it->reader, block.from, "topology.connections.from"),
                     block.to, "topology.connections.to");
  else
    reader_error(it->reader, item, "'topology.connections': wanted both from and to");
}

static void read_dag(TopologyReader *it)
{
  struct fy_node *list = topology_need(it, it->block.connections, "connections");
  void *iter = NULL;
  if (!list)
    return;
  if (!fy_node_is_sequence(list))
    reader_error(it->reader, list, "'topology.connections': wanted a list of {from, to}");
  for (struct fy_node *item = fy_node_sequence_iterate(list, &iter); item;
       item = fy_node_sequence_iterate(list, &iter)) {
    if (fy_node_is_mapping(item))
      read_connection(it, item);
    else
      reader_error(it->reader, item, "'topology.connections': wanted {from, to}");
  }
}

static void read_dynamic(TopologyReader *it)
{
  (void)it;
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
    /* what runs at its times is nobody's neighbour */
    if (!in[i] && !job_agent(reader->job, i)->schedule.set)
      reader_warn(reader, node,
                  "agent '%s' is not in the topology; it is started without connections",
                  job_agent(reader->job, i)->id);
}

/* Keys of other types have no meaning here; say so. */
static void topology_check_unused(TopologyReader *it, const char *type)
{
  for (const Row *row = topology_rows; row->key; row++) {
    struct fy_node *value = *(struct fy_node **)(void *)((char *)&it->block + row->offset);
    if (value && row->words && !g_strv_contains(row->words, type))
      reader_warn(it->reader, value,
                  "'topology.%s' has no meaning with type '%s'; it is not honoured", row->key,
                  type);
  }
}

static void topology_read(TopologyReader *it)
{
  static void (*const readers[])(TopologyReader *) = {[TOPOLOGY_HUB_SPOKE] = read_hub_spoke,
                                                      [TOPOLOGY_PIPELINE] = read_pipeline,
                                                      [TOPOLOGY_DAG] = read_dag,
                                                      [TOPOLOGY_MESH] = read_mesh,
                                                      [TOPOLOGY_HIERARCHICAL] = read_hierarchical,
                                                      [TOPOLOGY_DYNAMIC] = read_dynamic};
  Reader *reader = it->reader;
  int type = TOPOLOGY_DYNAMIC, before = reader->problems->errors;
  const Row row = {.key = "type", .words = type_words};
  row_enum(reader, &row, it->block.type, &type, "topology");
  if (reader->problems->errors != before)
    return;
  reader->job->topology.type = (TopologyType)type;
  reader->job->topology.pos = reader_pos(reader, it->node);
  topology_check_unused(it, type_words[type]);
  readers[type](it);
  topology_unique(&reader->job->topology);
  if (reader->problems->errors != before)
    return; /* references are broken: cycles and gaps would only repeat it */
  topology_check_cycle(reader, it->node);
  if (type != TOPOLOGY_DYNAMIC)
    topology_check_left_out(reader, it->node);
}

void reader_topology(Reader *reader, struct fy_node *node)
{
  if (!node)
    return; /* dynamic */
  g_autofree guint *marks = g_new0(guint, reader->job->agents->len + 1);
  TopologyReader it = {.reader = reader, .node = node, .marks = marks, .list = 1};
  int before = reader->problems->errors;
  reader_mapping(reader, node, topology_rows, &it.block, "topology");
  if (reader->problems->errors == before && topology_need(&it, it.block.type, "type"))
    topology_read(&it);
}
