"""A brain: reads the question, prints the answer. A session, the model and the system prompt would come as AGENT_SESSION_ID, AGENT_MODEL, AGENT_SYSTEM_PROMPT."""
import sys

question = sys.stdin.read().strip()
print(f"that were {len(question.split())} words, {question[:40]!r} among them")
