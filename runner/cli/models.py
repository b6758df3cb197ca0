"""`proj models`: the registry of models: versions, aliases, stages, and what was done to them."""

from __future__ import annotations

from runner.cli import (
    model_options,
    models_change,
    models_check,
    models_gates,
    models_info,
    models_look,
    models_move,
    models_transfer,
    reference,
)
from runner.cli.options import Command, Group, Option

__all__ = ["COMMAND"]

BY = "A version: NAME/7, NAME@alias, NAME/Production."
NAME = Option("name", (), "A registered model.", default=None, metavar="NAME", complete="models")
VERSION = Option("ref", (), BY, default=None, metavar="NAME/7", complete="versions")
EITHER = Option(
    "ref",
    (),
    f"A registered model, or a{BY.removeprefix('A')}",
    default=None,
    metavar="NAME[/7]",
    complete="versions",
)
OFFLINE = Option("offline", ("--offline",), "Fetch nothing.", "flag")
WHY = Option("why", ("-m", "--message"), "Why: it is kept in the history.", metavar="TEXT")
TARGET = Option(
    "target", (), "An alias, or stage:Production.", default=None, metavar="ALIAS", complete="aliases"
)
PLACE = "Folder of a store, or http://host:5000 of a server."
ENDING = (reference.STORE, reference.JSON)
LS = Command(models_look.ls, (
    Option("filter", ("--filter",), "Only those that MLflow's grammar means: name LIKE 'a%', tags.team = 'b'.", metavar="FILTER"),
    Option("everything", ("-a", "--all"), "Deleted ones too.", "flag"),
    *ENDING,
))  # fmt: skip

COMMAND = Group("The model registry: versions, aliases, stages, approvals.", {
    "ls": LS,
    "show": Command(models_look.show, (EITHER, *ENDING)),
    "info": Command(models_info.info, (
        model_options.MODEL, model_options.FROM, OFFLINE, reference.QUIET, *ENDING,
    )),
    "check": Command(models_check.check, (
        model_options.MODEL,
        Option("tolerance", ("--tolerance",), "How far numbers may be off: 1e-6, rel:0.01.", metavar="NUMBER"),
        *model_options.ENVIRONMENT, *model_options.OF_RUN, model_options.FROM, reference.QUIET, *ENDING,
    )),
    "history": Command(models_look.history, (EITHER, *ENDING)),
    "diff": Command(models_look.diff, (
        Option("refs", (), "Two versions, each as NAME/7 or NAME@alias.", "many", metavar="NAME/6 NAME/7", complete="versions"),
        *ENDING,
    )),
    "events": Command(models_look.events, (
        Option("follow", ("-f", "--follow"), "Go on as they come, until ^C.", "flag"),
        Option("after", ("--after",), "Only those after this operation (its id).", metavar="OP"),
        *ENDING,
    )),
    "register": Command(models_change.register, (
        Option("source", (), "A run, or a model: RUN, RUN:PATH, models:/m-..., NAME/7.", default=None, metavar="RUN|MODEL", complete="runs"),
        NAME._replace(help="The registered model; made if it is not there."),
        Option("path", ("--path",), "The model's folder among the artifacts of the run.", metavar="PATH"),
        Option("description", ("--description",), "Of the version.", metavar="TEXT"),
        Option("tags", ("-t", "--tag"), "A tag of the version.", "many", metavar="NAME=VALUE"),
        *ENDING,
    )),
    "alias": Command(models_move.alias, (
        NAME,
        Option("alias", (), "The alias.", default=None, metavar="ALIAS", complete="aliases"),
        Option("number", (), "The version; without it, where the alias leads to.", default="", metavar="[VERSION]"),
        Option("remove", ("--remove",), "Take the alias away.", "flag"),
        WHY,
        *ENDING,
    )),
    "stage": Command(models_move.stage, (
        VERSION,
        Option("name", (), "None, Staging, Production or Archived.", default=None, metavar="STAGE", complete="stages"),
        Option("archive", ("--archive",), "Archive those that are in the stage.", "flag"),
        WHY,
        *ENDING,
    )),
    "rollback": Command(models_move.rollback, (
        Option("ref", (), "The alias: NAME@champion.", default=None, metavar="NAME@ALIAS", complete="versions"), WHY, *ENDING,
    )),
    "tag": Command(models_change.tag, (
        EITHER,
        Option("tags", (), "Tags to set.", "many", metavar="[NAME=VALUE...]"),
        Option("removed", ("--remove",), "A tag to remove.", "many", metavar="NAME"),
        *ENDING,
    )),
    "note": Command(models_change.note, (EITHER, Option("words", (), "The description; - reads it from stdin.", "many", metavar="[TEXT]"), *ENDING)),
    "comment": Command(models_change.comment, (EITHER, Option("words", (), "What is to be said; - reads it from stdin.", "many", metavar="TEXT"), *ENDING)),
    "rename": Command(models_change.rename, (NAME, Option("new", (), "Its new name.", default=None, metavar="NEW"), WHY, *ENDING)),
    "rm": Command(models_change.rm, (EITHER, WHY, *ENDING)),
    "restore": Command(models_change.restore, (EITHER, *ENDING)),
    "settle": Command(models_move.settle, (NAME, *ENDING)),
    "push": Command(models_transfer.push, (
        EITHER, Option("target", (), PLACE, default=None, metavar="STORE|URL"), *ENDING,
    )),
    "pull": Command(models_transfer.pull, (
        Option("source", (), PLACE, default=None, metavar="STORE|URL"),
        Option("ref", (), "A registered model, or a version of it; without it, all.", default="", metavar="[NAME[/7]]"),
        *ENDING,
    )),
    "policy": Command(models_gates.policy, (
        NAME,
        TARGET,
        Option("file", (), "YAML with what is needed; without it, the policy is shown.", default="", metavar="[FILE]"),
        Option("remove", ("--remove",), "Protect it no more.", "flag"),
        WHY,
        *ENDING,
    )),
    "promote": Command(models_gates.promote, (
        VERSION, TARGET, WHY, Option("wait", ("--wait",), "Until it was approved and signed, or rejected.", "flag"), reference.QUIET, *ENDING,
    )),
    "approve": Command(models_gates.approve, (
        VERSION, TARGET, WHY, Option("key", ("--key",), "Sign it with this ssh key.", metavar="FILE"), *ENDING,
    )),
    "reject": Command(models_gates.reject, (VERSION, TARGET, WHY, *ENDING)),
    "rebuild": Command(models_gates.rebuild, (
        VERSION,
        Option("tolerance", ("--tolerance",), "How far numbers may be off: 1e-6, rmse=rel:0.01.", "many", metavar="[NAME=]NUMBER"),
        reference.QUIET,
        *ENDING,
    )),
    "sign": Command(models_gates.sign, (VERSION, Option("key", ("--key",), "The ssh key.", default="", metavar="FILE"), *ENDING)),
    "verify": Command(models_gates.verify, (VERSION, Option("output_folder", ("-o", "--output"), "Write the signed statements there.", metavar="FOLDER"), *ENDING)),
}, alone=LS)  # fmt: skip
