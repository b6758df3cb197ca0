"""Solves and installs conda packages with py-rattler; no conda is needed."""

from __future__ import annotations

import json
import os
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from runner import paths
from runner.environments.conda.channels import Settings
from runner.environments.conda.lock import Package
from runner.errors import EnvironmentFailure
from runner.host.files import digest
from runner.text.credentials import redact
from runner.values import Report, Step

__all__ = ["download", "install", "solve"]

Result = TypeVar("Result")


def rattler() -> Any:
    try:
        import rattler
        import rattler.exceptions
    except ImportError:
        raise EnvironmentFailure(
            "conda environments need py-rattler, which is not installed with proj",
            "pip install 'proj-runner[conda]', or set PROJ_CONDA_EXE to your conda, mamba or micromamba",
        ) from None
    return rattler


def cache() -> str:
    """For packages and repository data. On the file system of the environments, or files are copied, not linked."""
    return os.environ.get("RATTLER_CACHE_DIR") or paths.cache("conda")


def solve(
    specs: Sequence[str],
    addresses: Sequence[str],
    platform: str,
    settings: Settings,
    *,
    offline: bool,
    shown: str,
    report: Report,
) -> list[Package]:
    module = rattler()
    with report.step(f"solving the environment of {shown}"):
        try:
            return _run(_solve(specs, addresses, platform, settings, offline))
        except module.exceptions.SolverError as error:
            text = redact(str(error)).removeprefix("Cannot solve the request because of:").strip()
            where = ", ".join(map(redact, addresses)) or "no channel"
            raise EnvironmentFailure(
                f"{shown} cannot be solved with {where}:\n{text}", f"change {shown}, or its channels"
            ) from None
        except (module.exceptions.InvalidMatchSpecError, module.exceptions.InvalidChannelError) as error:
            raise EnvironmentFailure(
                f"{shown}: {redact(str(error))}", "dependencies: [python=3.11, numpy>=1.26]"
            ) from None
        except (module.exceptions.GatewayError, module.exceptions.FetchRepoDataError) as error:
            raise EnvironmentFailure(
                f"{shown}: a channel cannot be read: {redact(str(error))}",
                "check the channels' names and the network" + (", or leave out --offline" if offline else ""),
            ) from None


async def _solve(
    specs: Sequence[str], addresses: Sequence[str], platform: str, settings: Settings, offline: bool
) -> list[Package]:
    module = rattler()
    source = module.SourceConfig(cache_action="force-cache-only" if offline else "cache-or-fetch")
    gateway = module.Gateway(cache_dir=cache(), client=_client(settings), default_config=source)
    arguments = {
        "sources": [module.Channel(address) for address in addresses],
        "specs": [*specs, *(_names(specs) if settings.priority == "strict" else ())],
        "gateway": gateway,
        "platforms": [platform, "noarch"],
        "virtual_packages": module.VirtualPackage.detect(overrides=module.VirtualPackageOverrides.from_env()),
    }
    strict, disabled = module.ChannelPriority.Strict, module.ChannelPriority.Disabled
    first = disabled if settings.priority == "disabled" else strict
    try:
        records = await module.solve(**arguments, channel_priority=first)
    except module.exceptions.SolverError:
        if settings.priority in ("strict", "disabled"):
            raise
        # flexible, which is conda's default: a later channel helps where the first has no package that fits
        try:
            records = await module.solve(**arguments, channel_priority=disabled)
        except module.exceptions.SolverError:
            records = None
        if records is None:
            raise
    return [Package(each.url, _hex(each.sha256) or _hex(each.md5)) for each in records]


def _names(specs: Sequence[str]) -> list[str]:
    """rattler looks at no package that a spec leaves out: only with its bare name a channel hides later ones."""
    parsed = [rattler().MatchSpec(spec) for spec in specs if "::" not in spec]
    return [spec.name.normalized for spec in parsed if spec.name is not None]


def _hex(digest: bytes | None) -> str:
    return digest.hex() if digest else ""


