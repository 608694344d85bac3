/* Variables in agent files, and where keys stand. */
#include "formats/expand.h"

#include <string.h>

static const char *lookup(const char *name, void *data)
{
  (void)data;
  return strcmp(name, "WHO") == 0     ? "me"
         : strcmp(name, "EVIL") == 0  ? "a\"b\\c\nd"
         : strcmp(name, "EMPTY") == 0 ? ""
                                      : NULL;
}

static char *expand(const char *text, Problems *problems)
{
  return expand_text(text, strlen(text), "a.toml", lookup, NULL, problems);
}

static void test_values(void)
{
  static const char *const rows[][2] = {
      {"a = \"${WHO}\"", "a = \"me\""},
      {"a = \"${WHO}x${WHO}.y\"", "a = \"mexme.y\""},
      {"a = \"$WHO $$ $ 5$ $${WHO} $$${WHO}\"", "a = \"$WHO $$ $ 5$ ${WHO} $${WHO}\""},
      {"a = \"for i in a; do echo $i; done\"", "a = \"for i in a; do echo $i; done\""},
      {"a = '${WHO}' # ${NOPE} \"${NOPE}\"\nb = \"${WHO}\"",
       "a = '${WHO}' # ${NOPE} \"${NOPE}\"\nb = \"me\""},
      {"a = \"\"\"one \"${WHO}\"\ntwo\"\"\"", "a = \"\"\"one \"me\"\ntwo\"\"\""},
      {"a = '''${NOPE} '' \"'''\nb = \"${EMPTY}\"", "a = '''${NOPE} '' \"'''\nb = \"\""},
      {"a = \"\\\"${WHO}\"", "a = \"\\\"me\""},
      {"{\"a\": \"#${WHO}\", \"b\": \"it's ${WHO}\"}", "{\"a\": \"#me\", \"b\": \"it's me\"}"},
      {"a = \"${EVIL}\"", "a = \"a\\\"b\\\\c\\u000ad\""},
      {"a = \"${NOPE:-x\\\\y} ${EMPTY:-z} ${WHO:-no}\"", "a = \"x\\\\y z me\""},
      {"a = \"${NOPE-x y} [${EMPTY-z}] ${WHO-no} ${NOPE-}\"", "a = \"x y [] me \""},
      {"a = \"${WHO:?say who} [${EMPTY?say it}]\"", "a = \"me []\""},
      {"a = \"${NOPE:-a-b:?c} ${NOPE-a:-b}\"", "a = \"a-b:?c a:-b\""},
      {"{\"a\": \"${NOPE:-x\\y} ${EMPTY:-z} ${NOPE-w} ${WHO:?no} $${WHO} $WHO\"}",
       "{\"a\": \"x\\y z w me ${WHO} $WHO\"}"},
      {"a = \"open ${WHO}", "a = \"open me"},
      {"[mcp_servers.m]\ncommand = \"$WHO\"\nargs = [\n[\"x\"], \"$WHO.d\", \"$i $5 $$WHO $\"]\n[llm]\nprompt = \"$WHO\"",
       "[mcp_servers.m]\ncommand = \"me\"\nargs = [\n[\"x\"], \"me.d\", \"$i $5 $$WHO $\"]\n[llm]\nprompt = \"$WHO\""},
      {"[sub_agents.\"a b\"]\nauth_token = \"$WHO\" # $WHO\n[[ mcp_servers ]]\nx = '$WHO'\ny = \"$EVIL\"\n",
       "[sub_agents.\"a b\"]\nauth_token = \"me\" # $WHO\n[[ mcp_servers ]]\nx = '$WHO'\ny = \"a\\\"b\\\\c\\u000ad\"\n"},
      {"{\"a\": \"$WHO\", \"mcp_servers\": {\"m\": {\"command\": \"$WHO\", \"args\": [\"$WHO.d\", \"$i $5 $$WHO $\"]}}, \"llm\": {\"prompt\": \"$WHO\"}}",
       "{\"a\": \"$WHO\", \"mcp_servers\": {\"m\": {\"command\": \"me\", \"args\": [\"me.d\", \"$i $5 $$WHO $\"]}}, \"llm\": {\"prompt\": \"$WHO\"}}"},
      {"{\"x\": {\"mcp_servers\": {\"y\": \"$WHO\"}}, \"sub_agents\":\n{\"s\": {\"auth_token\": \"$EVIL\"}}}",
       "{\"x\": {\"mcp_servers\": {\"y\": \"$WHO\"}}, \"sub_agents\":\n{\"s\": {\"auth_token\": \"a\\\"b\\\\c\\u000ad\"}}}"},
      {"", ""},
  };
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Problems) problems = problems_new();
    g_autofree char *out = expand(rows[i][0], problems);
    g_assert_cmpstr(out, ==, rows[i][1]);
    g_assert_cmpint(problems->errors, ==, 0);
  }
}

static void test_unknown(void)
{
  static const struct {
    const char *text;
    int line, column;
    const char *wrong;
  } rows[] = {
      {"a = \"x\"\nb = \"y ${NOPE}\"", 2, 8,
       "variable 'NOPE' is not set; set it, or write ${NOPE:-default}, or $${NOPE} for the text itself"},
      {"a = \"${WHO\"\nb = \"}\"", 1, 6, "'${' without '}' in '${WHO'; write $${ for a literal ${"},
      {"a = \"${}\"", 1, 6,
       "'${}': wanted ${NAME}, ${NAME:-text}, ${NAME-text} or ${NAME:?message}; write $${ for a literal ${"},
      {"a = \"${WHO:+x}\"", 1, 6,
       "'${WHO:+x}': wanted ${NAME}, ${NAME:-text}, ${NAME-text} or ${NAME:?message}; write $${ for a literal ${"},
      {"{\"a\":\n\"${EMPTY:?say how}\"}", 2, 2, "variable 'EMPTY' is empty: say how"},
      {"a = \"${NOPE?}\"", 1, 6, "variable 'NOPE' is not set"},
      {"a = \"\"\"\n\n ${NOPE:?say who}\"\"\"", 3, 2, "variable 'NOPE' is not set: say who"}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autoptr(Problems) problems = problems_new();
    g_assert_null(expand(rows[i].text, problems));
    const Problem *problem = problems->items->pdata[0];
    g_assert_cmpint(problem->line, ==, rows[i].line);
    g_assert_cmpint(problem->column, ==, rows[i].column);
    g_assert_cmpstr(problem->message, ==, rows[i].wrong);
  }
}

static void test_locate(void)
{
  static const char toml[] = "[agent]\nname = \"x\"\n[deployment]\n  port = \"y\"\n",
                    json[] = "{\n \"agent\": {\"name\": \"x\"},\n \"deployment\": {\"port\": 1}}";
  static const struct {
    const char *text, *section, *key;
    int line, column;
  } rows[] = {{toml, "deployment", "port", 4, 3}, {toml, "agent", "name", 2, 1},
              {toml, NULL, "port", 4, 3},         {toml, "agent", "nope", 1, 1},
              {toml, "deployment", NULL, 3, 1},   {json, "deployment", "port", 3, 17},
              {json, "agent", "name", 2, 12}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
    SourcePos pos = expand_locate(rows[i].text, "f", rows[i].section, rows[i].key);
    g_assert_cmpint(pos.line, ==, rows[i].line);
    g_assert_cmpint(pos.column, ==, rows[i].column);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/expand/values", test_values);
  g_test_add_func("/expand/unknown", test_unknown);
  g_test_add_func("/expand/locate", test_locate);
  return g_test_run();
}
