#!/usr/bin/env python3
"""Installs the man pages and completions that the program writes from its own rows: install_pages.py REEVE, run by meson install."""
import os
import pathlib
import re
import subprocess
import sys

COMPLETIONS = {"bash": "bash-completion/completions/reeve", "zsh": "zsh/site-functions/_reeve", "fish": "fish/vendor_completions.d/reeve.fish"}


def main(reeve):
    share = pathlib.Path(os.environ["MESON_INSTALL_DESTDIR_PREFIX"]) / "share"
    say = lambda *words: subprocess.run([reeve, *words], check=True, capture_output=True, text=True).stdout
    verbs = re.findall(r"^  (\w+) ", say("help").split("\nVerbs\n")[1].split("\n\n")[0], re.MULTILINE)
    files = {"man/man1/reeve.1": say("help", "--man")}
    files |= {f"man/man1/reeve-{verb}.1": say("help", "--man", verb) for verb in verbs}
    files |= {path: say("completion", shell) for shell, path in COMPLETIONS.items()}
    for name, text in files.items():
        path = share / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    print(f"Installing {len(files)} man pages and completions to {share}")


main(sys.argv[1])
