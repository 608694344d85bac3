/* Reads the spec that the node wrote: one mapping, no other allocation. */
#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPEC_BYTES_MAX = 8 * 1024 * 1024 };

/* NULL, or what is wrong; so do all below. */
static const char *spec_word(char **list, int *n, int max, char *text)
{
  if (*n >= max)
    return "too many words";
  list[(*n)++] = text;
  list[*n] = NULL;
  return NULL;
}

static const char *spec_take(ShimSpec *spec, const char *key, char *text)
{
  static const struct {
    const char *key;
    size_t offset;
  } numbers[] = {{"uid", offsetof(ShimSpec, uid)},
                 {"gid", offsetof(ShimSpec, gid)},
                 {"nofile_soft", offsetof(ShimSpec, nofile_soft)},
                 {"nofile_hard", offsetof(ShimSpec, nofile_hard)},
                 {"core_soft", offsetof(ShimSpec, core_soft)},
                 {"log_bytes", offsetof(ShimSpec, log_bytes)},
                 {"log_files", offsetof(ShimSpec, log_files)},
                 {"generation", offsetof(ShimSpec, generation)},
                 {"attached", offsetof(ShimSpec, attached)}};
  if (strcmp(key, "argv") == 0)
    return spec_word(spec->argv, &spec->n_argv, SHIM_WORDS_MAX, text);
  if (strcmp(key, "env") == 0)
    return spec_word(spec->envp, &spec->n_env, SHIM_WORDS_MAX, text);
  if (strcmp(key, "cgroup") == 0)
    return spec_word(spec->cgroups, &spec->n_cgroups, SHIM_CGROUPS_MAX, text);
  if (strcmp(key, "cgroup_tree") == 0)
    spec->cgroup_tree = text;
  if (strcmp(key, "cwd") == 0)
    spec->cwd = text;
  if (strcmp(key, "group") == 0 && spec->n_groups < SHIM_GROUPS_MAX)
    spec->groups[spec->n_groups++] = (gid_t)strtoul(text, NULL, 10);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (strcmp(key, numbers[i].key) == 0)
      *(long *)(void *)((char *)spec + numbers[i].offset) = strtol(text, NULL, 10);
  return NULL; /* unknown keys belong to a newer node */
}

/* Reads the digits at @p, which end with ':' before @end. Returns what follows the colon, or NULL.
 */
static char *spec_length(char *p, const char *end, size_t *length)
{
  char *first = p;
  *length = 0;
  for (; p < end && *p >= '0' && *p <= '9' && *length < SPEC_BYTES_MAX; p++)
    *length = *length * 10 + (size_t)(*p - '0');
  return p > first && p < end && *p == ':' ? p + 1 : NULL;
}

/* Takes one "key:length:bytes\n" at *@at and moves *@at behind it. */
static const char *spec_next(ShimSpec *spec, char **at, const char *end)
{
  char *key = *at, *colon = memchr(key, ':', (size_t)(end - key));
  size_t length;
  char *text = colon ? spec_length(colon + 1, end, &length) : NULL;
  if (!text || length >= (size_t)(end - text) || text[length] != '\n')
    return "malformed";
  *colon = text[length] = '\0';
  *at = text + length + 1;
  return spec_take(spec, key, text);
}

const char *spec_parse(char *text, size_t length, ShimSpec *spec)
{
  spec->uid = spec->gid = spec->nofile_soft = spec->nofile_hard = -1;
  spec->core_soft = -2;
  spec->log_bytes = 10 * 1024 * 1024;
  spec->log_files = 5;
  const char *end = text + length, *wrong = NULL;
  for (char *at = text; at < end && !wrong;)
    wrong = spec_next(spec, &at, end);
  return wrong || spec->n_argv > 0 ? wrong : "nothing to run";
}

static const char *spec_load(int fd, ShimSpec *spec)
{
  struct stat st;
  if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > SPEC_BYTES_MAX)
    return "absent, or too large";
  char *text = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  return text != MAP_FAILED ? spec_parse(text, (size_t)st.st_size, spec) : "cannot be mapped";
}

bool spec_read(int fd, ShimSpec *spec)
{
  const char *wrong = spec_load(fd, spec);
  if (wrong)
    dprintf(STDERR_FILENO, "reeve-shim: spec: %s\n", wrong);
  return !wrong;
}
