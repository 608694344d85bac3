/* Owns what can be known about a job on the caller's side before anything starts: commands,
 * directories, users, key files, and whether modules can be imported - asked of one python3 for all
 * of them, which imports nothing itself. */
#include "base/error.h"
#include "base/fs.h"
#include "cli/job_file.h"
#include "drivers/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PREFLIGHT_PYTHON_MS = 20000, PREFLIGHT_ANSWER_MAX = 4 * 1024 * 1024 };

/* argv: quadruples of import roots (joined by ':'), where that is (for people), module, class ("" =
 * none). One line each: "ok", or "error TEXT", or "warning TEXT". Packages on the way are found by
 * their path and never executed, as find_spec would do. */
static const char preflight_program[] =
    "import ast, importlib.machinery as m, sys\n"
    "def look(roots, places, module, cls):\n"
    "    path, spec, done = roots.split(':') + sys.path, None, []\n"
    "    for part in module.split('.'):\n"
    "        done.append(part)\n"
    "        if path is None: return 'error', \"module '%s': '%s' is no package\" % (module, '.'.join(done[:-1]))\n"
    "        spec = m.PathFinder.find_spec('.'.join(done), path)\n"
    "        if spec is None: return 'error', \"no module '%s' in %s, nor in python's sys.path\" % (module, places)\n"
    "        path = spec.submodule_search_locations\n"
    "    if path is not None:\n"
    "        spec = m.PathFinder.find_spec(module + '.__main__', path)\n"
    "        if spec is None: return 'error', \"module '%s' is a package without __main__\" % module\n"
    "    if not cls: return 'ok', ''\n"
    "    if not spec.origin or not spec.origin.endswith('.py'): return 'warning', \"module '%s': no source to look for class '%s'\" % "
    "(module, cls)\n"
    "    tree = ast.parse(open(spec.origin, 'rb').read(), spec.origin)\n"
    "    names = [n.name for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]\n"
    "    names += [a.asname or a.name for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names]\n"
    "    if cls in names: return 'ok', ''\n"
    "    if '*' in names: return 'warning', \"module '%s': class '%s' may come from an import of *\" % (module, cls)\n"
    "    return 'error', \"module '%s' has no class '%s'\" % (module, cls)\n"
    "for i in range(1, len(sys.argv), 4):\n"
    "    try: kind, text = look(*sys.argv[i:i + 4])\n"
    "    except SyntaxError as e: kind, text = 'error', \"module '%s': %s line %s\" % (sys.argv[i + 2], e.msg, e.lineno)\n"
    "    except Exception as e: kind, text = 'warning', \"module '%s': %s\" % (sys.argv[i + 2], e)\n"
    "    print(kind, text.replace('\\n', ' '))\n";

static const char *preflight_dir(const Job *job, const AgentSpec *agent)
{
  return agent->working_dir ? agent->working_dir : job->directory ? job->directory : ".";
}

/* Variable @name as @agent will find it, or NULL. */
static const char *preflight_variable(const Job *job, const AgentSpec *agent, const char *name)
{
  const StrMap *maps[] = {&agent->environment, &job->environment, &job->caller};
  for (guint i = 0; i < G_N_ELEMENTS(maps); i++)
    if (strmap_has(maps[i], name))
      return strmap_get(maps[i], name);
  return NULL;
}

static bool preflight_is_program(const char *path)
{
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* The file that is run for the word @program, or NULL when none in PATH is one. Caller frees. */
static char *preflight_find(const Job *job, const AgentSpec *agent, const char *program)
{
  const char *directory = preflight_dir(job, agent), *path = preflight_variable(job, agent, "PATH");
  if (strchr(program, '/'))
    return g_canonicalize_filename(program, directory);
  g_auto(GStrv) places = g_strsplit(path ? path : "/usr/local/bin:/usr/bin:/bin", ":", -1);
  for (guint i = 0; places[i]; i++) {
    g_autofree char *place = g_canonicalize_filename(*places[i] ? places[i] : ".", directory);
    g_autofree char *file = g_build_filename(place, program, NULL);
    if (preflight_is_program(file))
      return g_steal_pointer(&file);
  }
  return NULL;
}

/* The kernel answers "No such file" for a script whose first line names what does not exist. */
static void preflight_script(const AgentSpec *agent, const char *file, Problems *problems)
{
  char line[256] = "";
  int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  ssize_t n = fd >= 0 ? read(fd, line, sizeof line - 1) : -1;
  if (fd >= 0)
    close(fd);
  if (n < 3 || line[0] != '#' || line[1] != '!' || !strchr(line, '\n'))
    return;
  *strchr(line, '\n') = '\0';
  char *name = line + 2 + strspn(line + 2, " \t");
  if (g_str_has_suffix(name, "\r")) {
    problems_add(
        problems, PROBLEM_ERROR, agent->pos,
        "agent '%s': script '%s' has Windows line ends (CRLF), which its interpreter does not understand; write it with LF",
        agent->id, file);
    return;
  }
  name[strcspn(name, " \t")] = '\0';
  if (name[0] == '/' && !preflight_is_program(name))
    problems_add(problems, PROBLEM_ERROR, agent->pos,
                 "agent '%s': script '%s': its interpreter '%s' %s", agent->id, file, name,
                 access(name, F_OK) == 0 ? "is not executable" : "does not exist");
}

static void preflight_program_of(const Job *job, const AgentSpec *agent, const char *what,
                                 const char *program, Problems *problems)
{
  g_autofree char *file = preflight_find(job, agent, program);
  if (!file)
    problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': %s '%s' is not in PATH",
                 agent->id, what, program);
  else if (access(file, F_OK) != 0)
    problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': %s '%s': no such file",
                 agent->id, what, file);
  else if (!preflight_is_program(file))
    problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': %s '%s' is not executable",
                 agent->id, what, file);
  else
    preflight_script(agent, file, problems);
}

