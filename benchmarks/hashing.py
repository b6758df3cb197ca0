"""How long hashing takes: folders of 100, 2,000 and 20,000 files, and a large file; first, again, one file changed.

python benchmarks/hashing.py
"""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable

REPEATED = 5


def main() -> None:
    top = tempfile.mkdtemp()
    os.environ["PROJ_CACHE"] = os.path.join(top, "cache")
    from runner.host import hashing

    try:
        print(f"{'':24}{'first':>10}{'again':>10}{'one changed':>14}   ms")
        for count in (100, 2_000, 20_000):
            folder = os.path.join(top, str(count))
            make(folder, count, 4_000)
            show(f"{count} files of 4 kB", folder, os.path.join(folder, "0", "0"), hashing.digest)
        make(os.path.join(top, "large"), 1, 1_000_000_000)
        path = os.path.join(top, "large", "0", "0")
        show("a file of 1 GB", path, path, hashing.digest)
    finally:
        shutil.rmtree(top)


def make(folder: str, count: int, size: int) -> None:
    block = os.urandom(1000)
    for number in range(count):
        path = os.path.join(folder, str(number // 100), str(number % 100))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(str(number).encode())
            for _ in range(size // 1000):
                file.write(block)
    time.sleep(2.1)  # what is younger is not remembered


def show(name: str, path: str, changed: str, digest: Callable[[str], object]) -> None:
    first = timed(lambda: digest(path))
    again = statistics.median(timed(lambda: digest(path)) for _ in range(REPEATED))
    with open(changed, "ab") as file:
        file.write(b"x")
    change = timed(lambda: digest(path))
    print(f"{name:24}{first:10.1f}{again:10.1f}{change:14.1f}")


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
