/* A node's identity on disk: drawn once, kept, and drawn anew where the directory was copied. */
#include "base/error.h"
#include "base/fs.h"
#include "node/identity.h"

#include <string.h>
#include <sys/stat.h>

typedef struct Place {
  char *directory;
} Place;

static Place place_new(void)
{
  return (Place){.directory = g_dir_make_tmp("reeve-identity-XXXXXX", NULL)};
}

static void place_done(Place *place)
{
  g_assert_true(fs_remove_tree(place->directory, NULL));
  g_free(place->directory);
}

static NodeIdentity place_open(const Place *place)
{
  NodeIdentity identity;
  g_autoptr(GError) error = NULL;
  g_assert_true(node_identity_open(place->directory, false, &identity, &error));
  return identity;
}

static void place_write(const Place *place, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename(place->directory, name, NULL);
  g_assert_true(fs_write(path, text, strlen(text), 0600, false, NULL));
}

static void test_drawn_once(void)
{
  Place place = place_new();
  NodeIdentity first = place_open(&place);
  g_assert_cmpuint(strlen(first.incarnation), ==, INCARNATION_BYTES - 1);
  g_assert_false(first.copied);
  g_assert_cmpstr(first.store, ==, "");
  g_strlcpy(first.store, "aaaa", sizeof first.store);
  first.term = 7;
  first.lease_ms = 9000;
  g_autofree char *text = node_identity_write(&first);
  g_assert_true(node_identity_keep(place.directory, text, NULL));
  NodeIdentity again = place_open(&place);
  g_assert_cmpmem(&first, sizeof first, &again, sizeof again);
  place_done(&place);
}

/* The next life of a copy knows that it is one, until a server has taken it in. */
static void test_copied(void)
{
  Place place = place_new(), copy = place_new();
  NodeIdentity own = place_open(&place);
  g_autofree char *text = node_identity_write(&own);
  place_write(&copy, NODE_IDENTITY_FILE, text);
  for (int life = 0; life < 2; life++) {
    NodeIdentity copied = place_open(&copy);
    g_assert_true(copied.copied);
    g_assert_cmpstr(copied.incarnation, !=, own.incarnation);
  }
  g_assert_cmpstr(place_open(&place).incarnation, ==, own.incarnation);
  place_done(&place);
  place_done(&copy);
}

/* What a release before it kept: the id of the store alone. */
static void test_former_file(void)
{
  Place place = place_new();
  place_write(&place, NODE_IDENTITY_FORMER, "aaaa\n");
  NodeIdentity identity = place_open(&place);
  g_assert_cmpstr(identity.store, ==, "aaaa");
  g_assert_false(identity.copied);
  g_autofree char *former = g_build_filename(place.directory, NODE_IDENTITY_FORMER, NULL);
  g_assert_false(g_file_test(former, G_FILE_TEST_EXISTS));
  g_assert_cmpstr(place_open(&place).store, ==, "aaaa");
  place_done(&place);
}

/* What is held must not be given to anybody when it is not known whose it is. */
static void test_unreadable(void)
{
  static const char *const bad[] = {"", "{", "[]", "{\"incarnation\":7,\"store\":[]}garbage",
                                    "{\"incarnation\":\"0123456789012345678901234567890123\"}"};
  for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
    Place place = place_new();
    NodeIdentity identity;
    g_autoptr(GError) error = NULL;
    place_write(&place, NODE_IDENTITY_FILE, bad[i]);
    g_assert_false(node_identity_open(place.directory, false, &identity, &error));
    g_assert_nonnull(strstr(error->message, "reeve node reset"));
    g_assert_true(node_identity_open(place.directory, true, &identity, NULL));
    place_done(&place);
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/identity/drawn-once", test_drawn_once);
  g_test_add_func("/identity/copied", test_copied);
  g_test_add_func("/identity/former-file", test_former_file);
  g_test_add_func("/identity/unreadable", test_unreadable);
  return g_test_run();
}
