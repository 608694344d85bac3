/* Files that mean harm or are broken: each is refused with one clear line, soon and without much
 * memory. */
#include "reading.h"

#include <string.h>
#include <sys/resource.h>

#define GOOD \
  "job: {name: x}\nagents: [{id: a, command: [sleep, '1'], config: {port: 9001}}]\ntopology: {type: dynamic}\n"

static void refused(const char *text, const char *part)
{
  read_refused(text, strlen(text), part);
}

/* @head, then @n times @piece, then @tail. */
static char *repeated(const char *head, const char *piece, int n, const char *tail)
{
  GString *out = g_string_new(head);
  for (int i = 0; i < n; i++)
    g_string_append(out, piece);
  g_string_append(out, tail);
  return g_string_free(out, FALSE);
}

/* Whatever is left of a file that was cut: problems with a place, or a smaller job; never nothing.
 */
static void test_truncated(void)
{
  for (size_t n = 0; n < strlen(GOOD); n++) {
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Job) job = read_text(GOOD, n, false, problems);
    g_assert_true((job == NULL) == (problems->errors > 0));
    for (guint i = 0; i < problems->items->len; i++) {
      const Problem *problem = problems->items->pdata[i];
      g_assert_cmpint(problem->line, >, 0);
      g_assert_cmpint(problem->column, >, 0);
    }
  }
  refused("job: {name: x}\nagents: [{id: a, comm",
          "error: not YAML: missing comma in flow mapping");
}

static void test_empty(void)
{
  static const char *const texts[] = {"", "\n", "# only a remark\n", "---\n", "''", "null\n"};
  for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
    refused(texts[i], "job.yaml:1:1: error: ");
  refused("--- ~\n", "job.yaml:1:5: error: 'the file': wanted a mapping of keys\n");
  refused("", "job.yaml:1:1: error: file is empty; wanted keys job and agents\n");
}

static void test_binary(void)
{
  read_refused("job\0", 4, "job.yaml:1:4: error: NUL byte: this is not a text file");
  read_refused("a: b\n\x7f"
               "ELF\x02\x01\x01\0\0",
               14, "job.yaml:2:8: error: NUL byte: this is not a text file");
  refused("job: {name: caf\xe9}\n", "job.yaml:1:16: error: not valid UTF-8");
  refused("\xff\xfej\xff", "job.yaml:1:1: error: not valid UTF-8");
  refused("job: {name: \"a\\0b\"}\nagents: []\n", "error: a text holds a NUL character");
  refused("\"a\\0b\": 1\n", "error: a key holds a NUL character");
  refused("\x01\x02\x03", "job.yaml:1:");
}

static void test_large(void)
{
  size_t length = 100 * 1000 * 1000;
  char *text = g_malloc(length);
  memset(text, '#', length);
  read_refused(text, length, "job.yaml:1:1: error: the file: 100000000 bytes; at most 8388608");
  g_free(text);
}

static void test_deep(void)
{
  g_autofree char *lists = repeated("a: ", "[", 100, ""), *open = repeated("a: ", "[", 100000, ""),
                  *maps = repeated("", "{a: ", 100, "");
  g_autofree char *dashes = repeated("", "- ", 3000, "x\n"),
                  *closed = repeated(lists, "]", 100, "\n");
  refused(closed, "nested deeper than 64 levels");
  refused(open, "nested deeper than 64 levels");
  refused(maps, "nested deeper than 64 levels");
  refused(dashes, "nested deeper than 64 levels");
}

/* What a few lines would become: a thousand million values; a chain of aliases; one alias often;
 * one that contains itself. */
