/* Where the module of an agent lies: authors run their agents from the top of a project, while its
 * job files are kept somewhere below. The directory that is found becomes the agent's working
 * directory, and by that its import root. Only names of files are looked at. */
#include "cli/job_file.h"

#include <string.h>
#include <sys/stat.h>

/* The directories in which a module of @job is looked for, in order: that of the job file, those
 * above it, ours. What everybody may write to, as /tmp, is left out of those above: somebody else's
 * file there is not meant. */
static GPtrArray *module_places(const Job *job)
{
  GPtrArray *places = g_ptr_array_new_with_free_func(g_free);
  g_autofree char *here = g_get_current_dir(),
                  *at = g_strdup(job->directory ? job->directory : here);
  for (bool last = false; !last;) {
    struct stat st;
    if (!places->len || (stat(at, &st) == 0 && !(st.st_mode & S_IWOTH)))
      g_ptr_array_add(places, g_strdup(at));
    last = strcmp(at, "/") == 0 || strcmp(at, ".") == 0;
    char *above = g_path_get_dirname(at);
    g_free(at);
    at = above;
  }
  if (!g_ptr_array_find_with_equal_func(places, here, g_str_equal, NULL))
    g_ptr_array_add(places, g_steal_pointer(&here));
  return places;
}

static bool module_is_in(const char *directory, const char *module)
{
  g_autofree char *name = g_strdup(module);
  g_autofree char *path = g_build_filename(directory, g_strdelimit(name, ".", '/'), NULL),
                  *source = g_strconcat(path, ".py", NULL);
  return g_file_test(source, G_FILE_TEST_IS_REGULAR) || g_file_test(path, G_FILE_TEST_IS_DIR);
}

void module_places_set(Job *job)
{
  g_autoptr(GPtrArray) places = NULL;
  for (guint i = 0; i < job->agents->len; i++) {
    AgentSpec *agent = job->agents->pdata[i];
    if (!agent->module || agent->working_dir || agent->target != TARGET_LOCALHOST)
      continue;
    places = places ? places : module_places(job);
    guint at = 0;
    while (at < places->len && !module_is_in(places->pdata[at], agent->module))
      at++;
    if (at > 0 && at < places->len) /* the first is where it is started anyway */
      agent->working_dir = g_strdup(places->pdata[at]);
  }
}

char *module_places_text(const Job *job, const AgentSpec *agent)
{
  if (agent->working_dir)
    return g_strdup_printf("'%s'", agent->working_dir);
  g_autoptr(GPtrArray) places = module_places(job);
  GString *text = g_string_new(NULL);
  for (guint i = 0; i < places->len; i++)
    g_string_append_printf(text, "%s'%s'",
                           !i                     ? ""
                           : i + 1 == places->len ? " and "
                                                  : ", ",
                           (const char *)places->pdata[i]);
  return g_string_free(text, FALSE);
}
