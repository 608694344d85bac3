/* Log records as a person sees them: parts joined, and nothing but colours let through to a
 * terminal. */
#include "cli/log_lines.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void harmless_is(const char *text, const char *wanted)
{
  g_autofree char *got = log_lines_harmless(text, strlen(text));
  g_assert_cmpstr(got, ==, wanted);
}

static void test_colours_pass(void)
{
  harmless_is("plain\ttext grün", "plain\ttext grün");
  harmless_is("\033[31mred\033[0m", "\033[31mred\033[0m");
  harmless_is("\033[1;38;5;200mx\033[m", "\033[1;38;5;200mx\033[m");
  harmless_is("\033[38:2::1:2:3mx", "\033[38:2::1:2:3mx");
}

static void test_everything_else_does_not(void)
{
  harmless_is("\033[2Jgone", "?[2Jgone");         /* clear */
  harmless_is("\033[1;1Hhome", "?[1;1Hhome");     /* move */
  harmless_is("\033[?25lhidden", "?[?25lhidden"); /* private mode */
  harmless_is("\033[6n", "?[6n");                 /* asks the terminal to type */
  harmless_is("\033[>4;1m", "?[>4;1m");           /* ends in m and is no colour */
  harmless_is("\033]0;title\007", "?]0;title?");  /* OSC */
  harmless_is("\033[31", "?[31");                 /* cut off */
  harmless_is("\033", "?");
  harmless_is("\033\033[31mx", "?\033[31mx");
  harmless_is("a\rb\bc\177d", "a?b?c?d");
  harmless_is("\302\2332J", "?2J"); /* U+009B, a CSI in one character */
  harmless_is("\302\240", "\302\240");
  harmless_is("a\u202ecba", "a?cba"); /* right to left from here on */
}

/* What log_lines_feed prints of @bytes, given in pieces of @piece. */
static char *printed_on(bool terminal, const char *bytes, size_t piece)
{
  char name[] = "/tmp/reeve-lines-XXXXXX";
  int fd = mkstemp(name), kept = dup(STDOUT_FILENO);
  fflush(stdout);
  dup2(fd, STDOUT_FILENO);
  Cli cli = {.output = OUTPUT_TABLE};
  LogLines lines;
  log_lines_init(&lines, &cli);
  lines.terminal = terminal;
  for (size_t at = 0, length = strlen(bytes); at < length; at += piece)
    g_assert_true(log_lines_feed(&lines, bytes + at, MIN(piece, length - at)));
  log_lines_done(&lines);
  fflush(stdout);
  dup2(kept, STDOUT_FILENO);
  close(kept);
  close(fd);
  char *text = NULL;
  g_assert_true(g_file_get_contents(name, &text, NULL, NULL));
  unlink(name);
  return text;
}

static char *printed(const char *bytes, size_t piece)
{
  return printed_on(false, bytes, piece);
}

#define RECORD(agent, stream, partial, text)                                     \
  "{\"agent\":\"" agent "\",\"instance\":\"ins_" agent "\",\"stream\":\"" stream \
  "\",\"partial\":" partial ",\"text\":\"" text "\"}\n"

static void test_parts_join(void)
{
  const char *records = RECORD("a", "stdout", "true", "Name: ")
      RECORD("a", "stdout", "false", "Ann") RECORD("a", "stdout", "false", "next");
  for (size_t piece = 1; piece < 200; piece += 7) {
    g_autofree char *text = printed(records, piece);
    g_assert_cmpstr(text, ==, "a | Name: Ann\na | next\n");
  }
}

static void test_others_interrupt(void)
{
  g_autofree char *text =
      printed(RECORD("a", "stdout", "true", "Na") RECORD("b", "stdout", "false", "me")
                  RECORD("a", "stdout", "false", "me") RECORD("a", "stdout", "true", "x")
                      RECORD("a", "stderr", "false", "y"),
              1000);
  g_assert_cmpstr(text, ==, "a | Na\nb | me\na | me\na | x\na | y\n");
}

static void test_an_unfinished_line_ends_with_the_stream(void)
{
  g_autofree char *text =
      printed(RECORD("a", "stdout", "true", "prompt> ") "not json\n{\"agent\":\"a\"}\n", 1000);
  g_assert_cmpstr(text, ==, "a | prompt> \n");
}

/* On a terminal a bar shows its last state, in its place; the return of CRLF is not there. In a
 * pipe everything is as it was written. */
static void test_carriage_returns(void)
{
  static const struct {
    const char *records, *wanted;
  } rows[] = {{RECORD("a", "stdout", "false", "line\\r"), "a | line\n"},
              {RECORD("a", "stdout", "false", "10%\\r20%\\r30%"), "a | 30%\n"},
              {RECORD("a", "stdout", "false", "\\r\\r"), "a | \n"},
              {RECORD("a", "stdout", "true", "9 of ten\\r")
                   RECORD("a", "stdout", "false", "done\\r"),
               "a | 9 of ten\ra | done    \n"},
              {RECORD("a", "stdout", "true", "10%\\r20%") RECORD("a", "stdout", "true", "\\r30%\\r")
                   RECORD("a", "stdout", "false", ""),
               "a | 20%\ra | 30%\n"},
              {RECORD("a", "stdout", "true", "Name: ") RECORD("a", "stdout", "false", "Ann\\r"),
               "a | Name: Ann\n"},
              {RECORD("a", "stdout", "true", "10%\\r") RECORD("b", "stdout", "false", "x")
                   RECORD("a", "stdout", "false", "20%"),
               "a | 10%\nb | x\na | 20%\n"}};
  for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
    g_autofree char *text = printed_on(true, rows[i].records, 1000);
    g_assert_cmpstr(text, ==, rows[i].wanted);
  }
  g_autofree char *piped = printed(rows[1].records, 1000);
  g_assert_cmpstr(piped, ==, "a | 10%\r20%\r30%\n");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/log-lines/colours-pass", test_colours_pass);
  g_test_add_func("/log-lines/everything-else-does-not", test_everything_else_does_not);
  g_test_add_func("/log-lines/parts-join", test_parts_join);
  g_test_add_func("/log-lines/others-interrupt", test_others_interrupt);
  g_test_add_func("/log-lines/unfinished", test_an_unfinished_line_ends_with_the_stream);
  g_test_add_func("/log-lines/carriage-returns", test_carriage_returns);
  return g_test_run();
}
