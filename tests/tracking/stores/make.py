"""Makes a store as a version of proj writes it, with what that version reads from it: `stores/<format>/`.

python tests/tracking/stores/make.py FOLDER     with the Python of a checkout of that version, from its top

It uses what every version has. A store that was made once is kept as it is: later versions have to read it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from runner.tracking import models
from runner.tracking.fold import to_json
from runner.tracking.store import Store

try:
    from runner.tracking.mlflow.sent import plan
except ImportError:  # format 1
    from runner.tracking.mirror import plan  # type: ignore


def runs(store: Store, experiment: str) -> None:
    with store.create_run(
        experiment,
        name="finished",
        user="ada",
        project="p",
        entry_point="main",
        uri=".",
        params={"lr": 0.1, "layers": [1, 2], "flag": True},
        texts={"flag": "true"},
        tags={"team": "x"},
        sections={"source": {"uri": ".", "kind": "local"}, "supervisor": {"pid": 1, "host": "there"}},
    ) as writer:
        writer.append({"type": "code", "commit": "c", "dirty": False})
        writer.metrics([("loss", step * 0.5, 1000 + step, step) for step in range(20)])
        writer.metric("loss", float("nan"), 20, 2000)
        writer.append({"type": "artifact", "path": "a/b.txt", "digest": "sha256:00", "size": 1})
        writer.append(
            {"type": "dataset", "name": "d", "digest": "1", "tags": {"mlflow.data.context": "train"}}
        )
        writer.append({"type": "update", "status": "FINISHED"})
        writer.end("FAILED", exit_code=3, end_time=9_000)
    with store.open_run(writer.run_id) as later:  # its log was gone on with
        later.tag("later", "größe")
        later.untag("team")
        later.rename("renamed")
        later.append(
            {"type": "verification", "verdict": "identical", "cause": "", "run_ids": [], "report": "r"}
        )
    plan(store, writer.run_id, "http://user:secret@example.invalid/")
    with store.create_run("0", name="client", user="ada", kind="client", parent=writer.run_id) as writer:
        writer.metric("acc", 0.5, 1, 1)
        writer.append({"type": "update", "status": "FINISHED", "end_time": 5})
        writer.append({"type": "update", "status": "RUNNING"})
    with store.create_run("0", name="deleted", user="ada") as writer:
        writer.end("FINISHED")
    store.delete_run(writer.run_id)
    with store.create_run("0", name="damaged", user="ada") as writer:
        writer.tag("before", "1")
        with open(os.path.join(writer.directory, "events.jsonl"), "ab") as file:
            file.write(b'{"type":"metric","key":"lo\n\x00\xff\n{"type":"metric","time":1,"key":"loss"}\n')
        writer.tag("after", "1")
        with open(os.path.join(writer.directory, "events.jsonl"), "ab") as file:
            file.write(b'{"type":"tag","key":"torn')


def experiments(store: Store) -> str:
    shared = store.create_experiment("shared", tags={"a": "1", "b": "2"})
    store.tag_experiment(shared, "a", None)
    store.tag_experiment("0", "of", "Default")
    old = store.create_experiment("old")
    store.rename_experiment(old, "renamed")
    store.create_experiment("old", "s3://bucket/old")
    store.delete_experiment(old)
    model = models.create(store.root, shared, "m", params={"k": "v"}, tags={"t": "1"})
    metric = {"type": "metric", "key": "auc", "value": 0.9, "timestamp": 1, "step": 0, "run_id": "r"}
    models.append(
        store.root, model.model_id, metric, metric, {"type": "update", "status": "LOGGED_MODEL_READY"}
    )
    return shared


def said(store: Store) -> dict[str, Any]:
    """What the version says of it."""
    found = [run.run_id for run in store.search(view="all").runs]
    return {
        "runs": {run_id: to_json(store.read(run_id)) for run_id in found},
        "listed": [run.run_id for run in store.search().runs],
        "history": {run_id: store.history(run_id, "loss").points for run_id in found},
        "experiments": [each._asdict() for each in store.experiments("all")],
        "models": [each._asdict() for each in models.listing(store.root)],
        "problems": len(store.problems()),
    }


def main() -> None:
    (folder,) = sys.argv[1:]
    root = os.path.join(folder, "store")
    with Store(root) as store:
        runs(store, experiments(store))
        expected = said(store)
    for name in os.listdir(root):
        if name.startswith("index"):
            os.unlink(os.path.join(root, name))
    with open(os.path.join(folder, "said.json"), "w", encoding="utf-8") as file:
        json.dump(expected, file, indent=1, sort_keys=True)
        file.write("\n")


if __name__ == "__main__":
    main()
