"""`proj server`: serves a store to MLflow clients. `proj server token ...`: who may use it."""

from __future__ import annotations

import os
import sys

import typer

from runner import paths
from runner.errors import InputError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=False, rich_markup_mode=None)
token = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
app.add_typer(token, name="token", help="Make, list and revoke tokens of a server.")
STORE = typer.Option("", "--store", metavar="FOLDER", help="The store (default: PROJ_STORE, or the user's).")


def _folder(given: str) -> str:
    root = paths.store(given)
    if "://" in root:
        raise InputError(f"a server needs a store that is a folder, not {root}")
    os.makedirs(root, exist_ok=True)
    return root


@app.callback(invoke_without_command=True)
def server(
    context: typer.Context,
    host: str = typer.Option(
        "127.0.0.1", help="Address to listen on; all others than loopback need a token."
    ),
    port: int = typer.Option(5000, help="Port; 0 takes any."),
    store: str = STORE,
    workers: int = typer.Option(1, min=1, max=64, help="Processes that share the port."),
    certificate: str = typer.Option("", metavar="FILE", help="Certificate (PEM) for https."),
    key: str = typer.Option("", metavar="FILE", help="Its key (PEM)."),
    allowed_host: list[str] = typer.Option(  # noqa: B008
        [], metavar="NAME", help="Name by which clients call the server (behind a proxy); may hold *."
    ),
    access_log: str = typer.Option(
        "", metavar="FILE", help="Write a JSON line for each request; - is stderr."
    ),
    rate: float = typer.Option(0, min=0, help="Requests a second that one client may make; 0: no limit."),
    index: str = typer.Option(
        "",
        metavar="URL",
        help="Where the index is: postgresql://... (better in PROJ_INDEX, if it has a password).",
    ),
    max_upload: int = typer.Option(0, min=0, metavar="MB", help="Largest artifact; 0: no limit."),
) -> None:
    """Serve a store to MLflow clients, until it is interrupted."""
    if context.invoked_subcommand is not None:
        return
    from runner.server.team import Settings, serve

    settings = Settings(
        _folder(store),
        host,
        port,
        workers,
        certificate,
        key,
        tuple(name.lower() for name in allowed_host),
        access_log,
        rate,
        max_upload=max_upload * 1_000_000,
        database=index,
    )

    def ready(address: str) -> None:
        sys.stderr.write(f"serving {settings.store}\n  MLFLOW_TRACKING_URI={address}\n")
        sys.stderr.flush()

    raise typer.Exit(serve(settings, ready))


@token.command("create")
def create(
    name: str = typer.Option("", help="Whose it is, for the audit."),
    role: str = typer.Option("writer", help="reader, writer or admin."),
    expires: str = typer.Option("90d", help="30d, 12h, 1y, or never."),
    store: str = STORE,
) -> None:
    """Make a token and print it, this once."""
    from runner.protocol.scope import ROLES
    from runner.server import tokens
    from runner.tracking.log import now

    if role not in ROLES:
        raise InputError(f"there is no role {role!r}", f"one of {', '.join(ROLES)}")
    text = tokens.create(_folder(store), name, role, tokens.expiry(expires, now()))
    sys.stdout.write(f"{text}\n")


@token.command("list")
def show(store: str = STORE, as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """List tokens; they themselves are not kept."""
    from runner.cli.output import emit_json, table
    from runner.cli.render_values import iso
    from runner.server.tokens import listing
    from runner.tracking.log import now

    found = listing(_folder(store))
    if as_json:
        emit_json([{k: v for k, v in each._asdict().items() if k != "digest"} for each in found])
        return
    rows = [
        (
            each.token_id,
            each.name,
            each.role,
            iso(each.created),
            iso(each.expires) if each.expires else "never",
            "revoked" if each.revoked else "expired" if 0 < each.expires <= now() else "valid",
        )
        for each in found
    ]
    table(("id", "name", "role", "created", "expires", "state"), rows)


@token.command("revoke")
def revoke(which: str = typer.Argument(..., metavar="ID_OR_NAME"), store: str = STORE) -> None:
    """Make a token useless; a running server notices within a second."""
    from runner.cli.output import emit_lines
    from runner.server import tokens

    found = tokens.revoke(_folder(store), which)
    emit_lines([f"revoked {found.token_id} {found.name}".rstrip()])
