/* See order.h. */
#include "base/order.h"

void order_sort(GPtrArray *array, GCompareFunc compare)
{
  guint i = 1;
  while (i < array->len && compare(&array->pdata[i - 1], &array->pdata[i]) <= 0)
    i++;
  if (i < array->len)
    g_ptr_array_sort(array, compare);
}