static void test_aliases(void)
{
  GString *bomb = g_string_new("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
  for (int i = 1; i < 11; i++)
    g_string_append_printf(bomb,
                           "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i,
                           i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
  refused(bomb->str, "what its aliases stand for: ");
  g_string_free(bomb, TRUE);
  g_autofree char *many = repeated("a: &x [1]\nb: [", "*x, ", 101, "*x]\n"),
                  *anchors = repeated("a: [", "&x 1, ", 2001, "1]\n");
  refused(many, "the file: 102 aliases; at most 100");
  refused(anchors, "job.yaml:1:1: error: the file: 2001 anchors; at most 2000");
  refused("a: *none\n", "job.yaml:1:5: error: alias '*none' names nothing that stands before it");
  refused("a: &a [*a]\n", "alias '*a' names nothing that stands before it");
  g_autofree char *keys = repeated("a: &a {", "k: 1, ", 1, "x: 1}\nb: {<<: *a, <<: *a}\n"),
                  *wide = NULL;
  refused(keys, "duplicate key '<<'");
  GString *merged = g_string_new("a: &a {");
  for (int i = 0; i < 20000; i++)
    g_string_append_printf(merged, "k%d: 1, ", i);
  wide = g_strdup_printf("%sx: 1}\nb: {<<: *a, k1: 2}\n", merged->str);
  g_string_free(merged, TRUE);
  refused(wide, "job.yaml:2:5: error: '<<': 2001 keys; at most 2000");
  GString *tower = g_string_new("a0: &a0 [x]\n");
  for (int i = 1; i < 80; i++)
    g_string_append_printf(tower, "a%d: &a%d [*a%d]\n", i, i, i - 1);
  refused(tower->str, "nested deeper than 64 levels by alias '*a");
  g_string_free(tower, TRUE);
}

static void test_duplicates(void)
{
  refused("job: {name: x}\njob: {name: y}\n", "job.yaml:2:1: error: duplicate key 'job'");
  refused("job: {name: x, 'name': y}\n", "job.yaml:1:");
  GString *many = g_string_new("");
  for (int i = 0; i < 40; i++)
    g_string_append_printf(many, "k%d: 1\n", i);
  g_string_append(many, "k30: 2\n");
  refused(many->str, "job.yaml:41:1: error: duplicate key 'k30'");
  g_string_free(many, TRUE);
  refused("{[a]: 1}\n", "a key must be a text");
}

static void test_not_yaml(void)
{
  refused("job: {name: x\n", "job.yaml:2:1: error: not YAML: ");
  refused("job: \"x\n", "error: not YAML: ");
  refused("\tjob: x\n", "error: not YAML: ");
  refused("a: b: c\n", "error: not YAML: ");
  refused("job: {name: x}\n---\nagents: []\n", "a second document begins here; wanted one");
}

/* Two thousand keys of an environment are enough; so are 200 problems. */
static void test_bounds(void)
{
  GString *many = g_string_new("job: {name: x}\nagents: [{id: a, command: [s], environment: {");
  for (int i = 0; i <= 2000; i++)
    g_string_append_printf(many, "A%d: 1, ", i);
  g_string_append(many, "}}]\n");
  refused(many->str, "'agents[0].environment': ");
  g_string_free(many, TRUE);
  g_autofree char *noise = repeated("job: {name: x}\nagents: [", "{id: '?'}, ", 1000, "]\n");
  g_autoptr(Problems) problems = problems_new();
  g_assert_null(read_text(noise, strlen(noise), false, problems));
  g_assert_cmpuint(problems->items->len, ==, PROBLEMS_MAX);
  g_assert_cmpint(problems->errors, >=, 2000);
  g_autofree char *said = problems_text(problems);
  g_assert_nonnull(strstr(said, "\n... and "));
}

/* Foreign text in a message cannot draw on a terminal. */
static void test_escaped(void)
{
  refused("job: {name: \"a\\e[31mb\"}\nagents: [{id: a, command: [s]}]\n",
          "'job.name': 'a\\x1b[31mb' is not a name");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  /* whoever takes quadratic time is ended */
  struct rlimit seconds = {.rlim_cur = 60, .rlim_max = 60};
  setrlimit(RLIMIT_CPU, &seconds);
  g_test_add_func("/formats/hostile/truncated", test_truncated);
  g_test_add_func("/formats/hostile/empty", test_empty);
  g_test_add_func("/formats/hostile/binary", test_binary);
  g_test_add_func("/formats/hostile/large", test_large);
  g_test_add_func("/formats/hostile/deep", test_deep);
  g_test_add_func("/formats/hostile/aliases", test_aliases);
  g_test_add_func("/formats/hostile/duplicates", test_duplicates);
  g_test_add_func("/formats/hostile/not-yaml", test_not_yaml);
  g_test_add_func("/formats/hostile/bounds", test_bounds);
  g_test_add_func("/formats/hostile/escaped", test_escaped);
  return g_test_run();
}
