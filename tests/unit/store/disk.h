#pragma once
/* A disk with failures to order, for the whole test program: SQLite meets it too. */

/* So many of the next syncs fail with EIO. */
extern int disk_syncs_to_fail;
/* So many syncs from now is the last thing that the process does; 0 = never. */
extern int disk_sync_kills;
/* So many of the next cuts of a file (ftruncate) fail with EIO. */
extern int disk_cuts_to_fail;
