"""Says what was prepared, once at the start, and stays until it is told to stop."""
import pathlib
import signal

path = pathlib.Path.home() / ".cache/reeve-example-batch"
print("prepared for me:", ", ".join(path.read_text(encoding="utf-8").split()), flush=True)
signal.sigwait({signal.SIGTERM})