/* The server may run in another group than we do: hence a warning, and what it says itself counts
 * more. */
void preflight_limits(const Job *job, Problems *problems)
{
  g_autoptr(Cgroups) cgroups = cgroups_new(NULL, NULL);
  g_auto(GStrv) missing = g_strsplit(cgroups_unenforced(cgroups), " ", -1);
  for (guint i = 0; i < job->agents->len && cgroups_unenforced(cgroups)[0]; i++) {
    const AgentSpec *agent = job_agent(job, i);
    const ResourceSpec *asked = &agent->resources;
    for (guint k = 0; missing[k]; k++) {
      bool wanted = g_str_equal(missing[k], "memory") ? asked->memory_bytes > 0
                    : g_str_equal(missing[k], "cpu")  ? asked->cpu > 0
                                                      : asked->pids > 0;
      if (wanted && agent->target == TARGET_LOCALHOST)
        problems_add(problems, PROBLEM_WARNING, agent->pos,
                     "agent '%s': its %s limit will not be enforced here (%s; see: reeve doctor)",
                     agent->id, missing[k], cgroups_describe(cgroups));
    }
  }
}

/* The node will read the files that an environment names, and only private ones. */
static void preflight_files(const AgentSpec *agent, const StrMap *environment, Problems *problems)
{
  for (guint i = 0; i < strmap_size(environment); i++) {
    const StrPair *pair = strmap_at(environment, i);
    struct stat st;
    g_autoptr(GError) error = NULL;
    if (pair->from != VALUE_FILE)
      continue;
    if (stat(pair->value, &st) != 0)
      problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': variable '%s': file '%s': %s",
                   agent->id, pair->key, pair->value, g_strerror(errno));
    else if (!fs_require_private(&st, pair->value, &error))
      problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': variable '%s': %s", agent->id,
                   pair->key, error->message);
  }
}

static void preflight_agent(const Job *job, const AgentSpec *agent, Problems *problems)
{
  const char *directory = preflight_dir(job, agent);
  struct stat st;
  if (agent->target == TARGET_LOCALHOST && (stat(directory, &st) != 0 || !S_ISDIR(st.st_mode)))
    problems_add(problems, PROBLEM_ERROR, agent->pos,
                 "agent '%s': working_dir '%s': no such directory", agent->id, directory);
  else if (agent->target == TARGET_LOCALHOST && agent->command && agent->command[0])
    preflight_program_of(job, agent, "command", agent->command[0], problems);
  if (agent->ssh_key && access(agent->ssh_key, R_OK) != 0)
    problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': ssh_key '%s': %s", agent->id,
                 agent->ssh_key, g_strerror(errno));
  if (agent->user && !getpwnam(agent->user))
    problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': no user '%s' on this machine",
                 agent->id, agent->user);
  if (agent->target == TARGET_LOCALHOST) {
    preflight_files(agent, &job->environment, problems);
    preflight_files(agent, &agent->environment, problems);
  }
}

/* All that @fd gives until its end or the deadline; the descriptor is closed. */
static char *preflight_read(int fd)
{
  GString *text = g_string_new(NULL);
  char buffer[8192];
  struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
  while (text->len < PREFLIGHT_ANSWER_MAX && poll(&poll_fd, 1, PREFLIGHT_PYTHON_MS) > 0) {
    ssize_t n = read(fd, buffer, sizeof buffer);
    if (n <= 0)
      break;
    g_string_append_len(text, buffer, n);
  }
  close(fd);
  return g_string_free(text, FALSE);
}

/* What the interpreter argv[0] says to @argv, or NULL when it cannot be run. */
static char *preflight_python(char *const *argv)
{
  extern char **environ;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return NULL;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  int failed = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  char *answer = preflight_read(ends[0]);
  if (failed) {
    g_free(answer);
    return NULL;
  }
  kill(pid, SIGKILL); /* it has ended, or had its time */
  waitpid(pid, NULL, 0);
  return answer;
}

