"""The storm of `./dev test --long`: 15 minutes, 200 agents in four deployments."""
import os
import signal

from storm import Storm


def test_storm(bare):
    signal.setitimer(signal.ITIMER_REAL, 3600)
    bare.start()
    storm = Storm(bare, deployments=4, agents=50, seconds=float(os.environ.get("REEVE_STORM_SECONDS", 900)), seed=int(os.environ.get("REEVE_STORM_SEED", 4711)))
    processes, lines, lost = storm.run()
    print(f"{processes} processes, {lines} lines, {lost} lost with the pipe of a killed shim; {dict(storm.done)}")
