/* reeve doctor: one row for each thing that has to be right. */
#include "base/json.h"
#include "base/text.h"
#include "cli/api.h"
#include "drivers/cgroup.h"

#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { DOCTOR_FILES_MIN = 4096, DOCTOR_ROOM_MIN_MIB = 256, DOCTOR_INODES_MIN = 1000 };

/* What a check found. */
typedef struct Finding {
  const char *word; /* "ok", "warning", "problem" */
  char *text;       /* owned */
} Finding;

static Finding doctor_finding(const char *word, char *text)
{
  return (Finding){.word = word, .text = text};
}

static Finding doctor_server(const Cli *cli)
{
  if (!api_alive(cli))
    return doctor_finding(
        "warning",
        g_strdup_printf("no server answers on %s; 'reeve up' starts one", cli->paths.socket));
  return doctor_finding("ok", g_strdup_printf("answers on %s", cli->paths.socket));
}

static Finding doctor_store(const Cli *cli)
{
  json_t *health = api_get(cli, "/healthz", NULL);
  g_autofree char *store = g_strdup(jget_str(health, "store", NULL));
  json_decref(health);
  if (!store)
    return access(cli->paths.data_dir, F_OK) == 0 && access(cli->paths.data_dir, W_OK) != 0
               ? doctor_finding("problem",
                                g_strdup_printf("%s is not writable by you", cli->paths.data_dir))
               : doctor_finding("ok",
                                g_strdup_printf("%s (no server to ask)", cli->paths.data_dir));
  if (g_str_equal(store, "ok"))
    return doctor_finding("ok", g_strdup_printf("%s is written", cli->paths.data_dir));
  return doctor_finding(
      "problem",
      g_strdup_printf("store is %s: changes are refused until it can be written", store));
}

static Finding doctor_limits(const char *where, const char *unenforced)
{
  if (!unenforced[0])
    return doctor_finding(
        "ok", g_strdup_printf("%s: limits of memory, cpu and pids are enforced", where));
  g_auto(GStrv) words = g_strsplit(unenforced, " ", -1);
  g_autofree char *list = g_strjoinv(", ", words);
  const char *help =
      geteuid() == 0 ? "usual in a container; elsewhere" : "run the server as root, or";
  return doctor_finding(
      "warning",
      g_strdup_printf("%s: limits of %s are not enforced; %s in a unit with Delegate=yes and "
                      "DelegateSubgroup=reeve.self",
                      where, list, help));
}

/* What the nodes say of themselves; without a server, what this process would be able to do. */
static Finding doctor_cgroups(const Cli *cli)
{
  json_t *answer = api_get(cli, "/api/nodes", NULL);
  size_t i, k;
  const json_t *node, *word;
  g_autoptr(GString) missing = g_string_new(NULL), where = g_string_new(NULL);
  json_array_foreach(json_object_get(answer, "nodes"), i, node)
  {
    if (!jget_str(node, "cgroups", NULL))
      continue; /* of an older release, or never seen */
    g_string_append_printf(where, "%snode '%s' has %s", where->len ? "; " : "",
                           jget_str(node, "id", "?"), jget_str(node, "cgroups", ""));
    json_array_foreach(json_object_get(node, "unenforced"), k,
                       word) if (!strstr(missing->str, json_string_value(word)))
        g_string_append_printf(missing, "%s%s", missing->len ? " " : "", json_string_value(word));
  }
  json_decref(answer);
  g_autoptr(Cgroups) own = where->len ? NULL : cgroups_new(NULL, NULL);
  return own ? doctor_limits(cgroups_describe(own), cgroups_unenforced(own))
             : doctor_limits(where->str, missing->str);
}

/* Nodes that this server cannot use. */
static Finding doctor_nodes(const Cli *cli)
{
  json_t *answer = api_get(cli, "/api/nodes", NULL);
  size_t i;
  const json_t *node;
  g_autoptr(GString) wrong = g_string_new(NULL);
  json_array_foreach(json_object_get(answer, "nodes"), i, node)
  {
    const char *problem = jget_str(node, "problem", NULL);
    int64_t unknown = jget_int(node, "unknown_instances", 0);
    if (problem)
      g_string_append_printf(wrong, "%snode '%s': %s", wrong->len ? "; " : "",
                             jget_str(node, "id", "?"), problem);
    if (unknown)
      g_string_append_printf(wrong, "%snode '%s' holds %d instance%s that no record explains",
                             wrong->len ? "; " : "", jget_str(node, "id", "?"), (int)unknown,
                             text_plural(unknown));
  }
  g_autofree char *fine =
      answer ? g_strdup_printf("%zu known", json_array_size(json_object_get(answer, "nodes")))
             : g_strdup("no server to ask");
  json_decref(answer);
  return wrong->len ? doctor_finding("problem", g_strdup(wrong->str))
                    : doctor_finding("ok", g_steal_pointer(&fine));
}

static Finding doctor_python(const Cli *cli)
{
  g_autofree char *path = g_find_program_in_path("python3");
  return path ? doctor_finding("ok", g_steal_pointer(&path))
              : doctor_finding(
                    "warning",
                    g_strdup("python3 is not in PATH: agents given as a module cannot start"));
}

