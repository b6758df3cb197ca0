"""The options of the commands that take a model: which one, in which environment, whose run."""

from __future__ import annotations

from runner.cli.options import Option

__all__ = ["ENVIRONMENT", "FROM", "MODEL", "OF_RUN"]

MODEL = Option(
    "ref", (), "A model: folder, archive, bundle, URL, RUN, RUN:PATH, runs:/ID/PATH, models:/m-..., NAME/7, NAME@alias.",
    default=None, metavar="MODEL", complete="versions",
)  # fmt: skip
FROM = Option(
    "server", ("--from",), "An MLflow server (or proj server) whose runs and models are meant.", metavar="URL"
)
ENVIRONMENT = (
    Option(
        "env_manager",
        ("--env-manager",),
        "local, virtualenv or conda (default: the training's kind).",
        metavar="KIND",
    ),
    Option("env", ("--env",), "Load it in this environment, which is there already.", metavar="PREFIX"),
    Option("python", ("--python",), "Another version of Python than the model's.", metavar="VERSION"),
    Option(
        "allow_python_download", ("--allow-python-download",), "Fetch the Python that it asks for.", "flag"
    ),
    Option("refresh", ("--refresh",), "Resolve the model's requirements anew.", "flag"),
    Option("offline", ("--offline",), "Use only what is on this machine.", "flag"),
    Option(
        "signed", ("--signed",), "Only a version that a key has signed which this machine trusts.", "flag"
    ),
)
OF_RUN = (
    Option("experiment_name", ("--experiment-name",), "Experiment of the run.", metavar="NAME"),
    Option("run_name", ("--run-name",), "Name of the run.", metavar="NAME"),
    Option("tags", ("-t", "--tag"), "A tag of the run.", "many", metavar="NAME=VALUE"),
)
