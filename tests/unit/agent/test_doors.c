/* The agent server over HTTP, as a process of its own: every door, every refusal, the queue, and
 * the drain. */
#include "agent/agent.h"
#include "base/clock.h"
#include "base/json.h"
#include "net/http_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEADLINE_MS = 20000 };

typedef struct Served {
  pid_t pid;
  int port;
  int err; /* its standard error */
  char *dir;
  GString *said; /* its log up to the line that tells its URL */
} Served;

/* One line of the server's log into @line; fails the test at its end or after the deadline. */
static void served_line(const Served *served, char *line, size_t size)
{
  size_t n = 0;
  struct pollfd in = {.fd = served->err, .events = POLLIN};
  while (n + 1 < size && (n == 0 || line[n - 1] != '\n')) {
    g_assert_cmpint(poll(&in, 1, DEADLINE_MS), ==, 1);
    g_assert_cmpint(read(served->err, line + n, 1), ==, 1);
    n++;
  }
  line[n] = '\0';
}

/* Forks before any thread exists; the child serves @toml on a free port. */
static Served serve(const char *toml)
{
  Served served = {.dir = g_dir_make_tmp("reeve-test-agent-XXXXXX", NULL)};
  g_autofree char *file = g_build_filename(served.dir, "agent.toml", NULL),
                  *peers = g_build_filename(served.dir, "peers.json", NULL);
  g_assert_true(g_file_set_contents(file, toml, -1, NULL));
  g_assert_true(g_file_set_contents(
      peers, "[{\"id\":\"news\",\"role\":\"spoke\",\"urls\":[\"http://localhost:1\"]}]", -1, NULL));
  int ends[2];
  g_assert_cmpint(pipe(ends), ==, 0);
  served.pid = fork();
  if (served.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves no server behind */
    dup2(ends[1], STDERR_FILENO);
    g_setenv("AGENT_PEERS_FILE", peers, TRUE);
    AgentServeOptions options = {.agent_file = file};
    int code = agent_serve_main(&options);
    g_free(served.dir);
    exit(code);
  }
  close(ends[1]);
  served.err = ends[0];
  char line[2000] = "";
  served.said = g_string_new(NULL);
  while (!strstr(line, "agent serves")) {
    served_line(&served, line, sizeof line);
    g_string_append(served.said, line);
  }
  served.port = atoi(
      strrchr(strstr(line, "url=http://localhost:"), ':') ? strstr(line, "localhost:") + 10 : "0");
  g_assert_cmpint(served.port, >, 0);
  return served;
}

/* Waits for its end and gives the exit code. */
static int served_end(Served *served)
{
  int status = 0;
  g_assert_cmpint(waitpid(served->pid, &status, 0), ==, served->pid);
  close(served->err);
  g_autofree char *file = g_build_filename(served->dir, "agent.toml", NULL),
                  *peers = g_build_filename(served->dir, "peers.json", NULL);
  g_unlink(file);
  g_unlink(peers);
  g_rmdir(served->dir);
  g_free(served->dir);
  g_string_free(served->said, TRUE);
  g_assert_true(WIFEXITED(status));
  return WEXITSTATUS(status);
}

static int served_stop(Served *served)
{
  kill(served->pid, SIGTERM);
  return served_end(served);
}

static int call(const Served *served, const char *method, const char *path, const char *body,
                json_t **answer)
{
  g_autofree char *url = g_strdup_printf("http://127.0.0.1:%d%s", served->port, path);
  HttpCallSpec spec = {.method = method,
                       .url = url,
                       .content_type = body ? "application/json" : NULL,
                       .body = body,
                       .body_length = body ? strlen(body) : 0,
                       .timeout_ms = DEADLINE_MS};
  g_autoptr(GString) text = g_string_new(NULL);
  g_autoptr(GError) error = NULL;
  int status = http_fetch(&spec, text, &error);
  g_assert_no_error(error);
  if (answer)
    *answer = json_parse(text->str, text->len, NULL);
  return status;
}

#define BRAIN(argv, more) \
  "[agent]\nname = \"Test\"\ncapabilities = [\"a\", \"b\"]\n[llm]\ncommand = " argv "\n" more