static Finding doctor_room(const Cli *cli)
{
  g_autofree char *path = g_strdup(cli->paths.data_dir);
  struct statvfs fs;
  while (statvfs(path, &fs) != 0 && strcmp(path, "/") != 0) {
    char *parent = g_path_get_dirname(path);
    g_free(path);
    path = parent;
  }
  guint64 mib = (guint64)fs.f_bavail * fs.f_frsize >> 20, files = fs.f_favail;
  bool counted = fs.f_files > 0; /* some file systems make inodes as they need them */
  if (counted && files < DOCTOR_INODES_MIN)
    return doctor_finding("problem",
                          g_strdup_printf("%" G_GUINT64_FORMAT " MiB, but only %" G_GUINT64_FORMAT
                                          " inodes free at %s: few more files can be made there",
                                          mib, files, path));
  return doctor_finding(mib >= DOCTOR_ROOM_MIN_MIB ? "ok" : "problem",
                        g_strdup_printf("%" G_GUINT64_FORMAT " MiB free at %s", mib, path));
}

static Finding doctor_files(const Cli *cli)
{
  struct rlimit limit = {0};
  getrlimit(RLIMIT_NOFILE, &limit);
  return doctor_finding(limit.rlim_max >= DOCTOR_FILES_MIN ? "ok" : "warning",
                        g_strdup_printf("%llu open files, at most %llu",
                                        (unsigned long long)limit.rlim_cur,
                                        (unsigned long long)limit.rlim_max));
}

/* What has the usual port when the server has not: tokens sent there reach somebody else. */
static Finding doctor_api(const Cli *cli)
{
  json_t *server = api_get(cli, "/api/server", NULL);
  g_autofree char *listen = g_strdup(jget_str(server, "listen", NULL)),
                  *note = g_strdup(jget_str(server, "listen_note", NULL));
  bool known = server != NULL;
  json_decref(server);
  if (note)
    return doctor_finding(
        "warning",
        g_strdup_printf(
            "not served over TCP: %s; what answers there is another program: send it no token",
            note));
  return doctor_finding(
      "ok", listen ? g_strdup_printf("served on %s", listen)
                   : g_strdup(known ? "served on the control socket only" : "no server to ask"));
}

/* Do agents run as a user of their own? Only root can give them one. */
static Finding doctor_agents(const Cli *cli)
{
  json_t *server = api_get(cli, "/api/server", NULL);
  g_autofree char *user = g_strdup(jget_str(server, "agents_user", NULL));
  bool known = server != NULL;
  json_decref(server);
  if (user)
    return doctor_finding("ok",
                          g_strdup_printf("run as '%s', who cannot read the server's files", user));
  if (known && geteuid() != 0)
    return doctor_finding(
        "ok",
        g_strdup(
            "run as the server's user and can read its files, its secrets too; a server of root can give them "
            "another: --agents-user NAME"));
  if (geteuid() != 0)
    return doctor_finding("ok", g_strdup("would run as you (no server to ask)"));
  return doctor_finding(
      "warning",
      g_strdup(
          "run as root unless their job names a 'user'; reeve server --agents-user NAME gives them another"));
}

/* Where agents of dynamic jobs find each other. */
static Finding doctor_registry(const Cli *cli)
{
  json_t *server = api_get(cli, "/api/server", NULL);
  const char *address = jget_str(server, "registry", NULL),
             *problem = jget_str(server, "registry_problem", NULL);
  Finding found =
      problem ? doctor_finding(
                    "problem",
                    g_strdup_printf(
                        "agents of dynamic jobs cannot find each other: %s; free that port, or "
                        "stop these jobs and bring them up again, which takes another one",
                        problem))
      : address
          ? doctor_finding("ok",
                           g_strdup_printf("agents of dynamic jobs find each other at %s", address))
          : doctor_finding("ok", g_strdup(server ? "no agent has needed it" : "no server to ask"));
  json_decref(server);
  return found;
}

static Finding doctor_shim(const Cli *cli)
{
  char *path = paths_shim();
  return path ? doctor_finding("ok", path)
              : doctor_finding("problem",
                               g_strdup("reeve-shim is not beside reeve: no agent can start"));
}

static const struct {
  const char *name;
  Finding (*check)(const Cli *cli);
} doctor_checks[] = {
    {"server", doctor_server},     {"store", doctor_store},     {"API", doctor_api},
    {"shim", doctor_shim},         {"nodes", doctor_nodes},     {"agents", doctor_agents},
    {"registry", doctor_registry}, {"cgroups", doctor_cgroups}, {"python3", doctor_python},
    {"disk space", doctor_room},   {"open files", doctor_files}};

int cmd_doctor(Cli *cli, GError **error)
{
  g_autoptr(Table) table = table_new((const char *const[]){"CHECK", "RESULT", "FOUND", NULL});
  json_t *list = json_array();
  bool well = true;
  for (guint i = 0; i < G_N_ELEMENTS(doctor_checks); i++) {
    Finding found = doctor_checks[i].check(cli);
    table_cell(table, doctor_checks[i].name);
    table_cell(table, found.word);
    table_color(table, cli_state_color(found.word));
    table_cell(table, found.text);
    json_array_append_new(list, json_pack("{s:s,s:s,s:s}", "check", doctor_checks[i].name, "result",
                                          found.word, "found", found.text));
    well = well && !g_str_equal(found.word, "problem");
    g_free(found.text);
  }
  json_t *value = json_pack("{s:b,s:o}", "well", well, "checks", list);
  if (cli_is_data(cli))
    cli_print_data(cli, value);
  else
    cli_print_table(cli, table);
  json_decref(value);
  return well ? 0 : 1;
}
