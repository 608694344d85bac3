#!/usr/bin/env python3
"""Reads every #include "..." below src/ and fails when one goes up a floor, across the columns, or when a pure room touches the world; and
fails when files of one room call each other in a circle."""
import pathlib
import re
import sys

# What each room may include besides itself: docs/architecture.md "The house".
PURE_BASE = {"error", "problems", "time", "text", "id", "json", "heap"}
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


# Pairs of files that may call each other, each with its reason.
CIRCLES_ALLOWED = {
}
# Rooms whose circles are not taken apart yet; no room may be added.
CIRCLES_LEFT = {"agent", "cli", "formats", "net", "server"}


def code_of(path):
    """The text without comments and strings."""
    return re.sub(r'/\*.*?\*/|"(?:[^"\\\n]|\\.)*"', " ", path.read_text(), flags=re.S)


def public_names(code):
    """What other files may call: functions and tables that are defined in @code and not static."""
    names = set()
    for head in re.findall(r"^((?!static|typedef|#|struct\b[^(]*\{|extern)[A-Za-z_][^;{}]*?)\n?\{", code, flags=re.M):
        name = re.search(r"(\w+)\s*\(", head) or re.search(r"(\w+)(?:\[\w*\])?\s*=\s*$", head)
        if name:
            names.add(name[1])
    return names


def circles_of(files):
    """Sorted lists of files that reach each other by calls."""
    codes = {path: code_of(path) for path in files}
    owner = {name: path for path, code in codes.items() for name in public_names(code)}
    calls = {path: {owner[word] for word in set(re.findall(r"\w+", code)) if word in owner} - {path} for path, code in codes.items()}
    calls = {path: {to for to in callees if frozenset((path.name, to.name)) not in CIRCLES_ALLOWED} for path, callees in calls.items()}

    def reach(start):
        seen, todo = set(), [start]
        while todo:
            for to in calls[todo.pop()] - seen:
                seen.add(to)
                todo.append(to)
        return seen

    reached = {path: reach(path) for path in files}
    circles = {tuple(sorted({path} | {to for to in reached[path] if path in reached[to]})) for path in files if path in reached[path]}
    for circle in sorted(circles):
        yield circle, [f"{a.name} -> {b.name} ({', '.join(sorted(n for n in set(re.findall(chr(92) + 'w+', codes[a])) if owner.get(n) == b)[:3])})"
                       for a in circle for b in sorted(calls[a]) if b in circle]


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
    for room in sorted(p for p in root.iterdir() if p.is_dir() and p.name not in CIRCLES_LEFT):
        for circle, arrows in circles_of(sorted(room.glob("*.c"))):
            print(f"src/{room.name}: {', '.join(p.name for p in circle)} call each other in a circle: {'; '.join(arrows)}")
            count += 1
    print(f"layers: {count} breaches")
    return 1 if count else 0


sys.exit(main())
