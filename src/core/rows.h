#pragma once
/* Objects as rows of the store, and back. Writer and reader are made of the same lines of
 * model/tables.h, so that they cannot differ. */
#include "core/objects.h"

/* The row of @object, which is of the type that model/tables.h names for @table. @owner: the id of
 * what it belongs to; NULL where the table has no owner. Caller frees. */
Record *row_write(TableId table, const void *object, const char *owner);

/* Looks whether all is there that a row of @table must have: key, NEEDED texts, owner. That one is
 * put into @owner (borrowed; NULL where the table has none). False: the error names the column. */
bool row_check(const Core *core, TableId table, const Value *values, void **owner, GError **error);

/* Fills @object from a row that row_check found whole. Texts that its maker gave it stay. False:
 * the error names the column, and @object is filled in part. */
bool row_read(TableId table, const Value *values, void *object, GError **error);

/* Sets "column 'NAME': @what", REEVE_ERROR_STORE_FAILED; returns false. */
bool row_bad(GError **error, TableId table, int column, const char *what);
