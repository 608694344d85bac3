/* Owns what can be known about a job on the caller's side before anything starts: commands, directories, users, key files, and whether
 * modules can be imported - asked of one python3 for all of them, which imports nothing itself. */
#include "base/error.h"
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

/* argv: triples of directory, module, class ("" = none). One line each: "ok", or "error TEXT", or "warning TEXT". Packages on the way are
 * found by their path and never executed, as find_spec would do. */
static const char preflight_program[] =
    "import ast, importlib.machinery as m, sys\n"
    "def look(base, module, cls):\n"
    "    path, spec, done = [base] + sys.path, None, []\n"
    "    for part in module.split('.'):\n"
    "        done.append(part)\n"
    "        if path is None: return 'error', \"module '%s': '%s' is no package\" % (module, '.'.join(done[:-1]))\n"
    "        spec = m.PathFinder.find_spec('.'.join(done), path)\n"
    "        if spec is None: return 'error', \"module '%s': no '%s' below '%s' or in sys.path\" % (module, '.'.join(done), base)\n"
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
    "for i in range(1, len(sys.argv), 3):\n"
    "    try: kind, text = look(*sys.argv[i:i + 3])\n"
    "    except SyntaxError as e: kind, text = 'error', \"module '%s': %s line %s\" % (sys.argv[i + 1], e.msg, e.lineno)\n"
    "    except Exception as e: kind, text = 'warning', \"module '%s': %s\" % (sys.argv[i + 1], e)\n"
    "    print(kind, text.replace('\\n', ' '))\n";

static const char *preflight_dir(const Job *job, const AgentSpec *agent)
{
  return agent->working_dir ? agent->working_dir : job->directory ? job->directory : ".";
}

static const char *preflight_path(const Job *job, const AgentSpec *agent)
{
  const char *path = strmap_get(&agent->environment, "PATH");
  path = path ? path : strmap_get(&job->environment, "PATH");
  path = path ? path : strmap_get(&job->caller, "PATH");
  return path ? path : "/usr/local/bin:/usr/bin:/bin";
}

static bool preflight_is_program(const char *path)
{
  struct stat st;
  return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

static void preflight_command(const Job *job, const AgentSpec *agent, Problems *problems)
{
  const char *program = agent->command[0], *directory = preflight_dir(job, agent);
  if (strchr(program, '/')) {
    g_autofree char *path = g_canonicalize_filename(program, directory);
    if (access(path, F_OK) != 0)
      problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': command '%s': no such file", agent->id, path);
    else if (!preflight_is_program(path))
      problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': command '%s' is not executable", agent->id, path);
    return;
  }
  g_auto(GStrv) places = g_strsplit(preflight_path(job, agent), ":", -1);
  for (guint i = 0; places[i]; i++) {
    g_autofree char *path = g_build_filename(*places[i] ? places[i] : directory, program, NULL);
    if (preflight_is_program(path))
      return;
  }
  problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': command '%s' is not in PATH", agent->id, program);
}

/* The server may run in another group than we do: hence a warning, and what it says itself counts more. */
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
        problems_add(problems, PROBLEM_WARNING, agent->pos, "agent '%s': its limit of %s cannot be enforced here: %s", agent->id,
                     missing[k], cgroups_describe(cgroups));
    }
  }
}

/* The node will read the files that an environment names, and only private ones. */
static void preflight_files(const AgentSpec *agent, const StrMap *environment, Problems *problems)
{
  for (guint i = 0; i < strmap_size(environment); i++) {
    const StrPair *pair = strmap_at(environment, i);
    struct stat st;
    if (pair->from != VALUE_FILE)
      continue;
    if (stat(pair->value, &st) != 0)
      problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': variable '%s': file '%s': %s", agent->id, pair->key, pair->value,
                   g_strerror(errno));
    else if (!S_ISREG(st.st_mode) || (st.st_mode & 077))
      problems_add(problems, PROBLEM_ERROR, agent->pos,
                   "agent '%s': variable '%s': file '%s' is no regular file, or others may read it; run: chmod 600", agent->id, pair->key,
                   pair->value);
  }
}

static void preflight_agent(const Job *job, const AgentSpec *agent, Problems *problems)
{
  const char *directory = preflight_dir(job, agent);
  struct stat st;
  if (agent->target == TARGET_LOCALHOST && (stat(directory, &st) != 0 || !S_ISDIR(st.st_mode)))
    problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': working_dir '%s': no such directory", agent->id, directory);
  else if (agent->target == TARGET_LOCALHOST && agent->command && agent->command[0])
    preflight_command(job, agent, problems);
  if (agent->ssh_key && access(agent->ssh_key, R_OK) != 0)
    problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': ssh_key '%s': %s", agent->id, agent->ssh_key, g_strerror(errno));
  if (agent->user && !getpwnam(agent->user))
    problems_add(problems, PROBLEM_ERROR, agent->pos, "agent '%s': no user '%s' on this machine", agent->id, agent->user);
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

/* What python3 says to @argv, or NULL when it cannot be run. */
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
  int failed = posix_spawnp(&pid, "python3", &actions, NULL, argv, environ);
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

static void preflight_modules(const Job *job, Problems *problems)
{
  g_autoptr(GPtrArray) argv = g_ptr_array_new(), agents = g_ptr_array_new();
  const char *const head[] = {"python3", "-I", "-c", preflight_program};
  for (guint i = 0; i < G_N_ELEMENTS(head); i++)
    g_ptr_array_add(argv, (char *)head[i]);
  for (guint i = 0; i < job->agents->len; i++) {
    const AgentSpec *agent = job_agent(job, i);
    if (!agent->module || agent->target != TARGET_LOCALHOST)
      continue;
    g_ptr_array_add(agents, (char *)agent);
    g_ptr_array_add(argv, (char *)preflight_dir(job, agent));
    g_ptr_array_add(argv, agent->module);
    g_ptr_array_add(argv, agent->type ? agent->type : (char *)"");
  }
  if (!agents->len)
    return;
  g_ptr_array_add(argv, NULL);
  g_autofree char *answer = preflight_python((char *const *)argv->pdata);
  g_auto(GStrv) lines = g_strsplit(answer ? answer : "", "\n", -1);
  for (guint i = 0, n = g_strv_length(lines); i < agents->len; i++) {
    const AgentSpec *agent = g_ptr_array_index(agents, i);
    const char *line = i < n ? lines[i] : "";
    const char *text = strchr(line, ' ') ? strchr(line, ' ') + 1 : "";
    if (!*line)
      problems_add(problems, PROBLEM_WARNING, agent->pos, "agent '%s': python3 could not look for module '%s'", agent->id, agent->module);
    else if (!g_str_has_prefix(line, "ok"))
      problems_add(problems, g_str_has_prefix(line, "error") ? PROBLEM_ERROR : PROBLEM_WARNING, agent->pos, "agent '%s': %s", agent->id,
                   text);
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
    problems_add(problems, PROBLEM_WARNING, first->pos,
                 "agent '%s' will run as root, unless the server has --agents-user; name another with 'user'", first->id);
  else if (n)
    problems_add(problems, PROBLEM_WARNING, first->pos,
                 "agent '%s' and %u more will run as root, unless the server has --agents-user; name another with 'user'", first->id,
                 n - 1);
}

void preflight_check(const Job *job, Problems *problems)
{
  preflight_root(job, problems);
  for (guint i = 0; i < job->agents->len; i++)
    preflight_agent(job, job_agent(job, i), problems);
  preflight_modules(job, problems);
  preflight_limits(job, problems);
}
