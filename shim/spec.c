/* Reads the spec that the node wrote: one mapping, no other allocation. */
#include "shim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPEC_BYTES_MAX = 8 * 1024 * 1024 };

static bool spec_bad(const char *what)
{
  dprintf(STDERR_FILENO, "reeve-shim: spec: %s\n", what);
  return false;
}

static bool spec_word(char **list, int *n, int max, char *text)
{
  if (*n >= max)
    return spec_bad("too many words");
  list[(*n)++] = text;
  list[*n] = NULL;
  return true;
}

static bool spec_take(ShimSpec *spec, const char *key, char *text)
{
  static const struct {
    const char *key;
    size_t offset;
  } numbers[] = {{"uid", offsetof(ShimSpec, uid)},
                 {"gid", offsetof(ShimSpec, gid)},
                 {"nofile_soft", offsetof(ShimSpec, nofile_soft)},
                 {"nofile_hard", offsetof(ShimSpec, nofile_hard)},
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
  if (strcmp(key, "cwd") == 0)
    spec->cwd = text;
  if (strcmp(key, "group") == 0 && spec->n_groups < SHIM_GROUPS_MAX)
    spec->groups[spec->n_groups++] = (gid_t)strtoul(text, NULL, 10);
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
    if (strcmp(key, numbers[i].key) == 0)
      *(long *)(void *)((char *)spec + numbers[i].offset) = strtol(text, NULL, 10);
  return true; /* unknown keys belong to a newer node */
}

/* Takes one "key:length:bytes\n" at @p; returns what follows it, or NULL. */
static char *spec_next(ShimSpec *spec, char *p, const char *end)
{
  char *colon = memchr(p, ':', (size_t)(end - p));
  if (!colon)
    return NULL;
  *colon = '\0';
  char *rest;
  unsigned long length = strtoul(colon + 1, &rest, 10);
  if (rest == colon + 1 || *rest != ':' || length >= (unsigned long)(end - rest - 1) || rest[1 + length] != '\n')
    return NULL;
  rest[1 + length] = '\0';
  return spec_take(spec, p, rest + 1) ? rest + 2 + length : NULL;
}

bool spec_read(int fd, ShimSpec *spec)
{
  spec->uid = spec->gid = spec->nofile_soft = spec->nofile_hard = -1;
  spec->log_bytes = 10 * 1024 * 1024;
  spec->log_files = 5;
  struct stat st;
  if (fstat(fd, &st) != 0 || st.st_size <= 0 || st.st_size > SPEC_BYTES_MAX)
    return spec_bad("no spec, or too large");
  char *text = mmap(NULL, (size_t)st.st_size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (text == MAP_FAILED)
    return spec_bad("cannot be mapped");
  char *end = text + st.st_size;
  for (char *p = text; p < end;) {
    p = spec_next(spec, p, end);
    if (!p)
      return spec_bad("malformed");
  }
  return spec->n_argv > 0 || spec_bad("nothing to run");
}