def install(packages: Sequence[Package], prefix: str, settings: Settings, shown: str, report: Report) -> None:
    """Downloads what is not in the package cache, checks it, and links it into the prefix."""
    module = rattler()
    for package in packages:
        _check_local(package)
    with report.step(f"installing {len(packages)} conda packages of {shown}") as step:
        try:
            _run(_install(packages, prefix, settings, step))
        except (module.exceptions.InstallerError, module.exceptions.TransactionError, OSError) as error:
            hint = "proj run --refresh  solves it anew" if "mismatch" in str(error) else "check the network"
            text = redact(str(error))
            raise EnvironmentFailure(f"the packages of {shown} cannot be installed: {text}", hint) from None


async def _install(packages: Sequence[Package], prefix: str, settings: Settings, step: Step) -> None:
    module = rattler()
    await module.install(
        records=[_record(package) for package in packages],
        target_prefix=prefix,
        cache_dir=os.path.join(cache(), "pkgs"),
        client=_client(settings),
        reporter=_reporter(step),
        execute_link_scripts=False,  # in their order, when all is there: conda_prefix
    )


def _record(package: Package) -> Any:
    """What is needed to fetch, check and link a package; the rest is told by the package itself."""
    module = rattler()
    name, version, build = package.parts
    digest = bytes.fromhex(package.digest)
    known = {"sha256": digest} if len(digest) == 32 else {"md5": digest} if digest else {}
    record = module.PackageRecord(name, version, module.BuildString(build), 0, package.subdir, **known)
    channel = package.url.rsplit("/", 2)[0] + "/"
    return module.RepoDataRecord(record, package.file, package.url, channel)


def download(url: str, path: str, settings: Settings) -> None:
    """With what the user's configuration says about logins, mirrors and certificates."""
    rattler()
    from pathlib import Path

    from rattler.package_streaming import download_to_path

    _run(download_to_path(_client(settings), url, Path(path)))


def _check_local(package: Package) -> None:
    """Packages of a folder: rattler takes them without looking at the hash."""
    if not package.url.startswith("file://") or not package.digest:
        return
    from urllib.parse import unquote

    path = package.url.removeprefix("file://")
    path = path if os.path.exists(path) else unquote(path)
    try:
        found = digest(path, algorithm="sha256" if len(package.digest) == 64 else "md5").hex
    except OSError as error:
        raise EnvironmentFailure(
            f"the package {path} cannot be read: {error.strerror}", "--refresh"
        ) from None
    if found != package.digest:
        raise EnvironmentFailure(
            f"hash mismatch: {path} is not the package that the lock means",
            "proj run --refresh  solves it anew",
        )


def _client(settings: Settings) -> Any:
    """With the keyring's, netrc's and the user's own logins, mirrors, proxies and certificates."""
    module = rattler()
    lines = []
    if settings.verify.lower() == "false":
        lines.append("tls-no-verify = true")
    elif settings.verify.lower() != "true":
        lines.append('tls-root-certs = "system"')  # SSL_CERT_FILE, or the system's store
    if settings.proxies:
        lines.append("[proxy-config]")
        lines += [
            f"{kind} = {json.dumps(url)}"
            for kind, url in settings.proxies.items()
            if kind in ("http", "https")
        ]
    if settings.mirrors:
        lines.append("[mirrors]")
        for name, urls in settings.mirrors.items():
            (address,) = settings.addresses([name], os.sep)[:1] or [name]
            lines.append(f"{json.dumps(address)} = {json.dumps(list(urls))}")
    return module.Client.from_config(module.Config.from_toml("\n".join(lines) + "\n"))


def _reporter(step: Step) -> Any:
    module = rattler()

    class Reporter(module.InstallerReporter):  # type: ignore[misc, name-defined]
        """Shows the downloads, added up."""

        def __init__(self) -> None:
            super().__init__()
            self.sizes: dict[int, tuple[float, float]] = {}

        def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
            self.sizes[download_idx] = (progress, total or progress)
            done, whole = (sum(each) for each in zip(*self.sizes.values(), strict=True))
            step.update("downloading", done, whole)

    return Reporter()


def _run(task: Coroutine[Any, Any, Result]) -> Result:
    import asyncio
    import atexit

    atexit.unregister(_settle)
    atexit.register(_settle)
    return asyncio.run(task)


def _settle() -> None:
    """rattler's threads let go of Python's objects a moment after their result is there; an interpreter that is
    taken apart meanwhile crashes (3 of 60 times)."""
    import time

    time.sleep(0.1)
