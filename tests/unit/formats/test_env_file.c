/* Env files: what each line gives, and what is said of a line that gives nothing. */
#include "formats/env_file.h"

#include <string.h>

static const char *lookup(const char *name, void *data)
{
  (void)data;
  return strcmp(name, "WHO") == 0 ? "ann" : NULL;
}

static void note(int line, const char *what, void *data)
{
  g_string_append_printf(data, "%d: %s\n", line, what);
}

/* Every pair as NAME=[value], one a line, then what was said. */
static char *read_all(const char *text, FormatVarFn variable)
{
  g_autoptr(GString) said = g_string_new(NULL);
  GString *out = g_string_new(NULL);
  StrMap map;
  strmap_init(&map);
  env_file_read(text, &(EnvFileReader){.variable = variable, .wrong = note, .data = said}, &map);
  for (guint i = 0; i < strmap_size(&map); i++)
    g_string_append_printf(out, "%s=[%s]\n", strmap_at(&map, i)->key, strmap_at(&map, i)->value);
  strmap_done(&map);
  g_string_append(out, said->str);
  return g_string_free(out, FALSE);
}

static void test_lines(void)
{
  static const char *const rows[][2] = {
      {"", ""},
      {"# only\n\n  # comments", ""},
      {"\xef\xbb\xbf"
       "FIRST=1\n",
       "FIRST=[1]\n"},
      {"export TOKEN=x\nexport\tB=y\nexported=1", "TOKEN=[x]\nB=[y]\nexported=[1]\n"},
      {"A=first\nB=2\nA=second", "A=[second]\nB=[2]\n"},
      {"A=1\r\nB=\"x\"\r\nC=\"one\r\ntwo\"\r\n", "A=[1]\nB=[x]\nC=[one\ntwo]\n"},
      {"A=1\rB=2\r", "A=[1]\nB=[2]\n"},
      {"K=\"line one\nB=two\nC=three\"\nD=4", "K=[line one\nB=two\nC=three]\nD=[4]\n"},
      {"K='-----BEGIN KEY-----\nab+/=\n-----END KEY-----'\n",
       "K=[-----BEGIN KEY-----\nab+/=\n-----END KEY-----]\n"},
      {"A=\"v\" # note\nB='v' #note\nC=v # note\nD=v#no\nE=#no\nF= # note\nG=\"a # b\"",
       "A=[v]\nB=[v]\nC=[v]\nD=[v#no]\nE=[#no]\nF=[]\nG=[a # b]\n"},
      {"A=\nB=\"\"\nC=''\nD = two words \n E\t=\t1", "A=[]\nB=[]\nC=[]\nD=[two words]\nE=[1]\n"},
      {"A=\"a\\nb\\tc\\r\\\"d\\\\e\\x\"\nB='a\\nb'\nC=a\\nb",
       "A=[a\nb\tc\r\"d\\e\\x]\nB=[a\\nb]\nC=[a\\nb]\n"},
      {"A=a=b\nB={\"x\": [1, 'y']}\nC=it's\nD=say \"hi\"",
       "A=[a=b]\nB=[{\"x\": [1, 'y']}]\nC=[it's]\nD=[say \"hi\"]\n"},
      {"H=$2y$10$abc\nP=a$$b$\nL=$WHO", "H=[$2y$10$abc]\nP=[a$$b$]\nL=[$WHO]\n"},
      {"A=${WHO}s\nB=\"${WHO} ${NONE:-x}\"\nC='${WHO}'\nD=$${WHO}\nE=\"\\${WHO} \\$5\"",
       "A=[anns]\nB=[ann x]\nC=[${WHO}]\nD=[${WHO}]\nE=[${WHO} $5]\n"},
      {"WHO=bob\nA=${WHO}", "WHO=[bob]\nA=[bob]\n"},
      {"my-key.x=1\n\xc3\xbc=2", "my-key.x=[1]\n\xc3\xbc=[2]\n"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *got = read_all(rows[i][0], lookup);
    g_assert_cmpstr(got, ==, rows[i][1]);
  }
}

static void test_wrong(void)
{
  static const char *const rows[][2] = {
      {"A=\"open\nB=2\n", "B=[2]\n1: the quote \" is not closed\n"},
      {"\nA='open", "2: the quote ' is not closed\n"},
      {"A=\"x\"y\nB='x'#y\nC=3",
       "C=[3]\n1: there is text behind the closing quote \"\n2: there is text behind the closing quote '\n"},
      {"A=\"x\ny\" z\nB=2", "B=[2]\n2: there is text behind the closing quote \"\n"},
      {"=1\nno equals sign\nA B=1",
       "1: wanted NAME=value\n2: wanted NAME=value\n3: wanted NAME=value\n"},
      {"export A",
       "1: wanted NAME=value; write A= for an empty value, or A=${A} for the one that is set here\n"},
      {"\nA=x\nB=\"\n${NONE}\"",
       "A=[x]\nB=[\n]\n3: variable 'NONE' is not set; set it, or write ${NONE:-default}, or $${NONE} for the text itself, or put the value in "
       "'...'\n"},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *got = read_all(rows[i][0], lookup);
    g_assert_cmpstr(got, ==, rows[i][1]);
  }
}

/* Without a source of variables a dollar sign means nothing. */
static void test_plain(void)
{
  g_autofree char *got = read_all("A=${WHO}\nB=\"\\${WHO}\"\nC=$${WHO}", NULL);
  g_assert_cmpstr(got, ==, "A=[${WHO}]\nB=[${WHO}]\nC=[$${WHO}]\n");
}

/* However long a file is, reading it ends soon. */
static void test_many(void)
{
  g_autoptr(GString) text = g_string_new(NULL);
  g_autoptr(GString) said = g_string_new(NULL);
  for (int i = 0; i < 100000; i++)
    g_string_append_printf(text, "N%d=%d\n", i, i);
  StrMap map;
  strmap_init(&map);
  env_file_read(text->str, &(EnvFileReader){.wrong = note, .data = said}, &map);
  g_assert_cmpuint(strmap_size(&map), ==, JOB_FILE_MAP_MAX + 1);
  strmap_done(&map);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/formats/env-file/lines", test_lines);
  g_test_add_func("/formats/env-file/wrong", test_wrong);
  g_test_add_func("/formats/env-file/plain", test_plain);
  g_test_add_func("/formats/env-file/many", test_many);
  return g_test_run();
}
