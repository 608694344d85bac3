"""A worker: says what is new."""
import sys

question = sys.stdin.read().strip()
print(f"three things happened today, and none was about '{question}'")
