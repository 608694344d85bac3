/* Rows of what the life of an instance follows: health, restart, stop, resources. */
#include "formats/reader.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>

static const char *const policy_words[] = {"never", "on-failure", "always", NULL};

/* ---- health ---- */

/* One way to look at health only. */
static void health_kind(Reader *reader, struct fy_node *value, HealthSpec *health, HealthKind kind,
                        const char *path)
{
  if (health->kind != HEALTH_DISCOVER)
    reader_error(reader, value, "'%s': wanted only one of http, tcp, exec", path);
  health->kind = kind;
}

static void row_health_http(Reader *reader, const Row *row, struct fy_node *value, void *base,
                            const char *path)
{
  HealthSpec *health = base;
  row_text(reader, row, value, base, path);
  health_kind(reader, value, health, HEALTH_HTTP, path);
  if (health->path && health->path[0] != '/')
    reader_error(reader, value, "'%s.http': a path begins with '/', not '%s'", path, health->path);
}

static void row_health_tcp(Reader *reader, const Row *row, struct fy_node *value, void *base,
                           const char *path)
{
  bool on = false;
  Row flag = *row;
  flag.offset = 0;
  row_bool(reader, &flag, value, &on, path);
  if (on)
    health_kind(reader, value, base, HEALTH_TCP, path);
}

static void row_health_exec(Reader *reader, const Row *row, struct fy_node *value, void *base,
                            const char *path)
{
  row_words(reader, row, value, base, path);
  health_kind(reader, value, base, HEALTH_EXEC, path);
}

#define HEALTH_TIMES                                                                                                                \
  {.key = "interval",                                                                                                               \
   .read = row_seconds,                                                                                                             \
   .offset = offsetof(HealthSpec, interval_ms),                                                                                     \
   .low = 0.1,                                                                                                                      \
   .high = 86400,                                                                                                                   \
   .type = "seconds",                                                                                                               \
   .preset = "30",                                                                                                                  \
   .help =                                                                                                                          \
       "time between probes of a healthy agent; while it starts they come at 10 ms, doubling up to this or a second"},              \
      {.key = "timeout",                                                                                                            \
       .read = row_seconds,                                                                                                         \
       .offset = offsetof(HealthSpec, timeout_ms),                                                                                  \
       .low = 0.001,                                                                                                                \
       .high = 3600,                                                                                                                \
       .type = "seconds",                                                                                                           \
       .preset = "5",                                                                                                               \
       .help = "one probe may take so long"},                                                                                       \
      {.key = "min_healthy",                                                                                                        \
       .read = row_seconds,                                                                                                         \
       .offset = offsetof(HealthSpec, min_healthy_ms),                                                                              \
       .low = 0,                                                                                                                    \
       .high = 86400,                                                                                                               \
       .type = "seconds",                                                                                                           \
       .preset = "0 with a probe; without 1, in an update 3",                                                                       \
       .help =                                                                                                                      \
           "from the first healthy on an agent must stay up and healthy so long before its rollout goes on; when its process ends " \
           "within it, the rollout has failed, whatever restart says; 0 = no wait"},                                                \
  {                                                                                                                                 \
    .key = "retries", .read = row_int, .offset = offsetof(HealthSpec, retries), .low = 1,                                           \
    .high = 100, .type = "number", .preset = "3",                                                                                   \
    .help = "failed probes in a row before a healthy agent is unhealthy and restarted"                                              \
  }

const Row health_rows[] = {
    {.key = "http",
     .read = row_health_http,
     .offset = offsetof(HealthSpec, path),
     .type = "path",
     .help =
         "GET of this path on the agent's port, on 127.0.0.1 or ::1, answers 2xx; its body does not matter"},
    {.key = "tcp",
     .read = row_health_tcp,
     .type = "true",
     .help = "the agent's port accepts a connection"},
    {.key = "exec",
     .read = row_health_exec,
     .offset = offsetof(HealthSpec, argv),
     .type = "list of words",
     .help = "this command ends with status 0"},
    HEALTH_TIMES,
    {.key = "start_period",
     .read = row_seconds,
     .offset = offsetof(HealthSpec, start_period_ms),
     .low = 0,
     .high = 86400,
     .type = "seconds",
     .preset = "0",
     .help = "failures within this time after a start do not count"},
    ROWS_END};

/* ---- deployment.health_check ---- */

