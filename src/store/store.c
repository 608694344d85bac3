/* Owns the choice of the store: which row a URI means. See store.h. */
#include "store/store.h"

#include "base/error.h"

#include <string.h>

static const StoreDriver *const store_drivers[] = {&store_sqlite, &store_memory};

static void store_check(const StoreDriver *driver)
{
  g_assert(driver->scheme && driver->form && driver->open && driver->close && driver->load &&
           driver->commit && driver->settle && driver->probe);
}

/* The row of @uri; @where: what is left of it for the driver. */
static const StoreDriver *store_find(const char *uri, const char **where, GError **error)
{
  size_t length = strspn(uri, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
  bool named = g_ascii_islower(uri[0]) && uri[length] == ':';
  *where = named ? uri + length + 1 : uri;
  if (!named)
    return &store_sqlite;
  g_autoptr(GString) forms = g_string_new(NULL);
  for (size_t i = 0; i < G_N_ELEMENTS(store_drivers); i++) {
    const StoreDriver *driver = store_drivers[i];
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
  if (!driver)
    return NULL;
  store_check(driver);
  Store *store = driver->open(where, error);
  if (store)
    store->driver = driver;
  return store;
}

void store_close(Store *store)
{
  if (store)
    store->driver->close(store);
}
