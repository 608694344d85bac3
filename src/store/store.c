/* Owns the choice of the store: which row a URI means. See store.h. */
#include "store/store.h"

#include "base/error.h"

#include <string.h>

static const StoreDriver *const store_drivers[] = {&store_sqlite, &store_memory};

static void store_check(const StoreDriver *driver)
{
  g_assert(driver->scheme && driver->form && driver->open && driver->close && driver->load &&
           driver->commit && driver->settle && driver->probe && driver->side_open &&
           driver->side_close && driver->audit && driver->maintain && driver->backup &&
           driver->restore);
}

/* The row of @uri; @where: what is left of it for the driver. */
static const StoreDriver *store_find(const char *uri, const char **where, GError **error)
{
  size_t length = strspn(uri, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
  bool named = g_ascii_islower(uri[0]) && uri[length] == ':';
  *where = named ? uri + length + 1 : uri;
  g_autoptr(GString) forms = g_string_new(NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(store_drivers); i++) {
    const StoreDriver *driver = store_drivers[i];
    store_check(driver);
    if (!named) /* a directory: the first row's */
      return driver;
    if (strlen(driver->scheme) == length && strncmp(driver->scheme, uri, length) == 0)
      return driver;
    g_string_append_printf(forms, "%s%s", i ? ", " : "", driver->form);
  }
  g_set_error(error, REEVE_ERROR, REEVE_ERROR_USAGE,
              "open store '%.*s:': there is no such kind of store; there are %s", (int)length, uri,
              forms->str);
  return NULL;
}

Store *store_open(const char *uri, GError **error)
{
  const char *where;
  const StoreDriver *driver = store_find(uri, &where, error);
  Store *store = driver ? driver->open(where, error) : NULL;
  if (!store)
    return NULL;
  store->driver = driver;
  store->uri = g_strdup(uri);
  return store;
}

void store_close(Store *store)
{
  if (!store)
    return;
  g_free(store->uri);
  store->driver->close(store);
}

StoreSide *store_beside(const char *uri, GError **error)
{
  const char *where;
  const StoreDriver *driver = store_find(uri, &where, error);
  if (!driver)
    return NULL;
  StoreSide *side = driver->side_open(where);
  side->driver = driver;
  return side;
}

void store_side_close(StoreSide *side)
{
  if (side)
    side->driver->side_close(side);
}

bool store_restore(const char *uri, const StoreRestore *restore, int64_t *term, GError **error)
{
  const char *where;
  const StoreDriver *driver = store_find(uri, &where, error);
  return driver && driver->restore(where, restore, term, error);
}
