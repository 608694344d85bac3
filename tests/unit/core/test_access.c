/* Tokens and secrets in the core: who may be found, what is refused, what is stored. After every
 * turn the world compares the core with the fold of its records. */
#include "base/error.h"
#include "world.h"

#include <string.h>

static const char *hash_of(char digit)
{
  static char text[65];
  memset(text, digit, 64);
  return text;
}

static void make_token(World *world, const char *name, Role role, char digit, int64_t lifetime_ms)
{
  TokenAsk ask = {.name = name,
                  .role = role,
                  .hash = hash_of(digit),
                  .shown = "reeve_shown",
                  .lifetime_ms = lifetime_ms};
  world_apply(
      world,
      (Command){.type = COMMAND_TOKEN_CREATE, .reply_to = 7, .actor = "uid:0", .token = &ask});
}

static void revoke_token(World *world, const char *name)
{
  TokenAsk ask = {.name = name};
  world_apply(
      world,
      (Command){.type = COMMAND_TOKEN_REVOKE, .reply_to = 7, .actor = "uid:0", .token = &ask});
}

static void set_secret(World *world, const char *name, const char *sealed)
{
  SecretAsk ask = {.name = name, .sealed = sealed};
  world_apply(
      world,
      (Command){.type = COMMAND_SECRET_SET, .reply_to = 7, .actor = "uid:0", .secret = &ask});
}

static void test_token_life(void)
{
  g_autoptr(World) world = world_new();
  make_token(world, "ci", ROLE_OPERATOR, 'a', 0);
  world_assert_reply(world, -1, 201, "\"token\":\"reeve_shown\"");
  const Token *token = core_token_of_hash(world->core, hash_of('a'), world->now.wall_ms);
  g_assert_nonnull(token);
  g_assert_cmpint(token->role, ==, ROLE_OPERATOR);
  g_assert_null(core_token_of_hash(world->core, hash_of('b'), world->now.wall_ms));
  g_autofree char *dump = core_dump(world->core);
  g_assert_null(strstr(dump, "reeve_shown"));
  world_reload(world);
  g_assert_nonnull(core_token_of_hash(world->core, hash_of('a'), world->now.wall_ms));
  revoke_token(world, "ci");
  world_assert_reply(world, -1, 200, "{}");
  g_assert_null(core_token_of_hash(world->core, hash_of('a'), world->now.wall_ms));
  world_reload(world);
  g_assert_cmpuint(core_tokens(world->core)->len, ==, 0);
  revoke_token(world, "ci");
  world_assert_reply(world, REEVE_ERROR_NOT_FOUND, 404, "no such token");
}

static void test_token_expires(void)
{
  g_autoptr(World) world = world_new();
  make_token(world, "ci", ROLE_VIEWER, 'a', 1000);
  int64_t made_ms = world->now.wall_ms;
  g_assert_nonnull(core_token_of_hash(world->core, hash_of('a'), made_ms + 999));
  g_assert_null(core_token_of_hash(world->core, hash_of('a'), made_ms + 1000));
}

static void test_token_refused(void)
{
  g_autoptr(World) world = world_new();
  make_token(world, "../ci", ROLE_VIEWER, 'a', 0);
  world_assert_reply(world, REEVE_ERROR_INVALID, 422, "letters");
  make_token(world, "ci", ROLE_PUBLIC, 'a', 0);
  world_assert_reply(world, REEVE_ERROR_INVALID, 422, "");
  make_token(world, "ci", ROLE_VIEWER, 'a', 0);
  make_token(world, "ci", ROLE_ADMIN, 'b', 0);
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, "revoke it first");
  g_assert_null(core_token_of_hash(world->core, hash_of('b'), world->now.wall_ms));
  for (int i = 1; i < TOKENS_MAX; i++) {
    g_autofree char *name = g_strdup_printf("t%d", i);
    make_token(world, name, ROLE_VIEWER, 'c', 0);
  }
  make_token(world, "more", ROLE_VIEWER, 'd', 0);
  world_assert_reply(world, REEVE_ERROR_CONFLICT, 409, "already");
}

static void test_secret_life(void)
{
  g_autoptr(World) world = world_new();
  set_secret(world, "key", "sealed-1");
  world_assert_reply(world, -1, 201, "\"name\":\"key\"");
  int64_t first = core_secret(world->core, "key")->version;
  set_secret(world, "key", "sealed-2");
  world_assert_reply(world, -1, 200, "");
  g_assert_cmpint(core_secret(world->core, "key")->version, >, first);
  world_reload(world);
  g_assert_cmpstr(core_secret(world->core, "key")->sealed, ==, "sealed-2");
  int64_t second = core_secret(world->core, "key")->version;
  SecretAsk ask = {.name = "key"};
  Command gone = {.type = COMMAND_SECRET_REMOVE, .reply_to = 7, .actor = "uid:0", .secret = &ask};
  world_apply(world, gone);
  world_assert_reply(world, -1, 200, "");
  g_assert_null(core_secret(world->core, "key"));
  world_apply(world, gone);
  world_assert_reply(world, REEVE_ERROR_NOT_FOUND, 404, "no such secret");
  /* an instance that runs with the removed one must not look up to date */
  set_secret(world, "key", "sealed-3");
  g_assert_cmpint(core_secret(world->core, "key")->version, >, second);
}

static void test_secret_refused(void)
{
  g_autoptr(World) world = world_new();
  g_autofree char *large = g_strnfill(SECRET_SEALED_MAX + 1, 'x');
  set_secret(world, "a/b", "x");
  world_assert_reply(world, REEVE_ERROR_INVALID, 422, "letters");
  set_secret(world, "key", large);
  world_assert_reply(world, REEVE_ERROR_LIMIT, 413, "larger");
  g_assert_cmpuint(core_secrets(world->core)->len, ==, 0);
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/core/token/life", test_token_life);
  g_test_add_func("/core/token/expires", test_token_expires);
  g_test_add_func("/core/token/refused", test_token_refused);
  g_test_add_func("/core/secret/life", test_secret_life);
  g_test_add_func("/core/secret/refused", test_secret_refused);
  return g_test_run();
}
