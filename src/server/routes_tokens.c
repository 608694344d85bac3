/* Routes on bearer tokens: create (shown once), list, revoke. */
#include "base/error.h"
#include "base/json.h"
#include "server/auth.h"
#include "server/routes.h"
#include "server/turn.h"

void post_tokens(RouteCall *call)
{
  g_autofree char *token = auth_token_new();
  char hash[AUTH_HASH_BYTES];
  auth_hash(token, hash);
  TokenAsk ask = {.name = jget_str(call->body, "name", ""),
                  .role = (Role)role_parse(jget_str(call->body, "role", "")),
                  .hash = hash,
                  .shown = token,
                  .lifetime_ms = jget_int(call->body, "expires_s", 0) * 1000};
  Command command = {.type = COMMAND_TOKEN_CREATE, .actor = call->actor, .token = &ask};
  http_reply_header(call->request, "Cache-Control", "no-store");
  turn_change(call->server, &command, call->request);
}

void get_tokens(RouteCall *call)
{
  GString *out = turn_scratch(call->server);
  const GPtrArray *tokens = core_tokens(engine_core(call->server->engine));
  int64_t now_ms = engine_now(call->server->engine).wall_ms;
  jw_open(out, NULL, '{');
  jw_open(out, "tokens", '[');
  for (guint i = 0; i < tokens->len; i++) {
    const Token *token = g_ptr_array_index(tokens, i);
    jw_open(out, NULL, '{');
    jw_str(out, "id", token->id);
    jw_str(out, "name", token->name);
    jw_str(out, "role", role_word(token->role));
    jw_time(out, "created_at", token->created_at_ms);
    jw_time(out, "expires_at", token->expires_at_ms);
    jw_bool(out, "expired", token->expires_at_ms && token->expires_at_ms <= now_ms);
    jw_str(out, "actor", token->actor);
    jw_close(out, '}');
  }
  jw_close(out, ']');
  jw_close(out, '}');
  turn_answer(call->server, call->request, 200, "application/json", out);
}

void delete_token(RouteCall *call)
{
  TokenAsk ask = {.name = call->name};
  Command command = {.type = COMMAND_TOKEN_REVOKE, .actor = call->actor, .token = &ask};
  turn_change(call->server, &command, call->request);
}
