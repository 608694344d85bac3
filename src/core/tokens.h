#pragma once
/* Bearer tokens. */
#include <glib.h>

/* Of two places in a list of Token*: by name. */
gint token_compare(gconstpointer a, gconstpointer b);
