"""Writes as many squares as AMOUNT says into a file in ~/.cache, and ends."""
import os
import pathlib

amount = int(os.environ["AMOUNT"])
path = pathlib.Path.home() / ".cache/reeve-example-batch"
path.parent.mkdir(exist_ok=True)
path.with_suffix(".new").write_text("".join(f"{n * n}\n" for n in range(amount)), encoding="utf-8")
path.with_suffix(".new").replace(path)
print(f"{amount} squares are in {path}")
