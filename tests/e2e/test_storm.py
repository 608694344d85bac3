"""A small storm in each test run; `./dev test --long` has the quarter of an hour with 200 agents."""
import os

from storm import Storm


def test_small_storm(bare):
    bare.start()
    storm = Storm(bare, deployments=2, agents=6, seconds=float(os.environ.get("REEVE_STORM_SECONDS", 40)), seed=int(os.environ.get("REEVE_STORM_SEED", 1)))
    processes, lines, lost = storm.run()
    print(f"{processes} processes, {lines} lines, {lost} lost with the pipe of a killed shim; {dict(storm.done)}")
    assert storm.done["samples"] > 10 and storm.done["kill agent"] + storm.done["kill shim"] > 3
