"""`proj server`: the protocol over a whole store, for a team. One or several processes share one port."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from runner.errors import InputError, ProjError

if TYPE_CHECKING:
    from ssl import SSLContext

    from runner.protocol.counters import Counters

__all__ = ["Settings", "serve"]

Tls: TypeAlias = "SSLContext | None"  # None: without encryption

LOOPBACK = ("127.0.0.1", "::1", "localhost")
ENDING = (signal.SIGTERM, signal.SIGINT)
FILES = 24_000  # that may be open
TAKEN = 64  # new connections at once
SWITCH = 0.0002  # s that a thread may go on while the one that answers waits for its turn
LOST = 2.0  # s between looks for runs whose supervisor is gone
RESTARTS = 10  # of processes in a minute, before we give up


class Settings(NamedTuple):
    store: str
    host: str = "127.0.0.1"
    port: int = 5000
    workers: int = 1
    certificate: str = ""
    key: str = ""
    hosts: tuple[str, ...] = ()  # further names that the server answers to
    access_log: str = ""  # file, "-": standard error, "": none
    rate: float = 0  # requests a second of one client; 0: no limit
    max_upload: int = 0  # bytes; 0: no limit
    grace: float = 10  # s
    no_auth: bool = False  # no token is needed; only on a loopback address
    proxy_header: str = ""  # in which a trusted proxy tells the address of the client
    artifact_roots: tuple[str, ...] = ()  # folders below which experiments may keep artifacts
    default_root: str = ""  # where new experiments keep their artifacts; "": in the store
    database: str = ""  # of the index: postgresql://...; "": PROJ_INDEX, or a SQLite file in the store


def serve(settings: Settings, ready: Callable[[str], None]) -> int:
    """Serves until SIGTERM or SIGINT; `ready` is told the address. InputError for settings that do not fit."""
    from runner.protocol.counters import Counters
    from runner.server.tokens import listing

    if settings.database:
        from runner.tracking.index.postgresql import check

        check(settings.database)
    tls = _tls(settings)
    loopback = settings.host in LOOPBACK
    if settings.no_auth and not loopback:
        raise InputError(f"{settings.host} can be reached by others: --no-auth is for 127.0.0.1 only")
    if not loopback and not any(not token.revoked for token in listing(settings.store)):
        raise InputError(
            f"{settings.host} can be reached by others, and there is no token yet",
            "proj server token create --role writer",
        )
    if settings.default_root:
        from runner.tracking.experiments import place_default

        place_default(settings.store, f"{settings.default_root}/0")
    listener = _listen(settings)
    port = listener.getsockname()[1]
    counters = Counters(settings.workers)
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    address = f"{'https' if tls else 'http'}://{name}:{port}"
    if settings.workers == 1:
        return _work(settings, listener, tls, counters, 0, lambda: ready(address))
    return _keep(settings, listener, tls, counters, lambda: ready(address))


def _tls(settings: Settings) -> Tls:
    if not settings.certificate:
        if settings.key:
            raise InputError("--key needs --certificate")
        return None
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.certificate, settings.key or None)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"the certificate {settings.certificate} cannot be used: {error}") from None
    return context


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named: answers would wait 40 ms for an acknowledgement
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise InputError(
            f"{settings.host}:{settings.port} cannot be used: {error.strerror}",
            "proj server --port 0  takes any",
        ) from None
    listener.listen(4096)
    return listener


def _hosts(settings: Settings) -> tuple[str, ...]:
    own = [settings.host, *LOOPBACK, *settings.hosts]
    if settings.host not in LOOPBACK:
        own += [socket.gethostname().lower(), socket.getfqdn().lower()]
    return tuple(dict.fromkeys(own))


def _work(
    settings: Settings,
    listener: socket.socket,
    tls: Tls,
    counters: Counters,
    slot: int,
    ready: Callable[[], None],
) -> int:
    """One process of the server."""
    from runner.protocol.application import application
    from runner.protocol.gate import Limits
    from runner.protocol.live import LiveRuns
    from runner.protocol.serving import Server
    from runner.server.audit import Lines
    from runner.server.door import TeamDoor
    from runner.server.gate import Rules, TeamGate
    from runner.server.memory import return_memory, spare_collections
    from runner.server.tokens import Tokens
    from runner.server.webhooks import follow
    from runner.tracking.store import Store
    from runner.web.site import DOORS, Site, pages

    sys.setswitchinterval(SWITCH)
    return_memory()
    runs = LiveRuns(Store(settings.store, index=settings.database), settings.default_root)
    counters.take(slot)
    gate = TeamGate(
        runs,
        Rules(
            _hosts(settings),
            settings.host in LOOPBACK,
            settings.rate,
            settings.no_auth,
            settings.proxy_header.lower(),
            settings.artifact_roots,
        ),
        Tokens(settings.store),
        counters,
        Lines(os.path.join(settings.store, "server", "audit.jsonl")),
        Lines(settings.access_log) if settings.access_log else None,
    )
    limits = Limits(
        upload=settings.max_upload, connections=_room(), taken=TAKEN if settings.workers == 1 else 4
    )
    site = Site(runs.store, TeamDoor(settings.store, gate), _hosts(settings))
    server = Server(application(gate, limits, pages(site), DOORS), gate, limits, tls, settings.grace)
    for number in ENDING:
        signal.signal(number, lambda _number, _frame: server.stop())
    if slot == 0:
        threading.Thread(target=_close_lost_runs, args=(settings,), name="lost runs", daemon=True).start()
        threading.Thread(target=follow, args=(settings.store,), name="webhooks", daemon=True).start()
    spare_collections()
    server.listen(listener)
    gc.freeze()  # what was imported is not looked through again and again
    server.start()
    ready()
    server.wait()
    runs.close()
    return 0


def _close_lost_runs(settings: Settings) -> None:
    """Runs whose supervisor on this host is gone get their end, now and then: reading alone ends nothing."""
    from runner.running.reconcile import close_lost
    from runner.tracking.store import Store

    with Store(settings.store, index=settings.database) as store:
        while True:
            began = time.monotonic()
            try:
                close_lost(store)
            except ProjError:
                pass  # the index cannot be used now; those who ask are told
            # under load that brings the index up to date: no more than a tenth of the time
            time.sleep(max(LOST, 9 * (time.monotonic() - began)))


def _room() -> int:
    """How many connections there may be; the limit of open files is raised as far as that goes."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    # each may read a file
    return max(100, min(10_000, ((wanted if soft == resource.RLIM_INFINITY else soft) - 600) // 2))


def _keep(
    settings: Settings, listener: socket.socket, tls: Tls, counters: Counters, ready: Callable[[], None]
) -> int:
    """Starts the processes, starts new ones for those that die, and ends them all."""
    children: dict[int, int] = {}
    stopping = False
    restarts: list[float] = []

    def stop(_number: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True
        for child in children:
            try:
                os.kill(child, signal.SIGTERM)
            except ProcessLookupError:
                pass

    def start(slot: int) -> None:
        # no signal may find a child that is not yet noted, or one that still has our handler
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                for number in ENDING:
                    signal.signal(number, signal.SIG_DFL)
                signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
                code = _work(settings, listener, tls, counters, slot, lambda: None)
            except ProjError as error:
                sys.stderr.write(f"error: {error.message}\n")
            finally:
                sys.stderr.flush()
                os._exit(code)
        children[child] = slot
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)

    import runner.protocol.application
    import runner.protocol.serving
    import runner.server.gate  # noqa: F401  once, before the fork: a new process can serve at once

    for number in ENDING:
        signal.signal(number, stop)
    for slot in range(settings.workers):
        start(slot)
    ready()
    while children:
        child, _ = os.wait()
        slot = children.pop(child, -1)
        if slot < 0 or stopping:
            continue
        now = time.monotonic()
        restarts = [moment for moment in restarts if moment > now - 60] + [now]
        if len(restarts) > RESTARTS:
            stop(0, None)
            raise ProjError(
                "the processes of the server end again and again", "proj server --workers 1  shows why"
            )
        start(slot)
    listener.close()
    return 0
