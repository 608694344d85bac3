#pragma once
/* Sorting what is mostly in order already. */
#include <glib.h>

/* Sorts @array as g_ptr_array_sort does, with one @compare an element and no copy when it is in
 * order. */
void order_sort(GPtrArray *array, GCompareFunc compare);
