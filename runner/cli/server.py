"""`proj server`: serves a store to MLflow clients. `proj server token ...`: who may use it."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from runner import paths
from runner.cli import output
from runner.cli.options import Command, Group, Option
from runner.cli.reference import JSON, STORE
from runner.errors import InputError
from runner.text.units import iso, local_time

if TYPE_CHECKING:
    from runner.server.tokens import Token

__all__ = ["COMMAND"]


def _folder(given: str) -> str:
    root = paths.store(given)
    if "://" in root:
        raise InputError(f"a server needs a store that is a folder, not {root}")
    os.makedirs(root, exist_ok=True)
    return root


def serve(
    host: str, port: int, location: str, workers: int, certificate: str, key: str,
    allowed_host: tuple[str, ...], proxy_header: str, no_auth: bool, artifact_root: tuple[str, ...],
    default_artifact_root: str, access_log: str, rate: float, index: str, max_upload: int,
) -> int:  # fmt: skip
    """Serve a store to MLflow clients, until it is interrupted."""
    from runner.server import team
    from runner.server.locations import check_root

    if not 1 <= workers <= 64:
        raise InputError(f"--workers {workers} is not between 1 and 64")
    if rate < 0 or max_upload < 0:
        raise InputError("--rate and --max-upload are not less than 0")
    gc.enable()
    names, upload = tuple(name.lower() for name in allowed_host), max_upload * 1_000_000
    folder = _folder(location)
    roots = tuple(map(os.path.abspath, artifact_root))
    settings = team.Settings(
        folder,
        host,
        port,
        workers,
        certificate,
        key,
        names,
        access_log,
        rate,
        max_upload=upload,
        no_auth=no_auth,
        proxy_header=proxy_header,
        artifact_roots=roots,
        default_root=check_root(default_artifact_root, roots) if default_artifact_root else "",
        database=index,
    )

    def ready(address: str) -> None:
        sys.stderr.write(f"serving {settings.store}\n  MLFLOW_TRACKING_URI={address}\n")
        sys.stderr.flush()

    return team.serve(settings, ready)


def create(name: str, role: str, expires: str, models: tuple[str, ...], location: str) -> int:
    """Make a token and print it, this once."""
    from runner.cli.terminal import Terminal
    from runner.protocol.scope import ROLES
    from runner.server import tokens
    from runner.tracking.log import now

    if role not in ROLES:
        raise InputError(f"there is no role {role!r}", f"one of {', '.join(ROLES)}")
    until = tokens.expiry(expires, now())
    output.emit_lines([tokens.create(_folder(location), name, role, until, models)])
    if output.is_terminal():
        sys.stdout.flush()
        told = f"{role}, {f'until {local_time(until)}' if until else 'for ever'}"
        Terminal().line(f"{told}; it is shown only now. Clients set MLFLOW_TRACKING_TOKEN to it")
    return 0


def show(location: str, as_json: bool) -> int:
    """List tokens; they themselves are not kept."""
    from runner.server.tokens import listing
    from runner.tracking.log import now

    found = listing(_folder(location))
    when = local_time if output.is_terminal() else iso
    rows = []
    for each in found:
        state = "revoked" if each.revoked else "expired" if 0 < each.expires <= now() else "valid"
        expires = when(each.expires) if each.expires else "never"
        rows.append((each.token_id, each.name, each.role, when(each.created), expires, state))
    hidden = ("digest",)
    plain = [
        {**{name: value for name, value in each._asdict().items() if name not in hidden}, **_times(each)}
        for each in found
    ]
    lines = output.table("id name role created expires state".split(), rows, spare=["created"])
    return output.result(as_json, plain, lines)


def _times(token: Token) -> dict[str, str | None]:
    """As all JSON of ours has them; None: never."""
    return {"created": iso(token.created), "expires": iso(token.expires or None) or None}


def revoke(which: str, location: str) -> int:
    """Make a token useless; a running server notices within a second."""
    from runner.server import tokens

    found = tokens.revoke(_folder(location), which)
    output.emit_lines([f"revoked {found.token_id} {found.name}".rstrip()])
    return 0


FOLDER = STORE._replace(help="The store (default: PROJ_STORE, or the user's).", metavar="FOLDER")
HOST = "Address to listen on; all others than loopback need a token."
ALLOWED = "Name by which clients call the server (behind a proxy); may hold *."
PROXY = "Header in which a proxy tells the client's address; only if nobody can go round the proxy."
OPEN = "Need no token, though there are (or were) some; on 127.0.0.1 only."
ROOT = "Folder below which experiments may keep artifacts, where tokens are needed."
DEFAULT = "Where new experiments keep their artifacts, e.g. s3://bucket/runs (default: in the store)."
INDEX = "Where the index is: postgresql://... (better in PROJ_INDEX, if it has a password)."
TOKEN = Group("Make, list and revoke tokens of a server.", {
    "create": Command(create, (
        Option("name", ("--name",), "Whose it is, for the audit.", metavar="NAME"),
        Option("role", ("--role",), "reader, writer, approver or admin.", default="writer", metavar="ROLE"),
        Option("models", ("--models",), "Registered models that it may change (credit*); without it, all.", "many", metavar="PATTERN"),
        Option("expires", ("--expires",), "30d, 12h, 1y, or never.", default="90d", metavar="TIME"),
        FOLDER,
    )),
    "list": Command(show, (FOLDER, JSON)),
    "revoke": Command(revoke, (Option("which", (), default=None, metavar="ID_OR_NAME"), FOLDER)),
})  # fmt: skip
COMMAND = Group("Serve a store to MLflow clients, until it is interrupted.", {"token": TOKEN}, Command(serve, (
    Option("host", ("--host",), HOST, default="127.0.0.1", metavar="ADDRESS"),
    Option("port", ("--port",), "Port; 0 takes any.", "int", 5000, metavar="N"),
    FOLDER,
    Option("workers", ("--workers",), "Processes that share the port: 1 to 64.", "int", 1, metavar="N"),
    Option("certificate", ("--certificate",), "Certificate (PEM) for https.", metavar="FILE"),
    Option("key", ("--key",), "Its key (PEM).", metavar="FILE"),
    Option("allowed_host", ("--allowed-host",), ALLOWED, "many", metavar="NAME"),
    Option("proxy_header", ("--proxy-header",), PROXY, metavar="NAME"),
    Option("no_auth", ("--no-auth",), OPEN, "flag"),
    Option("artifact_root", ("--artifact-root",), ROOT, "many", metavar="FOLDER"),
    Option("default_artifact_root", ("--default-artifact-root",), DEFAULT, metavar="URL"),
    Option("access_log", ("--access-log",), "Write a JSON line for each request; - is stderr.", metavar="FILE"),
    Option("rate", ("--rate",), "Requests a second that one client may make; 0: no limit.", "float", 0, metavar="N"),
    Option("index", ("--index",), INDEX, metavar="URL"),
    Option("max_upload", ("--max-upload",), "Largest artifact; 0: no limit.", "int", 0, metavar="MB"),
)))  # fmt: skip
