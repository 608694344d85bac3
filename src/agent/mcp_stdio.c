/* An MCP server that is a child process: messages are lines of its standard input and output, its
 * standard error goes to our log. It has a process group of its own, and nothing of the group
 * outlives the link. */
#include "agent/child.h"
#include "agent/mcp_link.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

enum {
  UNREAD_MAX = 4 * 1024 * 1024, /* bytes that a server may leave unread in our memory */
  SAID_MAX = 500,               /* of a line of standard error */
  STOP_MS = 2000,               /* from SIGTERM to SIGKILL */
  CLOSED_MS = 200,              /* from the end of its standard output to SIGTERM */
  GARBAGE_LINES = 10            /* lines that are no messages and are shown, of one process */
};

struct McpLink {
  const McpSetup *setup;
  const McpEvents *events;
  void *data;
  Child *child;
  LoopTimer *timer; /* until the next signal */
  McpReader out, err;
  char *last_said; /* the last line of standard error */
  char *stop_why;  /* why we ended it, NULL = we did not */
  int garbage;
  bool errors_end; /* a line without an end: it is not read on */
};

/* Asks the process to end, in the way of the protocol and in that of Unix; by force after STOP_MS.
 */
static void link_end(McpLink *link, const char *why)
{
  if (link->stop_why)
    return;
  link->stop_why = g_strdup(why);
  child_close_input(link->child);
  child_signal(link->child, SIGTERM);
  loop_timer_set(link->timer, clock_boot_ms() + STOP_MS);
}

static void link_on_timer(void *data)
{
  McpLink *link = data;
  if (link->stop_why)
    child_signal(link->child, SIGKILL);
  else
    link_end(link, "it closed its standard output");
}

/* ---- its standard input ---- */

static void link_on_refused(void *data)
{
  link_end(data, "it closed its standard input");
}

static bool stdio_send(McpLink *link, int64_t id, const char *json, size_t length)
{
  (void)id;
  if (!child_takes_input(link->child) || child_unread(link->child) + length > UNREAD_MAX)
    return false;
  child_write(link->child, json, length);
  child_write(link->child, "\n", 1);
  return true;
}

/* ---- its standard output ---- */

/* A line that is no message: most often a banner, and shown. What begins as an object may be an
 * answer, whose content is nobody's business; the request that it names is told at once. */
static void link_garbage(McpLink *link, const char *text, size_t length, const char *why)
{
  bool object = text[strspn(text, " \t")] == '{';
  int64_t id = object ? mcp_find_id(text, length) : -1;
  g_autofree char *shown = text_escape(object ? "{..." : text, 120);
  if (link->garbage++ < GARBAGE_LINES)
    log_warn("mcp server said what is no message", "mcp=%s why=\"%s\" text=\"%s\"",
             link->setup->name, why, shown);
  g_autofree char *told = g_strdup_printf("its answer is not a valid message: %s", why);
  if (id > 0)
    link->events->lost(id, told, MCP_LOST_ANSWER, link->data);
}

static bool link_take_output(McpPiece piece, const char *text, size_t length, void *data)
{
  McpLink *link = data;
  if (piece == MCP_PIECE_ENDLESS) {
    link_end(link, "it wrote a line without an end");
    return false;
  }
  if (piece == MCP_PIECE_TOO_LONG) {
    link->events->lost(0, "the MCP server wrote a line of more than 1 MiB", MCP_LOST_ANSWER,
                       link->data);
    return child_gives_output(link->child);
  }
  g_autoptr(GError) error = NULL;
  g_autoptr(GPtrArray) messages = mcp_parse(text, length, &error);
  if (!messages)
    link_garbage(link, text, length, error->message);
  for (guint i = 0; messages && i < messages->len; i++)
    link->events->message(messages->pdata[i], link->data);
  return child_gives_output(link->child);
}

static void link_on_output(const char *bytes, size_t length, void *data)
{
  McpLink *link = data;
  if (!mcp_read_lines(&link->out, bytes, length, link_take_output, link))
    child_close_output(link->child);
}

/* Most often since it has just ended: its exit code says more. */
static void link_on_output_ended(void *data)
{
  McpLink *link = data;
  if (!link->stop_why)
    loop_timer_set(link->timer, clock_boot_ms() + CLOSED_MS);
}

/* ---- its standard error ---- */

static bool link_take_errors(McpPiece piece, const char *text, size_t length, void *data)
{
  (void)length;
  McpLink *link = data;
  if (piece != MCP_PIECE_WHOLE)
    return piece == MCP_PIECE_TOO_LONG;
  g_free(link->last_said);
  link->last_said = text_escape(text, SAID_MAX);
  log_info("mcp server says", "mcp=%s text=\"%s\"", link->setup->name, link->last_said);
  return true;
}

static void link_on_errors(const char *bytes, size_t length, void *data)
{
  McpLink *link = data;
  link->errors_end =
      link->errors_end || !mcp_read_lines(&link->err, bytes, length, link_take_errors, link);
}

/* ---- its end ---- */

static void link_on_ended(const siginfo_t *info, void *data)
{
  McpLink *link = data;
  g_autofree char *why = link->stop_why ? g_strdup(link->stop_why)
                         : info->si_code == CLD_EXITED
                             ? g_strdup_printf("it ended with code %d", info->si_status)
                             : g_strdup_printf("it was killed by signal %d", info->si_status);
  g_autofree char *full =
      link->last_said ? g_strdup_printf("%s: %s", why, link->last_said) : g_steal_pointer(&why);
  link->events->gone(full, link->data);
}

static bool stdio_stop(McpLink *link)
{
  link_end(link, "it was stopped");
  child_close_output(link->child);
  return false;
}

static void stdio_quit(McpLink *link)
{
  child_mute(link->child);
  child_signal(link->child, SIGTERM);
}

static void stdio_free(McpLink *link, int64_t until_ms)
{
  child_free(link->child, MIN(until_ms, clock_boot_ms() + STOP_MS));
  loop_timer_free(link->timer);
  mcp_reader_clear(&link->out);
  mcp_reader_clear(&link->err);
  g_free(link->last_said);
  g_free(link->stop_why);
  g_free(link);
}

/* ---- its beginning ---- */

static const ChildEvents link_child_events = {.output = link_on_output,
                                              .output_ended = link_on_output_ended,
                                              .errors = link_on_errors,
                                              .input_refused = link_on_refused,
                                              .ended = link_on_ended};

static McpLink *stdio_open(Loop *loop, HttpClient *client, const McpSetup *setup,
                           const McpEvents *events, void *data, GError **error)
{
  (void)client;
  ChildSpec spec = {
      .what = "", .argv = setup->argv, .environment = setup->environment, .cwd = setup->cwd};
  McpLink *link = g_new0(McpLink, 1);
  *link = (McpLink){.setup = setup, .events = events, .data = data};
  link->child = child_start(loop, &spec, &link_child_events, link, error);
  if (!link->child) {
    g_free(link);
    return NULL;
  }
  link->timer = loop_timer_new(loop, link_on_timer, link);
  return link;
}

static void stdio_settled(McpLink *link, const char *version)
{
  (void)link;
  (void)version;
}

static void stdio_forget(McpLink *link, int64_t id)
{
  (void)link;
  (void)id;
}

const McpTransport mcp_stdio = {.open = stdio_open,
                                .send = stdio_send,
                                .settled = stdio_settled,
                                .forget = stdio_forget,
                                .stop = stdio_stop,
                                .quit = stdio_quit,
                                .free = stdio_free};
