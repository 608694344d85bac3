#pragma once
/* What a shim says (docs/protocol.md "Shim"), read from one datagram. */
#include "model/frame.h"

/* First word of a message; its spelling is in shim_message.c. */
typedef enum ShimNews {
  SHIM_NEWS_UNKNOWN,
  SHIM_HELLO,
  SHIM_STARTED,
  SHIM_START_FAILED,
  SHIM_EXITED,
  SHIM_ROTATED,
  SHIM_NEWS_N
} ShimNews;

typedef struct ShimMessage {
  ShimNews news;
  int64_t generation; /* hello */
  int attempt;
  int64_t pid; /* hello, started; 0 = nothing runs */
  bool ended;  /* hello: an attempt ran and is over */
  ExitStatus exit;
  int error_number; /* start-failed */
  /* start-failed: at what, a word of the protocol; "" = an older shim does not say */
  char step[16];
  /* hello, exited: bytes of log records since the attempt began; -1 = an older shim does not say */
  int64_t output;
} ShimMessage;

/* Reads @text, NUL-terminated. Members that are absent or not numbers in their range keep their
 * default; unknown ones are ignored. */
ShimMessage shim_message_parse(const char *text);
