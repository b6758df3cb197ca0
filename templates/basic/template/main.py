"""A random walk: how far from its start does it end?"""

import argparse
import json
import os
import random
import shutil
import subprocess


def walk(steps: int, seed: int) -> int:
    """Where a walk of `steps` steps of length 1 ends; the same seed gives the same walk."""
    chance = random.Random(seed)
    return sum(chance.choice((-1, 1)) for _ in range(steps))


def log_metric(name: str, value: float) -> None:
    """Into the record of the run, if this is one."""
    if "PROJ_RUN_ID" in os.environ and shutil.which("proj"):
        subprocess.run(["proj", "log", "metric", f"{name}={value}"], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()

    end = walk(options.steps, options.seed)
    print(f"after {options.steps} steps: {end}")
    log_metric("distance", abs(end))
    os.makedirs("outputs", exist_ok=True)
    with open("outputs/result.json", "w", encoding="utf-8") as file:
        json.dump({"end": end}, file)


if __name__ == "__main__":
    main()
