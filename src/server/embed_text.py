#!/usr/bin/env python3
"""Writes a text file as a C array: embed_text.py INPUT NAME OUTPUT."""
import pathlib
import sys

source, name, target = sys.argv[1:]
data = pathlib.Path(source).read_bytes()
rows = "\n".join("  " + "".join(f"{b}," for b in data[i:i + 40]) for i in range(0, len(data), 40))
pathlib.Path(target).write_text(f'#include "server/openapi.h"\n\nconst char {name}_text[] = {{\n{rows}\n  0}};\nconst size_t {name}_length = {len(data)};\n')
