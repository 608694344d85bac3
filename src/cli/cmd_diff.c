/* reeve diff: a file against what runs, or two revisions. */
#include "base/error.h"
#include "base/json.h"
#include "cli/api.h"
#include "cli/job_file.h"
#include "cli/show_diff.h"

#include <stdint.h>
#include <string.h>

static void diff_print(const Cli *cli, const json_t *answer)
{
  json_t *shown = json_copy((json_t *)(uintptr_t)answer);
  if (cli_flag(cli, OPT_FROM) || cli_flag(cli, OPT_TO))
    json_object_set_new(shown, "past", json_true());
  g_autofree char *text = show_diff_text(shown, cli->color_out);
  json_decref(shown);
  cli_print("%s", text);
  if (!text[0])
    cli_note(cli, "no difference");
}

static int diff_file(Cli *cli, const char *path, GError **error)
{
  JobFile file;
  json_t *answer = NULL;
  if (!job_file_read(cli, path, false, &file, error))
    return 1;
  if (job_file_accept(cli, path, &file, error))
    answer = job_file_preview(cli, &file, error);
  job_file_done(&file);
  return cli_show(cli, answer, diff_print);
}

static int diff_revisions(Cli *cli, const char *name, GError **error)
{
  g_autoptr(GString) rest = g_string_new("/diff");
  if (cli_flag(cli, OPT_FROM))
    g_string_append_printf(rest, "?from=%d", (int)cli->options.number[OPT_FROM]);
  if (cli_flag(cli, OPT_TO))
    g_string_append_printf(rest, "%cto=%d", rest->len > 5 ? '&' : '?',
                           (int)cli->options.number[OPT_TO]);
  g_autofree char *path = api_path(name, rest->str);
  return cli_show(cli, api_get(cli, path, error), diff_print);
}

int cmd_diff(Cli *cli, GError **error)
{
  const char *word = cli_word(cli, 0);
  bool revisions = cli_flag(cli, OPT_FROM) || cli_flag(cli, OPT_TO);
  if (!revisions && g_file_test(word, G_FILE_TEST_IS_REGULAR))
    return diff_file(cli, word, error);
  if (strchr(word, '/')) {
    g_set_error(error, REEVE_ERROR, REEVE_ERROR_NOT_FOUND,
                "there is no file '%s'; of a deployment diff takes the NAME, all its agents", word);
    return 1;
  }
  int code = diff_revisions(cli, word, error);
  if (*error && (*error)->code == REEVE_ERROR_NOT_FOUND && !revisions &&
      strstr((*error)->message, "no such deployment"))
    g_prefix_error(error, "there is no file '%s': ", word);
  return code;
}