static void row_health_enabled(Reader *reader, const Row *row, struct fy_node *value, void *base,
                               const char *path)
{
  bool enabled = true;
  Row local = *row;
  local.offset = 0;
  row_bool(reader, &local, value, &enabled, path);
  if (!enabled)
    ((HealthSpec *)base)->kind = HEALTH_NONE;
}

const Row health_check_rows[] = {{.key = "enabled",
                                  .read = row_health_enabled,
                                  .type = "true, false",
                                  .preset = "true",
                                  .help = "false: an agent is healthy when it stays up"},
                                 HEALTH_TIMES,
                                 ROWS_END};

/* ---- restart, stop, resources ---- */

const Row restart_rows[] = {{.key = "policy",
                             .read = row_enum,
                             .offset = offsetof(RestartSpec, policy),
                             .words = policy_words,
                             .type = "never, on-failure, always",
                             .preset = "on-failure; with a schedule never",
                             .help = "which ends of a process are followed by a new start"},
                            {.key = "max",
                             .read = row_int,
                             .offset = offsetof(RestartSpec, max),
                             .low = -1,
                             .high = 1000000,
                             .type = "number",
                             .preset = "3",
                             .help = "restarts in a row before the agent is failed; -1 = no limit"},
                            {.key = "delay",
                             .read = row_seconds,
                             .offset = offsetof(RestartSpec, delay_ms),
                             .low = 0,
                             .high = 86400,
                             .type = "seconds",
                             .preset = "1",
                             .help = "before the first restart; doubles with each"},
                            {.key = "max_delay",
                             .read = row_seconds,
                             .offset = offsetof(RestartSpec, max_delay_ms),
                             .low = 0,
                             .high = 86400,
                             .type = "seconds",
                             .preset = "60",
                             .help = "the delay grows up to this"},
                            {.key = "stable",
                             .read = row_seconds,
                             .offset = offsetof(RestartSpec, stable_ms),
                             .low = 0,
                             .high = 86400,
                             .type = "seconds",
                             .preset = "60",
                             .help = "up so long: counter and delay begin anew"},
                            ROWS_END};

static void row_signal(Reader *reader, const Row *row, struct fy_node *value, void *base,
                       const char *path)
{
  static const struct {
    const char *name;
    int number;
  } names[] = {{"TERM", SIGTERM}, {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"HUP", SIGHUP},
               {"USR1", SIGUSR1}, {"USR2", SIGUSR2}, {"KILL", SIGKILL}};
  g_autofree char *text = reader_text(reader, value, path, row->key, "a signal");
  const char *name = text && g_str_has_prefix(text, "SIG") ? text + 3 : text;
  double number;
  for (size_t i = 0; name && i < G_N_ELEMENTS(names); i++)
    if (strcmp(name, names[i].name) == 0) {
      ((StopSpec *)base)->signal = names[i].number;
      return;
    }
  if (text && reader_number(text, &number) && number >= 1 && number <= 64 && number == (int)number)
    ((StopSpec *)base)->signal = (int)number;
  else if (text)
    reader_error(
        reader, value,
        "'%s.signal': unknown signal '%s'; allowed: TERM, INT, QUIT, HUP, USR1, USR2, KILL or a number",
        path, text);
}

const Row stop_rows[] = {
    {.key = "signal",
     .read = row_signal,
     .type = "TERM, INT, QUIT, HUP, USR1, USR2, KILL",
     .preset = "TERM",
     .help = "first signal, to the whole process group"},
    {.key = "grace",
     .read = row_seconds,
     .offset = offsetof(StopSpec, grace_ms),
     .low = 0,
     .high = 86400,
     .type = "seconds",
     .preset = "10",
     .help =
         "the whole process tree has so long to end, also when its main process ends first; then it is killed"},
    ROWS_END};

const Row resource_rows[] = {{.key = "cpu",
                              .read = row_real,
                              .offset = offsetof(ResourceSpec, cpu),
                              .low = 0,
                              .high = 100000,
                              .type = "cores",
                              .help = "limit, where control groups permit"},
                             {.key = "memory",
                              .read = row_memory,
                              .offset = offsetof(ResourceSpec, memory_bytes),
                              .type = "size",
                              .help = "limit, as 512M or 2G"},
                             {.key = "pids",
                              .read = row_count,
                              .offset = offsetof(ResourceSpec, pids),
                              .low = 1,
                              .high = 4194304,
                              .type = "number",
                              .help = "limit of processes and threads"},
                             {.key = "gpu",
                              .read = row_ignored,
                              .type = "number",
                              .help = "GPUs are not assigned by this version"},
                             ROWS_END};
