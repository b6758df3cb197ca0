"""Run the steps in order. Inside a run, each `proj run` becomes its child and shares its environment."""

import argparse
import subprocess


def step(name: str, **parameters: int) -> None:
    words = ["proj", "run", ".", "-e", name]
    for key, value in parameters.items():
        words += ["-P", f"{key}={value}"]
    subprocess.run(words, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--degree", type=int, default=2)
    options = parser.parse_args()
    step("generate", rows=options.rows)
    step("fit", degree=options.degree)
    step("report")


if __name__ == "__main__":
    main()
