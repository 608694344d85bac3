/* Objects of a pool are zero, apart from each other, and used again; sorting what may be sorted. */
#include "base/order.h"
#include "base/pool.h"

#include <stdbool.h>
#include <string.h>

static void test_pool(void)
{
  enum { OBJECTS = 10000, BYTES = 300 }; /* several of the largest blocks */
  Pool pool;
  g_autofree unsigned char **objects = g_new(unsigned char *, OBJECTS);
  pool_init(&pool, BYTES);
  pool_done(&pool); /* of nothing */
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < OBJECTS; i++) {
      objects[i] = pool_new(&pool);
      g_assert_cmpuint((guintptr)objects[i] % 16, ==, 0);
      for (int k = 0; k < BYTES; k++)
        g_assert_cmpint(objects[i][k], ==, 0);
      memset(objects[i], i % 251 + 1, BYTES);
    }
    for (int i = 0; i < OBJECTS; i++) {
      g_assert_cmpint(objects[i][0], ==, i % 251 + 1);
      g_assert_cmpint(objects[i][BYTES - 1], ==, i % 251 + 1);
      pool_give_back(&pool, objects[i]);
    }
  }
  pool_done(&pool);
}

static int compared;

static gint compare_text(gconstpointer a, gconstpointer b)
{
  compared++;
  return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void test_order(void)
{
  static const char *const cases[][2] = {
      {"", ""}, {"a", "a"}, {"abbc", "abbc"}, {"ba", "ab"}, {"abdc", "abcd"}};
  for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
    g_autoptr(GPtrArray) array = g_ptr_array_new_with_free_func(g_free);
    for (const char *c = cases[i][0]; *c; c++)
      g_ptr_array_add(array, g_strndup(c, 1));
    compared = 0;
    order_sort(array, compare_text);
    for (guint k = 0; k < array->len; k++)
      g_assert_cmpint(*(const char *)array->pdata[k], ==, cases[i][1][k]);
    if (strcmp(cases[i][0], cases[i][1]) == 0)
      g_assert_cmpint(compared, <, MAX(1, (int)array->len));
  }
}

int main(int argc, char **argv)
{
  g_test_init(&argc, &argv, NULL);
  g_test_add_func("/base/pool/objects", test_pool);
  g_test_add_func("/base/order/sort", test_order);
  return g_test_run();
}
