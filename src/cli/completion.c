/* Owns the completion scripts. They know nothing: `reeve complete --line LINE` says what may come,
 * and no shell ever looks into what it says, which partly comes from a server. */
#include "cli/cli.h"

#include <string.h>

/* compgen -W would expand each name once more: it is not used. */
static const char completion_bash[] =
    "_reeve() {\n"
    "  local cur=${COMP_WORDS[COMP_CWORD]} line=${COMP_LINE:0:COMP_POINT} answer=() i\n"
    "  mapfile -t answer < <(command \"${COMP_WORDS[0]}\" complete --line \"$line\" 2>/dev/null)\n"
    "  COMPREPLY=()\n"
    "  case ${answer[0]-} in\n"
    "    files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\") ;;\n"
    "    directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$cur\") ;;\n"
    "    words)\n"
    "      for ((i = 1; i < ${#answer[@]}; i++)); do COMPREPLY+=(\"${answer[i]%%$'\\t'*}\"); done\n"
    "      if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]]; then compopt -o nospace; fi ;;\n"
    "  esac\n"
    "}\n"
    "complete -F _reeve reeve\n";

static const char completion_zsh[] =
    "#compdef reeve\n"
    "_reeve() {\n"
    "  local -a answer open closed\n"
    "  answer=(\"${(@f)$(command reeve complete --line \"reeve ${(j: :)words[2,CURRENT-1]} $PREFIX\" 2>/dev/null)}\")\n"
    "  case ${answer[1]} in\n"
    "    files) _files ;;\n"
    "    directories) _files -/ ;;\n"
    "    words)\n"
    "      answer=(\"${(@)answer[2,-1]%%$'\\t'*}\")\n"
    "      open=(\"${(@M)answer:#*[=/]}\")\n"
    "      closed=(\"${(@)answer:#*[=/]}\")\n"
    "      (( $#closed )) && compadd -- \"${closed[@]}\"\n"
    "      (( $#open )) && compadd -S '' -- \"${open[@]}\" ;;\n"
    "  esac\n"
    "}\n"
    "if [[ $funcstack[1] == _reeve ]]; then _reeve \"$@\"; else compdef _reeve reeve; fi\n";

static const char completion_fish[] =
    "function __reeve_complete\n"
    "  set -l answer (command reeve complete --line (commandline -cp | string collect) 2>/dev/null)\n"
    "  set -l kind $answer[1]\n"
    "  set -e answer[1]\n"
    "  switch \"$kind\"\n"
    "    case files\n"
    "      __fish_complete_path (commandline -ct)\n"
    "    case directories\n"
    "      __fish_complete_directories (commandline -ct)\n"
    "    case words\n"
    "      printf '%s\\n' $answer\n"
    "  end\n"
    "end\n"
    "complete -c reeve -f -a '(__reeve_complete)'\n";

char *completion_script(const char *shell)
{
  static const struct {
    const char *shell, *script;
  } rows[] = {{"bash", completion_bash}, {"zsh", completion_zsh}, {"fish", completion_fish}};
  for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
    if (strcmp(shell, rows[i].shell) == 0)
      return g_strdup(rows[i].script);
  return NULL;
}
