#pragma once
/* What we ask of the kernel. */
#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

/* Writes @digits random hex digits and NUL into @out, which has room for them; at most 64. Ends the
 * process when the kernel gives no randomness: what is made of it must not be guessed. */
void system_random_hex(char *out, size_t digits);
/* May the reason @error_number (an errno) be gone soon without anybody's doing: no memory, room,
 * process or descriptor left for the moment, a file that is just being written, a disk that does
 * not answer? */
bool system_may_pass(int error_number);
/* What of @events (POLLIN, POLLOUT), or POLLERR, POLLHUP and POLLNVAL, holds for the descriptor @fd
 * now; 0 = nothing. poll() that does not wait is cut short by a signal all the same: it is asked
 * again, so that a child that ends just now is taken for no answer. */
short system_poll_now(int fd, short events);
/* Raises the number of files that this process may have open to @wanted, as far as it may. */
void system_raise_files(guint64 wanted);
/* How many files this process was given leave to have open, before it raised that: what belongs to
 * the programs that it starts. */
guint64 system_files_given(void);
/* For a process that holds secrets, first of all: it writes no core dump, no other process of its
 * user may look into its memory, and what jansson held is overwritten when it is freed.
 * REEVE_DUMPABLE=1 leaves core dumps and debuggers possible. */
void system_keep_memory_private(void);
/* The limit of core dumps that this process was started with, before system_keep_memory_private
 * lowered it: what belongs to the programs that it starts. False when that was not called. */
bool system_core_given(guint64 *soft);
/* free() that overwrites what it frees; for libraries that take their own. */
void system_free_wiped(void *memory);
/* For a server or a node, before its first thread: leave to open thousands of files, and room for
 * them in the kernel's table now. A process with threads waits 10 to 30 ms whenever that table
 * doubles (Linux, fs/file.c: expand_fdtable waits until no reader is left). */
void system_prepare_files(void);
