/* `reeve node`: a node as a process of its own. Dials the server's unix socket; frames are lines of
 * JSON. */
#include "base/clock.h"
#include "base/error.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/system.h"
#include "model/frame.h"
#include "node/node.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { DIAL_FIRST_MS = 50, DIAL_MOST_MS = 5000 };

typedef struct Dialer {
  Loop *loop;
  Node *node;
  char *socket_path;
  struct bufferevent *stream; /* NULL = not connected */
  LoopTimer *timer;
  int64_t gap_ms;
} Dialer;

static void dial_send(const char *frame, void *data)
{
  Dialer *dialer = data;
  if (!dialer->stream)
    return;
  evbuffer_add(bufferevent_get_output(dialer->stream), frame, strlen(frame));
  evbuffer_add(bufferevent_get_output(dialer->stream), "\n", 1);
}

/* Full jitter: many nodes that lost one server do not come back in one moment. */
static void dial_later(Dialer *dialer)
{
  dialer->gap_ms = MIN(dialer->gap_ms * 2, DIAL_MOST_MS);
  loop_timer_set(dialer->timer, clock_boot_ms() + g_random_int_range(DIAL_FIRST_MS / 2,
                                                                     (gint32)dialer->gap_ms + 1));
}

static void dial_on_event(struct bufferevent *stream, short what, void *data)
{
  Dialer *dialer = data;
  (void)what;
  log_info("link to the server lost", "socket=%s", dialer->socket_path);
  bufferevent_free(stream);
  dialer->stream = NULL;
  node_link_down(dialer->node);
  dial_later(dialer);
}

static void dial_on_read(struct bufferevent *stream, void *data)
{
  Dialer *dialer = data;
  struct evbuffer *in = bufferevent_get_input(stream);
  size_t length;
  for (char *line = evbuffer_readln(in, &length, EVBUFFER_EOL_LF); line;
       line = evbuffer_readln(in, &length, EVBUFFER_EOL_LF)) {
    node_receive(dialer->node, line, length);
    system_free_wiped(line); /* secrets come this way */
  }
  if (evbuffer_get_length(in) > FRAME_BYTES_MAX)
    dial_on_event(stream, BEV_EVENT_ERROR, dialer);
}

static void dial_now(void *data)
{
  Dialer *dialer = data;
  g_autofree char *directory = g_path_get_dirname(dialer->socket_path);
  g_autofree char *name = g_path_get_basename(dialer->socket_path);
  int dir = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC),
      fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", dir, name);
  bool up = dir >= 0 && fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  if (dir >= 0)
    close(dir);
  if (!up) {
    if (fd >= 0)
      close(fd);
    dial_later(dialer);
    return;
  }
  dialer->gap_ms = DIAL_FIRST_MS;
  dialer->stream = bufferevent_socket_new(loop_base(dialer->loop), fd, BEV_OPT_CLOSE_ON_FREE);
  bufferevent_setcb(dialer->stream, dial_on_read, NULL, dial_on_event, dialer);
  bufferevent_enable(dialer->stream, EV_READ | EV_WRITE);
  node_link_up(dialer->node, dial_send, dialer);
}

/* A lost terminal ends no node: agents run on, and nobody would look after them. */
static void dial_on_hangup(void *data)
{
  (void)data;
  log_info("hangup ignored", "signal=SIGHUP");
}

static void dial_on_signal(void *data)
{
  loop_stop(data);
}

int node_main(const NodeOptions *options)
{
  fs_crash_role("node");
  system_keep_memory_private();
  loop_wipe_memory();
  system_prepare_files();
  if (options->verbose)
    log_set_level(LOG_LEVEL_DEBUG);
  Loop *loop = loop_new();
  NodeConfig config = {.state_dir = options->data_dir,
                       .node_id = "local",
                       .shim_path = options->shim_path,
                       .reeve_path = options->reeve_path,
                       .agents_user = options->agents_user};
  g_autoptr(GError) error = NULL;
  Node *node = node_new(loop, &config, &error);
  if (!node) {
    log_error("node did not start", "error=\"%s\"", error->message);
    loop_free(loop);
    return reeve_error_exit(error->code);
  }
  signal(SIGHUP, SIG_IGN); /* the terminal that it was started from may close */
  Dialer dialer = {.loop = loop,
                   .node = node,
                   .socket_path = g_strdup(options->server_socket),
                   .gap_ms = DIAL_FIRST_MS};
  dialer.timer = loop_timer_new(loop, dial_now, &dialer);
  LoopWatch *signals[] = {loop_signal_new(loop, SIGTERM, dial_on_signal, loop),
                          loop_signal_new(loop, SIGINT, dial_on_signal, loop),
                          loop_signal_new(loop, SIGHUP, dial_on_hangup, loop)};
  dial_now(&dialer);
  loop_run(loop);
  log_info("node leaves; agents stay", "data_dir=%s", options->data_dir);
  if (dialer.stream)
    bufferevent_free(dialer.stream);
  loop_timer_free(dialer.timer);
  g_free(dialer.socket_path);
  node_free(node);
  for (size_t i = 0; i < G_N_ELEMENTS(signals); i++)
    loop_watch_free(signals[i]);
  loop_free(loop);
  return 0;
}
