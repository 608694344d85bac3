#pragma once
/* What the brains have in common that are model servers: one POST whose answer streams, tried again
 * before its first byte only. */
#include "agent/brain.h"
#include "agent/model_stream.h"

/* All is copied but @format. */
typedef struct BrainPost {
  const char *url;
  const char *body; /* JSON */
  size_t length;
  const ModelFormat *format;
  /* The server refuses @body (400, 422) and says @refusal: the body that it may take instead, with
   * what is to be learnt in @manners, or NULL when it is not to be asked again. Caller frees. NULL
   * = never. */
  char *(*adapt)(const char *body, const char *refusal, BrainManners *manners);
} BrainPost;

/* As Brain.start, Brain.cancel and Brain.hold. */
BrainCall *brain_http_start(const BrainWorld *world, const BrainPost *post, int64_t timeout_ms,
                            const BrainListener *listener, void *data);
void brain_http_cancel(BrainCall *call);
void brain_http_hold(BrainCall *call, bool held);

/* "temperature": 0.5; nothing when @number is NAN. */
void brain_write_number(GString *out, const char *key, double number);
/* A member with any name and value. */
void brain_write_value(GString *out, const char *key, const json_t *value);
