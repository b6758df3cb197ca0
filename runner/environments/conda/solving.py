"""Solves and installs conda packages with py-rattler; no conda is needed."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from runner import paths
from runner.environments.conda import package_files
from runner.environments.conda.channels import Settings
from runner.environments.conda.lock import Package
from runner.environments.conda.plan import Plan
from runner.errors import EnvironmentFailure
from runner.text.credentials import redact
from runner.values import Report, Step

try:
    import rattler
    import rattler.exceptions as failures
    from rattler.package_streaming import download_to_path
except ImportError:
    raise EnvironmentFailure(
        "conda environments need py-rattler, which is not installed with proj",
        "pip install 'proj-runner[conda]', or set PROJ_CONDA_EXE to your conda, mamba or micromamba",
    ) from None

__all__ = ["download", "install", "solve"]

Result = TypeVar("Result")


def cache() -> Path:
    """For packages and repository data. On the file system of the environments, or files are copied, not linked."""
    return Path(os.environ.get("RATTLER_CACHE_DIR") or paths.cache("conda"))


def solve(plan: Plan, platform: str, report: Report) -> list[Package]:
    """The packages of an environment, by the same solver that mamba 2 and pixi use (seconds, with the network).

    EnvironmentFailure, with the channels that were asked, when there is no solution or a channel cannot be read.
    """
    shown, offline = plan.shown, plan.pip.offline
    with report.step(f"solving the environment of {shown}"):
        try:
            return _run(_solve(plan, platform))
        except failures.SolverError as error:
            text = redact(str(error)).removeprefix("Cannot solve the request because of:").strip()
            where = ", ".join(map(redact, plan.addresses)) or "no channel"
            raise EnvironmentFailure(
                f"{shown} cannot be solved with {where}:\n{text}", f"change {shown}, or its channels"
            ) from None
        except (failures.InvalidMatchSpecError, failures.InvalidChannelError) as error:
            raise EnvironmentFailure(
                f"{shown}: {redact(str(error))}", "dependencies: [python=3.11, numpy>=1.26]"
            ) from None
        except (failures.GatewayError, failures.FetchRepoDataError) as error:
            raise EnvironmentFailure(
                f"{shown}: a channel cannot be read: {redact(str(error))}",
                "check the channels' names and the network" + (", or leave out --offline" if offline else ""),
            ) from None


async def _solve(plan: Plan, platform: str) -> list[Package]:
    specs, settings = plan.complete_specs, plan.settings
    source = rattler.SourceConfig(cache_action="force-cache-only" if plan.pip.offline else "cache-or-fetch")
    gateway = rattler.Gateway(cache_dir=cache(), client=_client(settings), default_config=source)
    overrides = rattler.VirtualPackageOverrides.from_env()

    async def solved(priority: rattler.ChannelPriority) -> list[rattler.RepoDataRecord]:
        return await rattler.solve(
            sources=[rattler.Channel(address) for address in plan.addresses],
            specs=[*specs, *(_names(specs) if settings.priority == "strict" else ())],
            gateway=gateway,
            platforms=[rattler.Subdir(platform), "noarch"],
            virtual_packages=rattler.VirtualPackage.detect(overrides=overrides),
            channel_priority=priority,
        )

    strict, disabled = rattler.ChannelPriority.Strict, rattler.ChannelPriority.Disabled
    try:
        records = await solved(disabled if settings.priority == "disabled" else strict)
    except failures.SolverError as error:
        if settings.priority in ("strict", "disabled"):
            raise
        # flexible, which is conda's default: a later channel helps where the first has no package that fits
        try:
            records = await solved(disabled)
        except failures.SolverError:
            raise error from None
    return [Package(each.url, _hex(each.sha256) or _hex(each.md5)) for each in records]


def _names(specs: Sequence[str]) -> list[str]:
    """rattler looks at no package that a spec leaves out: only with its bare name a channel hides later ones."""
    parsed = [rattler.MatchSpec(spec) for spec in specs if "::" not in spec]
    return [spec.name.normalized for spec in parsed if spec.name is not None]


def _hex(digest: bytes | None) -> str:
    return digest.hex() if digest else ""


def install(packages: Sequence[Package], prefix: str, settings: Settings, shown: str, report: Report) -> None:
    """Downloads what is not in the package cache, checks it, and links it into the prefix."""
    _check_local(packages)
    with report.step(f"installing {len(packages)} conda packages of {shown}") as step:
        try:
            _run(_install(packages, prefix, settings, step))
        except (failures.InstallerError, failures.TransactionError, OSError) as error:
            hint = "proj run --refresh  solves it anew" if "mismatch" in str(error) else "check the network"
            text = redact(str(error))
            raise EnvironmentFailure(f"the packages of {shown} cannot be installed: {text}", hint) from None


async def _install(packages: Sequence[Package], prefix: str, settings: Settings, step: Step) -> None:
    await rattler.install(
        records=[_record(package) for package in packages],
        target_prefix=prefix,
        cache_dir=cache() / "pkgs",
        client=_client(settings),
        reporter=Reporter(step),  # type: ignore[abstract]
        execute_link_scripts=False,  # in their order, when all is there: conda_prefix
    )


def _record(package: Package) -> rattler.RepoDataRecord:
    """What is needed to fetch, check and link a package; the rest is told by the package itself."""
    name, version, build = package.parts
    digest = bytes.fromhex(package.digest)
    sha256, md5 = (digest, None) if len(digest) == 32 else (None, digest or None)
    build_string = rattler.BuildString(build)
    record = rattler.PackageRecord(name, version, build_string, 0, package.subdir, sha256=sha256, md5=md5)
    channel = package.url.rsplit("/", 2)[0] + "/"
    return rattler.RepoDataRecord(record, package.file, package.url, channel)


def download(url: str, path: str, settings: Settings) -> None:
    """With what the user's configuration says about logins, mirrors and certificates."""
    _run(download_to_path(_client(settings), url, Path(path)))


def _check_local(packages: Sequence[Package]) -> None:
    """Packages of a folder: rattler takes them without looking at the hash."""
    for package in packages:
        path = package_files.local(package.url)
        try:
            right = not path or package_files.matches(path, package.digest)
        except OSError as error:
            raise EnvironmentFailure(
                f"the package {path} cannot be read: {error.strerror}", "--refresh"
            ) from None
        if not right:
            raise EnvironmentFailure(
                f"hash mismatch: {path} is not the package that the lock means",
                "proj run --refresh  solves it anew",
            )


def _client(settings: Settings) -> rattler.Client:
    """With the keyring's, netrc's and the user's own logins, mirrors, proxies and certificates."""
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
    return rattler.Client.from_config(rattler.Config.from_toml("\n".join(lines) + "\n"))


class Reporter(rattler.InstallerReporter):
    """Shows the downloads, added up."""

    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step
        self.sizes: dict[int, tuple[float, float]] = {}

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:
        self.sizes[download_idx] = (progress, total or progress)
        done, whole = (sum(each) for each in zip(*self.sizes.values(), strict=True))
        self.step.update("downloading", done, whole)


def _run(task: Coroutine[Any, Any, Result]) -> Result:
    atexit.unregister(_settle)
    atexit.register(_settle)
    return asyncio.run(task)


def _settle() -> None:
    """rattler's threads let go of Python's objects a moment after their result is there; an interpreter that is
    taken apart meanwhile crashes (3 of 60 times)."""
    time.sleep(0.1)