static void test_doors(void)
{
  Served served = serve(BRAIN("[\"cat\"]", ""));
  json_t *answer = NULL;
  g_assert_cmpint(call(&served, "GET", "/health", NULL, &answer), ==, 200);
  g_assert_cmpstr(jget_str(answer, "status", NULL), ==, "healthy");
  g_assert_cmpstr(jget_str(answer, "agent", NULL), ==, "Test");
  json_decref(answer);
  g_assert_cmpint(call(&served, "GET", "/.well-known/agent-configuration", NULL, &answer), ==, 200);
  g_assert_cmpuint(json_array_size(json_object_get(answer, "skills")), ==, 2);
  g_assert_cmpstr(jget_str(answer, "version", NULL), ==, "0.0.0");
  json_decref(answer);
  g_assert_cmpint(call(&served, "POST", "/prompt", "{\"prompt\":\"h\\u00e9 \\\"x\\\"\"}", &answer),
                  ==, 200);
  g_assert_cmpstr(jget_str(answer, "response", NULL), ==, "h\xc3\xa9 \"x\"");
  g_assert_cmpstr(jget_str(answer, "agent", NULL), ==, "Test");
  g_assert_cmpint(jget_int(answer, "duration_ms", -1), >=, 0);
  json_decref(answer);
  g_assert_cmpint(call(&served, "POST", "/query",
                       "{\"query\":\"q\",\"session_id\":\"s\",\"context\":{}}", &answer),
                  ==, 200);
  g_assert_cmpstr(jget_str(answer, "session_id", NULL), ==, "s");
  json_decref(answer);
  g_assert_cmpint(call(&served, "POST", "/query", "{\"query\":\"q\"}", &answer), ==, 200);
  g_assert_cmpuint(strlen(jget_str(answer, "session_id", "")), ==, 24);
  json_decref(answer);
  g_assert_cmpint(call(&served, "GET", "/status", NULL, &answer), ==, 200);
  g_assert_cmpint(jget_int(answer, "requests", -1), ==, 3);
  g_assert_cmpint(jget_int(answer, "errors", -1), ==, 0);
  g_assert_cmpstr(jget_str(json_array_get(json_object_get(answer, "peers"), 0), "id", NULL), ==,
                  "news");
  json_decref(answer);
  g_assert_cmpint(served_stop(&served), ==, 0);
}

/* The port of the file counts when none is given; what only a job can do for an agent is named. */
static void test_file_port(void)
{
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint(bind(fd, (struct sockaddr *)&at, sizeof at), ==, 0);
  g_assert_cmpint(getsockname(fd, (struct sockaddr *)&at, &size), ==, 0);
  close(fd);
  g_autofree char *toml = g_strdup_printf(
      BRAIN("[\"cat\"]", "[resources]\nmemory_limit = \"1GB\"\ngpu = 1\n[deployment]\nport = %d\n"),
      ntohs(at.sin_port));
  Served served = serve(toml);
  g_assert_cmpint(served.port, ==, ntohs(at.sin_port));
  g_assert_nonnull(strstr(served.said->str, "key=resources.gpu"));
  g_assert_nonnull(strstr(served.said->str, "key=resources.memory_limit why=needs-a-job"));
  g_assert_cmpint(served_stop(&served), ==, 0);
}

static void test_refusals(void)
{
  static const struct {
    const char *method, *path, *body;
    int status;
    const char *detail;
  } rows[] = {
      {"GET", "/nowhere", NULL, 404, "this agent has no such path; see docs/agent.md"},
      {"GET", "/prompt", NULL, 405, "allowed: POST"},
      {"DELETE", "/health", NULL, 405, "allowed: GET"},
      {"POST", "/prompt", "", 422, "JSON line 1 column 0: '[' or '{' expected near end of file"},
      {"POST", "/prompt", "[1]", 422, "wanted an object"},
      {"POST", "/prompt", "{}", 422, "'prompt': wanted a text that is not empty"},
      {"POST", "/prompt", "{\"prompt\":7}", 422, "'prompt': wanted a text that is not empty"},
      {"POST", "/prompt", "{\"prompt\":\"\"}", 422, "'prompt': wanted a text that is not empty"},
      {"POST", "/query", "{\"prompt\":\"x\"}", 422,
       "'query': wanted a text that is not empty; 'prompt': no such member"},
      {"POST", "/query", "{\"query\":\"x\",\"context\":[]}", 422, "'context': wanted an object"},
      {"POST", "/query", "{\"query\":\"x\",\"session_id\":\"a\\nb\"}", 422,
       "'session_id': wanted a text of 1 to 128 bytes without control characters"},
  };
  Served served = serve(BRAIN("[\"cat\"]", ""));
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    json_t *answer = NULL;
    g_assert_cmpint(call(&served, rows[i].method, rows[i].path, rows[i].body, &answer), ==,
                    rows[i].status);
    g_assert_cmpint(jget_int(answer, "status", 0), ==, rows[i].status);
    if (rows[i].body && !rows[i].body[0])
      /* the rest is the parser's wording */
      g_assert_nonnull(strstr(jget_str(answer, "detail", ""), "JSON line 1"));
    else
      g_assert_cmpstr(jget_str(answer, "detail", NULL), ==, rows[i].detail);
    json_decref(answer);
  }
  g_assert_cmpint(served_stop(&served), ==, 0);
}

