/* Owns the tools of an agent. No kind of tool is known here yet: an agent has none, and a call of one says so. */
#include "agent/tools.h"

#include "base/clock.h"

#include <string.h>

struct Tools {
  Loop *loop;
};

struct ToolRun {
  LoopTimer *timer;
  char *text;
  ToolDone done;
  void *data;
};

Tools *tools_new(Loop *loop, HttpClient *client, const AgentFile *file)
{
  (void)client;
  (void)file;
  Tools *tools = g_new0(Tools, 1);
  tools->loop = loop;
  return tools;
}

void tools_free(Tools *tools)
{
  g_free(tools);
}

const char *tools_json(Tools *tools)
{
  (void)tools;
  return NULL;
}

static void tool_run_on_timer(void *data)
{
  ToolRun *run = data;
  ToolResult result = {.text = run->text, .length = strlen(run->text)};
  run->done(&result, run->data);
  tool_run_cancel(run);
}

ToolRun *tools_call(Tools *tools, const char *name, const char *arguments, int64_t timeout_ms, ToolDone done, void *data)
{
  (void)arguments;
  (void)timeout_ms;
  ToolRun *run = g_new0(ToolRun, 1);
  *run = (ToolRun){.text = g_strdup_printf("there is no tool '%s'", name), .done = done, .data = data};
  run->timer = loop_timer_new(tools->loop, tool_run_on_timer, run);
  loop_timer_set(run->timer, clock_boot_ms());
  return run;
}

void tool_run_cancel(ToolRun *run)
{
  if (!run)
    return;
  loop_timer_free(run->timer);
  g_free(run->text);
  g_free(run);
}

void tools_status(const Tools *tools, GString *out)
{
  (void)tools;
  (void)out;
}

void tools_metrics(const Tools *tools, GString *out)
{
  (void)tools;
  (void)out;
}
