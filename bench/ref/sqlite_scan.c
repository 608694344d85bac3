/* A bare scan of every row and column of the tables that a server loads at start. Usage:
 * sqlite_scan DATABASE; prints milliseconds and rows. */
#include <sqlite3.h>
#include <stdio.h>
#include <time.h>

static double ms_now(void)
{
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
  static const char *const tables[] = {"meta",      "deployments", "revisions",
                                       "instances", "rollouts",    "nodes"};
  sqlite3 *db;
  double start = ms_now();
  if (argc != 2 || sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK)
    return 1;
  long rows = 0, bytes = 0;
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
    char sql[80];
    sqlite3_stmt *statement;
    snprintf(sql, sizeof sql, "SELECT * FROM %s", tables[t]);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
      return 1;
    for (; sqlite3_step(statement) == SQLITE_ROW; rows++)
      for (int c = 0; c < sqlite3_column_count(statement); c++)
        if (sqlite3_column_text(statement, c))
          bytes += sqlite3_column_bytes(statement, c);
    sqlite3_finalize(statement);
  }
  sqlite3_close(db);
  printf("%.2f %ld %ld\n", ms_now() - start, rows, bytes);
  return 0;
}