static void test_bad_brains(void)
{
  static const struct {
    const char *toml;
    int status;
    const char *code;
  } rows[] = {
      {BRAIN("[\"false\"]", ""), 502, "brain-failed"},
      {BRAIN("[\"/nonexistent\"]", ""), 502, "brain-failed"},
      {BRAIN("[\"sleep\", \"1000\"]", "request_timeout = 0.2\n"), 504, "timeout"},
      {BRAIN("[\"sleep\", \"1000\"]", "[resources]\ntimeout = 0.2\n"), 504, "timeout"},
  };
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    Served served = serve(rows[i].toml);
    json_t *answer = NULL;
    g_assert_cmpint(call(&served, "POST", "/prompt", "{\"prompt\":\"x\"}", &answer), ==,
                    rows[i].status);
    g_assert_cmpstr(jget_str(answer, "code", NULL), ==, rows[i].code);
    json_decref(answer);
    g_assert_cmpint(served_stop(&served), ==, 0);
  }
}

/* ---- many at once ---- */

enum { CROWD_MAX = 70 };

/* Sends @n prompts on connections of their own, all before any answer is read. */
static void crowd_send(const Served *served, int *fds, int n)
{
  static const char request[] =
      "POST /prompt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 14\r\n\r\n{\"prompt\":\"x\"}";
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)served->port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct timeval deadline = {.tv_sec = DEADLINE_MS / 1000};
  for (int i = 0; i < n; i++) {
    fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(fds[i], >=, 0);
    setsockopt(fds[i], SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    g_assert_cmpint(connect(fds[i], (struct sockaddr *)&to, sizeof to), ==, 0);
    g_assert_cmpint(write(fds[i], request, sizeof request - 1), ==, sizeof request - 1);
  }
}

/* The status of the answer on @fd, which is read to its end and closed. */
static int crowd_status(int fd)
{
  char text[4096] = "";
  size_t n = 0;
  ssize_t got;
  while (n + 1 < sizeof text && (got = read(fd, text + n, sizeof text - 1 - n)) > 0)
    n += (size_t)got;
  close(fd);
  g_assert_true(g_str_has_prefix(text, "HTTP/1.1 "));
  g_assert_true(g_str_has_suffix(text, "}")); /* nothing is cut off */
  return atoi(text + 9);
}

/* One works, 64 wait, the others are refused; whoever waits longer than the limit hears so. */
static void test_queue(void)
{
  Served served = serve(BRAIN("[\"sleep\", \"1000\"]",
                              "request_timeout = 1\n[resources]\nmax_concurrent_requests = 1\n"));
  int fds[CROWD_MAX], busy = 0, late = 0;
  crowd_send(&served, fds, CROWD_MAX);
  for (int i = 0; i < CROWD_MAX; i++) {
    int status = crowd_status(fds[i]);
    busy += status == 429;
    late += status == 504;
  }
  g_assert_cmpint(busy, ==, CROWD_MAX - 65);
  g_assert_cmpint(late, ==, 65);
  json_t *answer = NULL;
  g_assert_cmpint(call(&served, "GET", "/status", NULL, &answer), ==, 200);
  g_assert_cmpint(jget_int(answer, "errors", -1), ==, CROWD_MAX);
  g_assert_cmpint(jget_int(answer, "in_flight", -1) + jget_int(answer, "queued", -1), ==, 0);
  json_decref(answer);
  g_assert_cmpint(served_stop(&served), ==, 0);
}

