/* From bytes to a parsed document: what a parser must never see is refused first; what it finds
 * becomes problems. */
#include "formats/job_tree.h"

#include "formats/job_reader.h"
#include "model/limit_words.h"

#include <string.h>

/* Line and column of byte @at. */
static SourcePos tree_byte_pos(const char *file, const char *text, size_t at)
{
  SourcePos pos = {.file = file, .line = 1, .column = 1};
  for (size_t i = 0; i < at; i++) {
    pos.column = text[i] == '\n' ? 1 : pos.column + 1;
    pos.line += text[i] == '\n';
  }
  return pos;
}

/* What could be an anchor: '&' where a value may begin. libfyaml keeps anchors in a list, so their
 * number is bounded before it sees them.
 */
static int tree_anchors(const char *text, size_t length)
{
  int n = 0;
  if (!length)
    return 0;
  const char *end = text + length - 1;
  for (const char *p = memchr(text, '&', length); p && p < end;
       p = memchr(p + 1, '&', (size_t)(end - p)))
    n += (p == text || strchr(" \t\n[{,:", p[-1])) && !g_ascii_isspace(p[1]);
  return n;
}

/* What must hold before a parser may look at it. */
static bool tree_check_bytes(const char *text, size_t length, const char *file, Problems *problems)
{
  const char *bad;
  SourcePos start = {.file = file, .line = 1, .column = 1};
  if (!limit_holds(LIMIT_JOB_FILE_BYTES, (int64_t)length, problems, start, "the file"))
    return false;
  if ((bad = memchr(text, '\0', length)))
    problems_add(problems, PROBLEM_ERROR, tree_byte_pos(file, text, (size_t)(bad - text)),
                 "NUL byte: this is not a text file");
  else if (!g_utf8_validate(text, (gssize)length, &bad))
    problems_add(problems, PROBLEM_ERROR, tree_byte_pos(file, text, (size_t)(bad - text)),
                 "not valid UTF-8");
  else
    return limit_holds(LIMIT_JOB_FILE_ANCHORS, tree_anchors(text, length), problems, start,
                       "the file");
  return false;
}

/* libfyaml prints what it cannot attach to a place; our problems say it all. */
static void tree_silence(struct fy_diag *diag, void *user, const char *text, size_t length)
{
  (void)diag;
  (void)user;
  (void)text;
  (void)length;
}

/* Within { } and [ ] a brace of ${NAME} means something to YAML. */
static bool tree_line_has_variable(const JobTree *tree, int line)
{
  const char *begin = tree->text, *all = tree->text + tree->length, *newline;
  for (; line > 1 && (newline = memchr(begin, '\n', (size_t)(all - begin))); line--)
    begin = newline + 1;
  newline = memchr(begin, '\n', (size_t)(all - begin));
  return line == 1 && g_strstr_len(begin, (newline ? newline : all) - begin, "${") != NULL;
}

static void tree_parser_errors(const JobTree *tree, const char *file, Problems *problems)
{
  void *iter = NULL;
  bool any = false;
  for (struct fy_diag_error *e = fy_diag_errors_iterate(tree->diag, &iter); e;
       e = fy_diag_errors_iterate(tree->diag, &iter)) {
    SourcePos pos = {.file = file, .line = MAX(e->line, 1), .column = MAX(e->column, 1)};
    bool deep = g_str_has_prefix(e->msg, "Max depth") || strstr(e->msg, "depth limit");
    if (deep)
      problems_add(problems, PROBLEM_ERROR, pos, "nested deeper than %d levels",
                   JOB_FILE_DEPTH_MAX);
    else
      problems_add(problems, PROBLEM_ERROR, pos, "not YAML: %s%s", e->msg,
                   tree_line_has_variable(tree, pos.line)
                       ? "; a variable inside { } or [ ] needs quotes: \"${NAME}\""
                       : "");
    any = true;
  }
  if (!any)
    problems_add(problems, PROBLEM_ERROR, (SourcePos){file, 1, 1}, "not YAML");
}

static bool tree_empty(struct fy_document *document)
{
  struct fy_node *root = document ? fy_document_root(document) : NULL;
  size_t length = 0;
  const char *text = root && fy_node_is_scalar(root) ? fy_node_get_scalar(root, &length) : NULL;
  return !root || (fy_node_is_scalar(root) && (!text || length == 0));
}

/* The one document of the text, with duplicate keys still in it: libfyaml looks for them in
 * quadratic time, job_tree_check in linear. */
static bool tree_load(JobTree *tree, const char *file, Problems *problems)
{
  tree->document = fy_parse_load_document(tree->parser);
  struct fy_document *second = tree->document ? fy_parse_load_document(tree->parser) : NULL;
  bool broken = fy_parser_get_stream_error(tree->parser);
  if (broken)
    tree_parser_errors(tree, file, problems);
  else if (second)
    problems_add(problems, PROBLEM_ERROR, job_tree_pos(file, fy_document_root(second)),
                 "a second document begins here; wanted one");
  else if (tree_empty(tree->document))
    problems_add(problems, PROBLEM_ERROR, (SourcePos){file, 1, 1},
                 "file is empty; wanted keys job and agents");
  if (second)
    fy_parse_document_destroy(tree->parser, second);
  return !broken && !second && !tree_empty(tree->document);
}

static bool tree_finish(JobTree *tree, const char *file, Problems *problems)
{
  int aliases = 0;
  if (!job_tree_check(tree->document, file, problems, &aliases) ||
      !job_tree_merge(tree->document, file, problems))
    return false;
  if (aliases == 0 || fy_document_resolve(tree->document) == 0)
    return true;
  tree_parser_errors(tree, file, problems);
  return false;
}

bool job_tree_open(JobTree *tree, const char *text, size_t length, const char *file,
                   Problems *problems)
{
  if (!tree_check_bytes(text, length, file, problems))
    return false;
  struct fy_diag_cfg diag_config;
  fy_diag_cfg_default(&diag_config);
  diag_config.fp = NULL;
  diag_config.output_fn = tree_silence;
  diag_config.colorize = false;
  tree->diag = fy_diag_create(&diag_config);
  fy_diag_set_collect_errors(tree->diag, true);
  struct fy_parse_cfg config = {.flags = FYPCF_QUIET | FYPCF_DISABLE_ACCELERATORS |
                                         FYPCF_ALLOW_DUPLICATE_KEYS,
                                .diag = tree->diag};
  tree->parser = fy_parser_create(&config);
  tree->document = NULL;
  tree->text = text;
  tree->length = length;
  g_assert(tree->parser);
  fy_parser_set_string(tree->parser, text, length);
  if (tree_load(tree, file, problems) && tree_finish(tree, file, problems))
    return true;
  job_tree_close(tree);
  return false;
}

void job_tree_close(JobTree *tree)
{
  if (tree->document)
    fy_parse_document_destroy(tree->parser, tree->document);
  fy_parser_destroy(tree->parser);
  fy_diag_destroy(tree->diag);
  *tree = (JobTree){0};
}
