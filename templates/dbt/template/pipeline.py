"""Transform, then train; each step is a run of its own inside this one."""

import argparse
import subprocess

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--depth", type=int, default=3)
options = parser.parse_args()
subprocess.run(["proj", "run", ".", "-e", "transform"], check=True)
subprocess.run(["proj", "run", ".", "-e", "train", "-P", f"depth={options.depth}"], check=True)
