#pragma once
/* The loaders of rows whose nouns keep them beside their other code; false when a column that must
 * be there is not. */
#include "core/objects.h"

bool load_token(Core *core, const Value *values);
bool load_secret(Core *core, const Value *values);
bool load_notice(Core *core, const Value *values);
bool load_registration(Core *core, const Value *values);
