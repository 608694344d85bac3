#pragma once
/* The command line as a function: what main calls. */

/* Runs the verb of @argv; returns the exit code (docs/exit-codes.md). Errors are reported on
 * stderr. */
int cli_run(int argc, char **argv);
