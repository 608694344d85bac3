/* PortBook that are held between reserve and start: who gets which, who is named, and what is given
 * back. */
#include "node/ports.h"

#include "drivers/check.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A listener on a port that the kernel chose. */
static int listener(int *port)
{
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  g_assert_true(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0);
  g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &length), ==, 0);
  *port = ntohs(address.sin_port);
  return fd;
}

static int free_port(void)
{
  int port, fd = listener(&port);
  close(fd);
  return port;
}

static bool can_listen(int port)
{
  int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bool ok = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 1) == 0;
  close(fd);
  return ok;
}

static Frame *reserve_frame(int64_t request, int port_base)
{
  Frame *frame = frame_new(FRAME_RESERVE);
  frame->request = request;
  frame->port_base = port_base;
  return frame;
}

static InstanceSpec *add(Frame *frame, const char *id, int port, bool fixed)
{
  Instruction *instruction = instruction_new(id, 1, 1);
  instruction->spec = instance_spec_new();
  instruction->spec->argv = g_strdupv((char *[]){(char *)"/bin/true", NULL});
  instruction->spec->working_dir = g_strdup("/");
  instruction->spec->port = port;
  instruction->port_fixed = fixed;
  g_ptr_array_add(frame->instructions, instruction);
  return instruction->spec;
}

static const Reservation *reservation(const Frame *reserved, guint i)
{
  g_assert_cmpuint(reserved->reservations->len, >, i);
  return reserved->reservations->pdata[i];
}

static void test_held_until_given_back(void)
{
  PortBook *ports = port_book_new();
  int port = free_port();
  g_autoptr(Frame) reserve = reserve_frame(7, 20000);
  add(reserve, "ins_a", port, true);
  g_autoptr(Frame) reserved = port_book_reserve(ports, reserve, NULL);
  g_assert_cmpint(reserved->request, ==, 7);
  g_assert_cmpint(reservation(reserved, 0)->port, ==, port);
  g_assert_null(reservation(reserved, 0)->error);
  g_assert_false(can_listen(port));
  port_book_release_instance(ports, "ins_b");
  port_book_release_request(ports, 8);
  g_assert_false(can_listen(port));
  port_book_release_request(ports, 7);
  g_assert_true(can_listen(port));
  g_autoptr(Frame) again = port_book_reserve(ports, reserve, NULL);
  g_assert_cmpint(reservation(again, 0)->port, ==, port);
  g_assert_false(can_listen(port));
  port_book_release_request(ports, 0); /* of every request */
  g_assert_true(can_listen(port));
  port_book_free(ports);
}

static void test_asked_twice(void)
{
  PortBook *ports = port_book_new();
  int port = free_port();
  for (int round = 0; round < 2; round++) {
    g_autoptr(Frame) reserve = reserve_frame(round, 20000);
    add(reserve, "ins_a", port, true);
    g_autoptr(Frame) reserved = port_book_reserve(ports, reserve, NULL);
    g_assert_cmpint(reservation(reserved, 0)->port, ==, port);
  }
  port_book_release_instance(ports, "ins_a");
  g_assert_true(can_listen(port));
  port_book_free(ports);
}

static void test_a_fixed_port_that_is_taken(void)
{
  PortBook *ports = port_book_new();
  int port, fd = listener(&port);
  g_autoptr(Frame) reserve = reserve_frame(1, 20000);
  add(reserve, "ins_a", port, true);
  g_autoptr(Frame) reserved = port_book_reserve(ports, reserve, NULL);
  g_autofree char *wanted = g_strdup_printf("port %d is in use by pid %d (", port, (int)getpid());
  g_assert_cmpint(reservation(reserved, 0)->port, ==, 0);
  g_assert_true(g_str_has_prefix(reservation(reserved, 0)->error, wanted));
  close(fd);
  port_book_free(ports);
}

static void test_an_automatic_port_moves_on(void)
{
  PortBook *ports = port_book_new();
  int port, fd = listener(&port);
  g_autoptr(Frame) reserve = reserve_frame(1, port);
  add(reserve, "ins_a", port, false);
  add(reserve, "ins_b", port, false);
  g_autoptr(Frame) reserved = port_book_reserve(ports, reserve, NULL);
  int first = reservation(reserved, 0)->port, second = reservation(reserved, 1)->port;
  g_assert_cmpint(first, >, port);
  g_assert_cmpint(second, >, first);
  port_book_free(ports);
  g_assert_true(can_listen(first) && can_listen(second));
  close(fd);
}

static void test_nothing_to_bind(void)
{
  PortBook *ports = port_book_new();
  g_autoptr(Frame) reserve = reserve_frame(1, 20000);
  add(reserve, "ins_a", 0, true);
  g_autoptr(Frame) reserved = port_book_reserve(ports, reserve, NULL);
  g_assert_cmpint(reservation(reserved, 0)->port, ==, 0);
  g_assert_null(reservation(reserved, 0)->error);
  port_book_free(ports);
}

static void refused(InstanceSpec *(*change)(InstanceSpec *spec), const char *wanted)
{
  PortBook *ports = port_book_new();
  int port = free_port();
  g_autoptr(Frame) reserve = reserve_frame(1, 20000);
  g_autoptr(GHashTable) refusals = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
  InstanceSpec *spec = change(add(reserve, "ins_a", port, true));
  g_hash_table_insert(refusals, (char *)"ins_a",
                      check_spec(spec, spec->user ? "no such user" : NULL));
  g_autoptr(Frame) reserved = port_book_reserve(ports, reserve, refusals);
  g_assert_nonnull(reservation(reserved, 0)->error);
  g_assert_nonnull(strstr(reservation(reserved, 0)->error, wanted));
  g_assert_true(can_listen(port));
  port_book_free(ports);
}

static InstanceSpec *with_command(InstanceSpec *spec, const char *command)
{
  g_strfreev(spec->argv);
  spec->argv = g_strdupv((char *[]){(char *)command, NULL});
  return spec;
}

static InstanceSpec *no_program(InstanceSpec *spec)
{
  return with_command(spec, "no-such-program-here");
}

static InstanceSpec *no_file(InstanceSpec *spec)
{
  return with_command(spec, "./no-such-file");
}

static InstanceSpec *not_executable(InstanceSpec *spec)
{
  return with_command(spec, "/etc/passwd");
}

static InstanceSpec *a_directory(InstanceSpec *spec)
{
  return with_command(spec, "/tmp");
}

static InstanceSpec *no_directory(InstanceSpec *spec)
{
  g_free(spec->working_dir);
  spec->working_dir = g_strdup("/no/such/directory");
  return spec;
}

static InstanceSpec *no_user(InstanceSpec *spec)
{
  spec->user = g_strdup("no-such-user");
  return spec;
}

static void test_what_could_not_start(void)
{
  refused(no_program, "command 'no-such-program-here': not found in PATH");
  refused(no_file, "command '/no-such-file': No such file");
  refused(not_executable, "not an executable file");
  refused(a_directory, "not an executable file");
  refused(no_directory, "working directory '/no/such/directory': not a directory");
  refused(no_user, "user 'no-such-user': no such user");
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/ports/held-until-given-back", test_held_until_given_back);
  g_test_add_func("/ports/asked-twice", test_asked_twice);
  g_test_add_func("/ports/fixed-and-taken", test_a_fixed_port_that_is_taken);
  g_test_add_func("/ports/automatic-moves-on", test_an_automatic_port_moves_on);
  g_test_add_func("/ports/nothing-to-bind", test_nothing_to_bind);
  g_test_add_func("/ports/what-could-not-start", test_what_could_not_start);
  return g_test_run();
}
