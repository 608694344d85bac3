"""A worker: counts."""
import sys

question = sys.stdin.read().strip()
print(f"the question has {len(question.split())} words and {len(question)} letters")
