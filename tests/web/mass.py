"""Very many runs, written by the product's own writer: `python -m tests.web.mass STORE COUNT [METRICS] [PARAMS]`."""

from __future__ import annotations

import math
import os
import random
import sys
import time

from runner.tracking import events
from runner.tracking.log import new_run_id
from runner.tracking.store import Store

MODELS = ("ridge", "lasso", "forest", "gbm", "mlp")
ENDS = (("FINISHED", "exit", 0),) * 16 + (
    ("FAILED", "exit", 1), ("FAILED", "oom", 137), ("FAILED", "timeout", 124), ("KILLED", "interrupted", 130),
)  # fmt: skip
VERDICTS = ("identical", "identical", "within-tolerance", "different", "cannot-run")
HOUR = 3_600_000  # ms


def fill(
    store: Store, count: int, metrics: int = 20, params: int = 12, seed: int = 1, points: int = 1
) -> list[str]:
    """Ids of `count` runs, the oldest first: every seventh is in another one, every fifth was reproduced."""
    rng = random.Random(seed)
    now = int(time.time() * 1000)
    experiments = [store.ensure_experiment(name) for name in ("Default", "big", "small")]
    ids: list[str] = []
    for number in range(count):
        start = now - (count - number) * 60_000 - rng.randrange(50_000)
        rate, model = rng.choice((0.1, 0.01, 0.001)), MODELS[number % len(MODELS)]
        writer = store.create_run(
            experiments[number % 3],
            name=f"{rng.choice(('elk', 'fox', 'owl', 'bee', 'yak'))}-{number:05d}",
            run_id=new_run_id(start),
            start_time=start,
            user=rng.choice(("ada", "grace")),
            parent=ids[number - number % 7] if number % 7 and number % 3 == 0 else "",
            project=("vision", "speech")[number % 2],
            entry_point=("main", "train")[number % 4 == 0],
            params={
                "lr": rate, "model": model, "seed": number % 10,
                **{f"p{place:02d}": rng.randrange(10) for place in range(params - 3)},
            },
            tags={"team": ("red", "blue")[number % 2]},
            sections={"code": {"commit": f"{number % 40:040x}", "dirty": number % 5 == 0}},
        )  # fmt: skip
        with writer:
            for step in range(points):
                level = rate + MODELS.index(model) / 10 + math.exp(-step / 5) + rng.random() / 20
                named = {f"m{place:02d}": level * (place + 1) for place in range(metrics - 1)}
                writer.metrics(
                    (key, value, start + step, step) for key, value in {"rmse": level, **named}.items()
                )
            if number % 5 == 0:
                writer.append(events.verification(VERDICTS[number // 5 % len(VERDICTS)], "", (), ""))
            status, reason, code = ENDS[rng.randrange(len(ENDS))]
            end = start + rng.randrange(1000, HOUR)
            writer.end(status, reason=reason, exit_code=code, end_time=end)
        log = os.path.join(store.run_directory(writer.run_id), "events.jsonl")
        os.utime(log, (end / 1000, end / 1000))  # what was written just now is looked at again and again
        ids.append(writer.run_id)
    return ids


if __name__ == "__main__":
    with Store(sys.argv[1]) as found:
        fill(found, *map(int, sys.argv[2:]))
