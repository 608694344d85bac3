"""A brain that is a program: numbers are sound when there are some, and none stands out by more than three times the middle one."""
import re
import statistics
import sys

numbers = [int(word) for word in re.findall(r"\b\d{1,3}\b", sys.stdin.read())]
middle = statistics.median(numbers) if numbers else 0
odd = [number for number in numbers if number > 3 * middle]
print("there are no numbers to check" if not numbers else f"{len(numbers)} numbers checked, " + (f"look at {odd} again" if odd else "all sound"))
