"""Writes as many squares as AMOUNT says into a file in the temporary directory, and ends."""
import os
import tempfile

amount = int(os.environ["AMOUNT"])
path = os.path.join(tempfile.gettempdir(), f"reeve-example-batch-{os.getuid()}")
with open(path + ".new", "w", encoding="utf-8") as file:
    file.writelines(f"{n * n}\n" for n in range(amount))
os.replace(path + ".new", path)
print(f"{amount} squares are in {path}")
