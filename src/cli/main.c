/* The program. */
#include "cli/run.h"

#include <locale.h>
#include <signal.h>

int main(int argc, char **argv)
{
  setlocale(LC_CTYPE, "C.UTF-8");
  signal(SIGPIPE, SIG_IGN);
  return cli_run(argc, argv);
}
