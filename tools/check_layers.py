#!/usr/bin/env python3
"""Reads every #include "..." below src/ and fails when one goes up a floor, across the columns, or when a pure room touches the world; and
fails when files of one room, or of the shim, use each other in a circle, by calls or by tables of functions. The shim takes numbers from the rest,
and nothing else."""
import pathlib
import re
import sys

# What each room may include besides itself: docs/architecture.md "The house".
PURE_BASE = {"error", "problems", "time", "text", "id", "json", "heap", "order", "pool"}
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
SHIM_TAKES = {"shim.h", "model/limits.h"}
# Headers of the C library that reach the world; the pure rooms do without them.
WORLD = {"unistd.h", "fcntl.h", "pthread.h", "sys/socket.h", "sys/stat.h", "sys/wait.h", "time.h", "sys/time.h", "stdio.h", "event2/event.h",
         "curl/curl.h", "sqlite3.h"}
WORLD_ALLOWED = {"stdio.h"}  # snprintf; calls that do I/O are looked for below
IO_CALLS = re.compile(r"(?<![\w>.])(fopen|open|read|write|printf|fprintf|getenv|clock_gettime|time|rand|random|g_get_real_time|g_get_monotonic_time|g_file_\w+)\s*\(")


# Pairs of files that may call each other, each with its reason.
CIRCLES_ALLOWED = {
}


def code_of(path):
    """The text without comments, texts, characters and includes."""
    code = re.sub(r"""/\*.*?\*/|//[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'""", " ", path.read_text(), flags=re.S)
    return re.sub(r"^[ \t]*#[ \t]*include\b[^\n]*", "", code, flags=re.M)


DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)((?:\\\n|[^\n])*)", flags=re.M)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", flags=re.M)
# What stands beside a declaration and is none: attributes and GLib's macros that make functions or tell the compiler something.
BESIDE = re.compile(r"__attribute__\s*\(\(.*?\)\)|\b(?:G_[A-Z_]+|_Static_assert|static_assert)\s*\([^()]*\)|\bG_GNUC_[A-Z_]+", flags=re.S)
CLEANUP = re.compile(r"\bG_DEFINE_AUTO\w+\s*\(\s*(\w+)\s*,\s*(\w+)")
CLEANED = re.compile(r"\bg_auto(?:ptr|list|slist|queue)?\s*\(\s*(\w+)\s*\)")


def top_level(code):
    """Each declaration of @code and the head of each definition, without body and initialiser; and whether one stood there."""
    depth, item, body = 0, "", False
    for char in BESIDE.sub(" ", DIRECTIVE.sub("", code)):
        depth -= char == "}"
        if depth == 0 and char not in "{}":
            ended = body and "(" in item and "=" not in item and not char.isspace()  # behind a function stands no ';'
            if char == ";" or ended:
                yield item, body
                item, body = "", False
            item += char if char != ";" else ""
        depth += char == "{"
        body |= depth > 0
    yield item, body


def names_of(code):
    """(public, own): functions and initialised variables that @code defines for other files, and those that are static. What a macro pastes together
    is not seen."""
    public, own = set(), set()
    for head, body in top_level(code):
        left, equals, _ = head.partition("=")
        name = re.search(r"(\w+)\s*(?:\[[^\]]*\]\s*)*$", left) if equals else body and re.search(r"(\w+)\s*\((?:[^()]|\([^()]*\))*\)\s*$", left)
        if name:
            (own if "static" in left.split() else public).add(name[1])
    return public, own


def hidden_uses(headers):
    """What a word stands for that headers define: a macro for the words of its text; g_autoptr(TYPE) for the function that frees one."""
    uses = {}
    for code in map(code_of, headers):
        for word, text in DEFINE.findall(code):
            uses.setdefault(word, set()).update(re.findall(r"\w+", text))
        for kind, free in CLEANUP.findall(code):
            uses.setdefault(f"g_auto {kind}", set()).add(free)
    return uses


def words_of(code, uses):
    """The names that @code uses, those behind macros too; members of structs are none."""
    todo = set(re.findall(r"\w+", re.sub(r"(?:->|(?<!\.)\.)\s*[A-Za-z_]\w*", " ", code))) | {f"g_auto {kind}" for kind in CLEANED.findall(code)}
    words = set()
    while todo:
        word = todo.pop()
        words.add(word)
        todo |= uses.get(word, set()) - words
    return words


def arrows_of(files):
    """(from, to, name) for every name of another file of @files that a file uses, in a call or in a table."""
    codes = {path: code_of(path) for path in files}
    names = {path: names_of(code) for path, code in codes.items()}
    owner = {name: path for path, (public, _) in names.items() for name in public}
    uses = hidden_uses(header for folder in {path.parent for path in files} for header in folder.glob("*.h"))
    for path, code in codes.items():
        for word in words_of(code, uses) - names[path][1]:
            if owner.get(word, path) != path:
                yield path, owner[word], word


def circles_of(files):
    """Sorted lists of files that reach each other by arrows; and those arrows, each with up to three of its names."""
    arrows = {}
    for path, to, name in arrows_of(files):
        if frozenset((path.name, to.name)) not in CIRCLES_ALLOWED:
            arrows.setdefault((path, to), []).append(name)

    def reach(start):
        seen, todo = set(), [start]
        while todo:
            at = todo.pop()
            found = {to for path, to in arrows if path == at} - seen
            seen |= found
            todo += found
        return seen

    reached = {path: reach(path) for path in files}
    circles = {tuple(sorted({path} | {to for to in reached[path] if path in reached[to]})) for path in files if path in reached[path]}
    for circle in sorted(circles):
        yield circle, [f"{a.name} -> {b.name} ({', '.join(sorted(names)[:3])})" for (a, b), names in sorted(arrows.items()) if {a, b} <= set(circle)]


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
    shim = root.parent / "shim"
    for path in sorted(shim.glob("*.[ch]")):
        for name in sorted(set(re.findall(r'#\s*include\s+"([^"]+)"', path.read_text())) - SHIM_TAKES):
            print(f"shim/{path.name}: the shim may not include '{name}'")
            count += 1
    for room in sorted(p for p in [*root.iterdir(), shim] if p.is_dir()):
        for circle, arrows in circles_of(sorted(room.glob("*.c"))):
            print(f"{room.relative_to(root.parent)}: {', '.join(p.name for p in circle)} call each other in a circle: {'; '.join(arrows)}")
            count += 1
    print(f"layers: {count} breaches")
    return 1 if count else 0


sys.exit(main())