/* Where imports of @agent begin: its directory, then its PYTHONPATH; joined by ':'. */
static char *preflight_roots(const Job *job, const AgentSpec *agent)
{
  const char *directory = preflight_dir(job, agent),
             *more = preflight_variable(job, agent, "PYTHONPATH");
  GString *roots = g_string_new(directory);
  g_auto(GStrv) parts = g_strsplit(more ? more : "", ":", -1);
  for (guint i = 0; parts[i]; i++) {
    g_autofree char *root = g_canonicalize_filename(parts[i], directory);
    if (parts[i][0])
      g_string_append_printf(roots, ":%s", root);
  }
  return g_string_free(roots, FALSE);
}

static void preflight_module_said(const AgentSpec *agent, const char *line, Problems *problems)
{
  const char *text = strchr(line, ' ') ? strchr(line, ' ') + 1 : "";
  if (!*line)
    problems_add(problems, PROBLEM_WARNING, agent->pos,
                 "agent '%s': %s could not look for module '%s'", agent->id,
                 agent->python ? agent->python : "python3", agent->module);
  else if (!g_str_has_prefix(line, "ok"))
    problems_add(problems, g_str_has_prefix(line, "error") ? PROBLEM_ERROR : PROBLEM_WARNING,
                 agent->pos, "agent '%s': %s", agent->id, text);
}

/* Modules of the agents that name the same interpreter as agent @first, which is the file @program;
 * from that agent on. */
static void preflight_modules_of(const Job *job, const char *program, guint first,
                                 Problems *problems)
{
  g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free), agents = g_ptr_array_new();
  const char *const head[] = {program, "-I", "-c", preflight_program};
  for (guint i = 0; i < G_N_ELEMENTS(head); i++)
    g_ptr_array_add(argv, g_strdup(head[i]));
  for (guint i = first; i < job->agents->len; i++) {
    const AgentSpec *agent = job_agent(job, i);
    if (!agent->module || agent->target != TARGET_LOCALHOST ||
        g_strcmp0(agent->python, job_agent(job, first)->python) != 0)
      continue;
    g_ptr_array_add(agents, (char *)agent);
    g_ptr_array_add(argv, preflight_roots(job, agent));
    g_ptr_array_add(argv, module_places_text(job, agent));
    g_ptr_array_add(argv, g_strdup(agent->module));
    g_ptr_array_add(argv, g_strdup(agent->type ? agent->type : ""));
  }
  g_ptr_array_add(argv, NULL);
  g_autofree char *answer = preflight_python((char *const *)argv->pdata);
  g_auto(GStrv) lines = g_strsplit(answer ? answer : "", "\n", -1);
  for (guint i = 0, n = g_strv_length(lines); i < agents->len; i++)
    preflight_module_said(g_ptr_array_index(agents, i), i < n ? lines[i] : "", problems);
}

/* One run of each interpreter for all modules that it is to run. */
static void preflight_modules(const Job *job, Problems *problems)
{
  g_autoptr(GHashTable) asked = g_hash_table_new(g_str_hash, g_str_equal);
  for (guint i = 0; i < job->agents->len; i++) {
    const AgentSpec *agent = job_agent(job, i);
    if (!agent->module || agent->target != TARGET_LOCALHOST ||
        !g_hash_table_add(asked, agent->python ? agent->python : (char *)""))
      continue;
    g_autofree char *python = agent->python ? preflight_find(job, agent, agent->python) : NULL;
    if (agent->python && (!python || !preflight_is_program(python)))
      preflight_program_of(job, agent, "python", agent->python, problems);
    else
      preflight_modules_of(job, python ? python : "python3", i, problems);
  }
}

/* One warning for all of them: in a container everything is root's. */
static void preflight_root(const Job *job, Problems *problems)
{
  const AgentSpec *first = NULL;
  guint n = 0;
  for (guint i = 0; geteuid() == 0 && i < job->agents->len; i++) {
    const AgentSpec *agent = job_agent(job, i);
    if (agent->user || agent->target != TARGET_LOCALHOST)
      continue;
    first = first ? first : agent;
    n++;
  }
  if (n == 1)
    problems_add(
        problems, PROBLEM_WARNING, first->pos,
        "agent '%s' will run as root, unless the server has --agents-user; name another with 'user'",
        first->id);
  else if (n)
    problems_add(
        problems, PROBLEM_WARNING, first->pos,
        "agent '%s' and %u more will run as root, unless the server has --agents-user; name another with 'user'",
        first->id, n - 1);
}

void preflight_check(const Job *job, Problems *problems)
{
  preflight_root(job, problems);
  for (guint i = 0; i < job->agents->len; i++)
    preflight_agent(job, job_agent(job, i), problems);
  preflight_modules(job, problems);
  preflight_limits(job, problems);
}
