/* Bearer tokens: made, revoked, found. Only the hash of a token is held here or stored; its text
 * passes through once, in the reply. */
#include "core/tokens.h"
#include "core/build.h"

#include "core/command.h"
#include "core/records.h"
#include "core/state.h"
#include "core/turn.h"

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

#include <string.h>

gint token_compare(gconstpointer a, gconstpointer b)
{
  return strcmp((*(Token *const *)a)->name, (*(Token *const *)b)->name);
}

static Token *token_find(const Core *core, const char *name)
{
  for (guint i = 0; i < core_list(core, CORE_TOKENS)->len; i++)
    if (strcmp(((Token *)core_list(core, CORE_TOKENS)->pdata[i])->name, name) == 0)
      return core_list(core, CORE_TOKENS)->pdata[i];
  return NULL;
}

/* True when both are equal; looks at every digit whatever it has seen. */
static bool token_hash_equal(const char *a, const char *b)
{
  unsigned different = 0;
  for (int i = 0; i < TOKEN_HASH_LENGTH; i++)
    different |= (unsigned)((unsigned char)a[i] ^ (unsigned char)b[i]);
  return different == 0;
}

const Token *core_token_of_hash(const Core *core, const char *hash, int64_t wall_ms)
{
  const Token *found = NULL;
  for (guint i = 0; i < core_list(core, CORE_TOKENS)->len; i++) {
    const Token *token = core_list(core, CORE_TOKENS)->pdata[i];
    if (token_hash_equal(token->hash, hash))
      found = token;
  }
  return found && (!found->expires_at_ms || wall_ms < found->expires_at_ms) ? found : NULL;
}

const GPtrArray *core_tokens(const Core *core)
{
  return core_list(core, CORE_TOKENS);
}

static void token_accept(Core *core, const Command *command, const Token *token)
{
  g_autoptr(GString) body = g_string_new(NULL);
  jw_open(body, NULL, '{');
  jw_str(body, "id", token->id);
  jw_str(body, "name", token->name);
  jw_str(body, "role", role_word(token->role));
  jw_time(body, "created_at", token->created_at_ms);
  jw_time(body, "expires_at", token->expires_at_ms);
  jw_str(body, "token", command->token->shown);
  jw_close(body, '}');
  turn_accept(core, command, 201, body->str);
}

void command_token_create(Core *core, const Command *command)
{
  const TokenAsk *ask = command->token;
  if (!text_is_name(ask->name) || ask->role <= ROLE_PUBLIC ||
      strlen(ask->hash) != TOKEN_HASH_LENGTH) {
    turn_refuse(core, command, REEVE_ERROR_INVALID,
                "create token '%s': a name is 1 to 64 letters, digits, '.', '_' or '-'", ask->name);
    return;
  }
  if (token_find(core, ask->name)) {
    turn_refuse(core, command, REEVE_ERROR_CONFLICT,
                "create token '%s': there is one of that name; revoke it first", ask->name);
    return;
  }
  if (core_list(core, CORE_TOKENS)->len >= TOKENS_MAX) {
    turn_refuse(core, command, REEVE_ERROR_CONFLICT,
                "create token '%s': there are %d already; revoke one first", ask->name, TOKENS_MAX);
    return;
  }
  Token *token = g_new0(Token, 1);
  core_new_id(core, token->id, "tok");
  token->name = g_strdup(ask->name);
  token->role = ask->role;
  token->hash = g_strdup(ask->hash);
  token->created_at_ms = core_now(core).wall_ms;
  token->expires_at_ms = ask->lifetime_ms > 0 ? core_now(core).wall_ms + ask->lifetime_ms : 0;
  token->actor = g_strdup(command->actor);
  g_ptr_array_add(core_list(core, CORE_TOKENS), token);
  g_ptr_array_sort(core_list(core, CORE_TOKENS), token_compare);
  turn_store(core, record_of_token(token));
  turn_audit(core, command, "token-create", token->name, role_word(token->role));
  token_accept(core, command, token);
}

void command_token_revoke(Core *core, const Command *command)
{
  Token *token = token_find(core, command->token->name);
  if (!token) {
    turn_refuse(core, command, REEVE_ERROR_NOT_FOUND, "revoke token '%s': no such token",
                command->token->name);
    return;
  }
  turn_remove(core, TABLE_TOKENS, token->id);
  turn_audit(core, command, "token-revoke", token->name, role_word(token->role));
  g_ptr_array_remove(core_list(core, CORE_TOKENS), token);
  turn_accept(core, command, 200, "{}");
}
