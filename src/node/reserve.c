/* A RESERVE frame names the users that its agents are to run as. Who they are is asked first, all
 * of them at once; then ports are bound and commands checked, and one answer goes back. */
#include "node/reserve.h"

#include "node/ports.h"
#include "node/users.h"

#include <string.h>

typedef struct Reserving {
  Node *node;
  Frame *frame;
  GPtrArray *asks;      /* of NameAsk*, that are not answered */
  GHashTable *no_users; /* name -> why there is no such user */
} Reserving;

typedef struct NameAsk {
  Reserving *reserving;
  UserAsk *ask; /* NULL = answered */
  char *name;
} NameAsk;

static void name_ask_free(gpointer data)
{
  NameAsk *name = data;
  users_forget(name->ask);
  g_free(name->name);
  g_free(name);
}

static void reserving_free(Reserving *reserving)
{
  g_ptr_array_unref(reserving->asks);
  g_hash_table_unref(reserving->no_users);
  frame_free(reserving->frame);
  g_free(reserving);
}

static void reserve_now(Node *node, const Frame *reserve, GHashTable *no_users)
{
  g_autoptr(GHashTable) refused = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
  for (guint i = 0; i < reserve->instructions->len; i++) {
    const Instruction *instruction = reserve->instructions->pdata[i];
    const InstanceSpec *spec = instruction->spec;
    if (!spec)
      continue;
    Driver *driver = driver_of(node, spec);
    char *why = driver->ops->check(
        driver, spec, spec->user && no_users ? g_hash_table_lookup(no_users, spec->user) : NULL);
    if (why)
      g_hash_table_insert(refused, instruction->id, why);
  }
  NodeEvent reserved = {.type = NODE_EVENT_RESERVED};
  node_event(node, &reserved, port_book_reserve(node->ports, reserve, refused));
}

static void reserve_on_user(void *data, const User *user, const GError *error)
{
  NameAsk *name = data;
  Reserving *reserving = name->reserving;
  name->ask = NULL;
  if (!user)
    g_hash_table_insert(reserving->no_users, g_strdup(name->name), g_strdup(error->message));
  g_ptr_array_remove_fast(reserving->asks, name);
  if (reserving->asks->len)
    return;
  g_ptr_array_remove_fast(reserving->node->reserving, reserving);
  reserve_now(reserving->node, reserving->frame, reserving->no_users);
  reserving_free(reserving);
}

/* The user of instruction @i, when no earlier one of @reserve names him; else NULL. */
static const char *reserve_new_user(const Frame *reserve, guint i, GHashTable *named)
{
  const Instruction *instruction = reserve->instructions->pdata[i];
  const char *user = instruction->spec ? instruction->spec->user : NULL;
  return user && g_hash_table_add(named, (char *)user) ? user : NULL;
}

void node_reserve(Node *node, const Frame *reserve)
{
  g_autoptr(GHashTable) named = g_hash_table_new(g_str_hash, g_str_equal);
  Reserving *reserving = NULL;
  for (guint i = 0; i < reserve->instructions->len; i++) {
    const char *user = reserve_new_user(reserve, i, named);
    if (!user)
      continue;
    if (!reserving) {
      g_autofree char *text = frame_write(reserve); /* it lives no longer than its event */
      reserving = g_new0(Reserving, 1);
      *reserving =
          (Reserving){.node = node,
                      .frame = frame_parse(text, strlen(text), NULL),
                      .asks = g_ptr_array_new_with_free_func(name_ask_free),
                      .no_users = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free)};
      g_assert(reserving->frame);
      g_ptr_array_add(node->reserving, reserving);
    }
    NameAsk *name = g_new0(NameAsk, 1);
    *name = (NameAsk){.reserving = reserving, .name = g_strdup(user)};
    name->ask = users_ask(node->users, user, reserve_on_user, name);
    g_ptr_array_add(reserving->asks, name);
  }
  if (!reserving)
    reserve_now(node, reserve, NULL);
}

void node_reserve_release(Node *node, int64_t request)
{
  for (guint i = node->reserving->len; i > 0; i--) {
    Reserving *reserving = node->reserving->pdata[i - 1];
    if (request == 0 || reserving->frame->request == request)
      reserving_free(g_ptr_array_remove_index(node->reserving, i - 1));
  }
  port_book_release_request(node->ports, request);
}

void node_reserve_free(Node *node)
{
  if (!node->reserving)
    return;
  node_reserve_release(node, 0);
  g_ptr_array_unref(node->reserving);
}