/* What is in flight is answered, and what waits for its turn too. */
static void test_drain(void)
{
  Served served =
      serve(BRAIN("[\"python3\", \"-S\", \"-c\", \"import time; time.sleep(0.5); print('late')\"]",
                  "[resources]\nmax_concurrent_requests = 1\n"));
  int fds[2];
  crowd_send(&served, fds, 2);
  int64_t requests = 0, until = clock_boot_ms() + DEADLINE_MS;
  while (requests < 2 && clock_boot_ms() < until) {
    json_t *answer = NULL;
    g_assert_cmpint(call(&served, "GET", "/status", NULL, &answer), ==, 200);
    requests = jget_int(answer, "requests", 0);
    json_decref(answer);
  }
  g_assert_cmpint(requests, ==, 2);
  g_assert_cmpint(call(&served, "POST", "/shutdown", "", NULL), ==, 202);
  g_assert_cmpint(crowd_status(fds[0]), ==, 200);
  g_assert_cmpint(crowd_status(fds[1]), ==, 200);
  g_assert_cmpint(served_end(&served), ==, 0);
}

/* A reader that takes its time gets all of an answer that was given before the end; escaped, it is
 * more than the kernel holds. */
static void test_drain_slow_reader(void)
{
  enum { ANSWER = 6000000, SLOW_US = 400000 };
  Served served = serve(BRAIN("[\"python3\", \"-S\", \"-c\", \"print(chr(1) * 1000000)\"]", ""));
  static const char request[] =
      "POST /prompt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 14\r\n\r\n{\"prompt\":\"x\"}";
  struct sockaddr_in to = {.sin_family = AF_INET,
                           .sin_port = htons((uint16_t)served.port),
                           .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
  setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  g_assert_cmpint(connect(fd, (struct sockaddr *)&to, sizeof to), ==, 0);
  g_assert_cmpint(write(fd, request, sizeof request - 1), ==, sizeof request - 1);
  struct pollfd answered = {.fd = fd, .events = POLLIN};
  g_assert_cmpint(poll(&answered, 1, DEADLINE_MS), ==, 1);
  g_assert_cmpint(call(&served, "POST", "/shutdown", "", NULL), ==, 202);
  g_usleep(SLOW_US); /* this is the slowness that is tested */
  g_autofree char *buffer = g_malloc(65536);
  size_t total = 0;
  ssize_t n;
  while ((n = read(fd, buffer, 65536)) > 0)
    total += (size_t)n;
  close(fd);
  g_assert_cmpint(n, ==, 0);
  g_assert_cmpuint(total, >, ANSWER);
  g_assert_cmpint(served_end(&served), ==, 0);
}

static int serve_code(const char *toml)
{
  g_autofree char *dir = g_dir_make_tmp("reeve-test-agent-XXXXXX", NULL),
                  *file = g_build_filename(dir, "agent.toml", NULL);
  if (toml)
    g_assert_true(g_file_set_contents(file, toml, -1, NULL));
  pid_t pid = fork();
  if (pid == 0) {
    int null = open("/dev/null", O_WRONLY);
    dup2(null, STDERR_FILENO);
    AgentServeOptions options = {.agent_file = file};
    int code = agent_serve_main(&options);
    g_free(dir);
    g_free(file);
    _exit(code);
  }
  int status = 0;
  waitpid(pid, &status, 0);
  g_unlink(file);
  g_rmdir(dir);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_bad_files(void)
{
  g_assert_cmpint(serve_code(NULL), ==, 4);
  g_assert_cmpint(serve_code("[agent"), ==, 3);
  g_assert_cmpint(serve_code("[agent]\nname = \"x\"\n[llm]\nprovider = \"telepathy\"\n"), ==, 3);
  g_setenv("REEVE_MODEL_URL", "nowhere", TRUE);
  g_assert_cmpint(serve_code("[agent]\nname = \"x\"\n"), ==, 3);
  g_unsetenv("REEVE_MODEL_URL");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/doors/doors", test_doors);
  g_test_add_func("/doors/file-port", test_file_port);
  g_test_add_func("/doors/refusals", test_refusals);
  g_test_add_func("/doors/bad-brains", test_bad_brains);
  g_test_add_func("/doors/queue", test_queue);
  g_test_add_func("/doors/drain", test_drain);
  g_test_add_func("/doors/drain-slow-reader", test_drain_slow_reader);
  g_test_add_func("/doors/bad-files", test_bad_files);
  return g_test_run();
}
