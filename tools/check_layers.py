#!/usr/bin/env python3
"""Reads every #include "..." below src/ and fails when one goes up a floor, across the columns, or when a pure room touches the world."""
import pathlib
import re
import sys

# What each room may include besides itself: docs/architecture.md "The house".
PURE_BASE = {"error", "problems", "time", "text", "id", "json"}
RIGHT = {
    "model": set(),
    "plan": {"model"},
    "formats": {"model", "plan"},
    "supervise": {"model"},
    "core": {"model", "plan"},
}
LEFT = {
    "net": set(),
    "store": {"model", "net"},
    "drivers": {"model", "net"},
    "node": {"model", "supervise", "drivers", "net"},
    "server": {"model", "plan", "formats", "core", "store", "net", "node"},
    "agent": {"model", "formats", "net"},
    "cli": {"model", "plan", "formats", "net", "server", "node", "agent", "drivers", "store"},
}
# Headers of the C library that reach the world; the pure rooms do without them.
WORLD = {"unistd.h", "fcntl.h", "pthread.h", "sys/socket.h", "sys/stat.h", "sys/wait.h", "time.h", "sys/time.h", "stdio.h", "event2/event.h",
         "curl/curl.h", "sqlite3.h"}
WORLD_ALLOWED = {"stdio.h"}  # snprintf; calls that do I/O are looked for below
IO_CALLS = re.compile(r"(?<![\w>.])(fopen|open|read|write|printf|fprintf|getenv|clock_gettime|time|rand|random|g_get_real_time|g_get_monotonic_time|g_file_\w+)\s*\(")


def problems_of(path, room):
    text = path.read_text()
    for number, line in enumerate(text.splitlines(), 1):
        local = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
        system = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
        if local and "/" in local[1]:
            target, name = local[1].split("/")[0], pathlib.PurePath(local[1]).stem
            if target == room:
                continue
            if target == "base":
                if room in RIGHT and name not in PURE_BASE:
                    yield number, f"pure room '{room}' includes base/{name}.h, which touches the world"
            elif room == "base" or target not in (RIGHT | LEFT).get(room, set()):
                yield number, f"room '{room}' may not include '{local[1]}'"
        if room in RIGHT and system and system[1] in WORLD - WORLD_ALLOWED:
            yield number, f"pure room '{room}' includes <{system[1]}>"
        if room in RIGHT and path.suffix == ".c" and not line.lstrip().startswith(("/*", "*", "//")) and (call := IO_CALLS.search(line)):
            yield number, f"pure room '{room}' calls {call[1]}()"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent / "src"
    count = 0
    for path in sorted(root.rglob("*.[ch]")):
        for number, message in problems_of(path, path.relative_to(root).parts[0]):
            print(f"{path.relative_to(root.parent)}:{number}: {message}")
            count += 1
    print(f"layers: {count} breaches")
    return 1 if count else 0


sys.exit(main())
