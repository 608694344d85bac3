#!/usr/bin/env python3
"""The shape of our functions, as clang-format lays them out: none over 100 lines, p90 at most 40, no file over 900 lines, no goto ladder."""
import pathlib
import re
import sys

FUNCTION_MAX, FUNCTION_P90, FILE_MAX = 100, 40, 900


def functions(lines):
    """(name, first line, length) of every function body: a '{' alone in column 0 to the '}' in column 0."""
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == "{":
            head = " ".join(lines[max(0, number - 4):number - 1])
            words = re.findall(r"(\w+)\s*\(", head)
            start = (words[-1] if words else "?", number)
        elif line.startswith("}") and start:
            yield start[0], start[1], number - start[1] + 1
            start = None


LOG_CALL = re.compile(r"\blog_(?:error|warn|info|debug)\(.*?;", re.S)
LOG_CONVERSION = re.compile(r"%(?!%|(?:ll|l|z)?[diu]|[so])")


def log_formats(text):
    """Line of each log call whose fields have a conversion that log_fields (base/log.c) does not know. Macros such as G_GINT64_FORMAT go on behind a quote."""
    for call in LOG_CALL.finditer(text):
        fields = "".join(re.sub(r'%"\s*G_G\w+_FORMAT\s*(?:"|(?=[,)]))', "%d", call.group()).split('"')[1::2])
        if LOG_CONVERSION.search(fields.replace("%%", "")):
            yield text[:call.start()].count("\n") + 1


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    lengths, problems = [], []
    for folder in ("src", "shim"):
        for path in sorted((root / folder).rglob("*.[ch]")):
            lines = path.read_text().splitlines()
            where = path.relative_to(root)
            if len(lines) > FILE_MAX:
                problems.append(f"{where}: {len(lines)} lines; allowed: {FILE_MAX}")
            for name, line, length in functions(lines):
                lengths.append(length)
                if length > FUNCTION_MAX:
                    problems.append(f"{where}:{line}: function '{name}' has {length} lines; allowed: {FUNCTION_MAX}")
            problems += [f"{where}:{n}: a log field has another conversion than %s, %d, %i, %u, %o" for n in log_formats(path.read_text())]
            problems += [f"{where}:{n}: goto" for n, text in enumerate(lines, 1) if re.match(r"\s*goto\s", text)]
    lengths.sort()
    p90 = lengths[len(lengths) * 9 // 10] if lengths else 0
    if p90 > FUNCTION_P90:
        problems.append(f"p90 of function length is {p90}; allowed: {FUNCTION_P90}")
    print("\n".join(problems + [f"shape: {len(lengths)} functions, median {lengths[len(lengths) // 2] if lengths else 0}, p90 {p90}, "
                                f"longest {lengths[-1] if lengths else 0}; {len(problems)} problems"]))
    return 1 if problems else 0


sys.exit(main())
