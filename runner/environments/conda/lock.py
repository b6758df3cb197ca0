"""The lock of a conda environment: conda's own explicit format, with the pip part as comments.

    # platform: linux-64
    @EXPLICIT
    https://host/channel/linux-64/python-3.11.7-h1_0_cpython.conda#<sha256, or md5 where there is none>
    # pip six==1.16.0 --hash=sha256:...

`conda create --file` reads it too. No address in it has credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from runner.environments.python import lockfile
from runner.errors import EnvironmentFailure
from runner.text.credentials import redact

__all__ = ["Locked", "Package", "named", "parse", "with_credentials", "write"]

PIP = "# pip "
PLATFORM = "# platform: "


class Package(NamedTuple):
    url: str
    digest: str  # sha256 (64 digits) or md5 (32), hexadecimal; "" when the channel tells none

    @property
    def file(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def subdir(self) -> str:
        """The platform, such as linux-64 or noarch."""
        return self.url.split("/")[-2]

    @property
    def stem(self) -> str:
        """NAME-VERSION-BUILD."""
        return re.sub(r"\.(conda|tar\.bz2)$", "", self.file)

    @property
    def parts(self) -> tuple[str, str, str]:
        """Name, version and build."""
        name, version, build = self.stem.rsplit("-", 2)
        return name, version, build


class Locked(NamedTuple):
    platform: str
    packages: tuple[Package, ...]
    pip: tuple[str, ...]  # requirement lines, each with its hashes


def write(platform: str, packages: Iterable[Package], pip: str) -> str:
    """An explicit list as `conda list --explicit --md5` writes it, with SHA-256 where the channel states one, and
    pip's lines as comments: `conda create --file` reads it, too.
    """
    lines = [f"{PLATFORM}{platform}", "@EXPLICIT"]
    lines += sorted(
        f"{redact(each.url)}#{each.digest}" if each.digest else redact(each.url) for each in packages
    )
    joined = re.sub(r"\s*\\\n\s*", " ", pip)
    lines += [PIP + line for line in joined.splitlines() if line.strip() and not line.startswith("#")]
    return "\n".join(lines) + "\n"


def parse(text: str, shown: str) -> Locked:
    """Reads such a list, also one that conda wrote; `shown` names it. EnvironmentFailure for a line that is no
    package's URL.
    """
    platform, packages, pip = "", list[Package](), list[str]()
    for line in text.splitlines():
        line = line.strip()
        if line.startswith(PLATFORM):
            platform = line.removeprefix(PLATFORM).strip()
        elif line.startswith(PIP):
            pip.append(line.removeprefix(PIP))
        elif line and not line.startswith(("#", "@")):
            url, _, digest = line.partition("#")
            digest = digest.removeprefix("sha256:").lower()
            if not re.search(r"/[^/]+-[^-/]+-[^-/]+\.(conda|tar\.bz2)$", url):
                raise EnvironmentFailure(
                    f"{shown}: {redact(line)} is no address of a conda package", "--refresh"
                )
            packages.append(
                Package(url, digest if re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{64}", digest) else "")
            )
    return Locked(platform, tuple(packages), tuple(pip))


def with_credentials(packages: Sequence[Package], addresses: Sequence[str]) -> list[Package]:
    """The packages at the addresses that the user's configuration has now, with what is needed to get them."""
    known = {redact(address): address for address in addresses if redact(address) != address}
    found = []
    for package in packages:
        for plain, address in known.items():
            if package.url.startswith(plain + "/"):
                package = package._replace(url=address + package.url[len(plain) :])
                break
        found.append(package)
    return found


def named(lock: str) -> dict[str, str] | None:
    """Name -> version of what a lock names; None when it is in another format."""
    if not re.search(r"^@EXPLICIT\s*$", lock, re.MULTILINE):
        return None
    locked = parse(lock, "the lock")
    found = {name: version for name, version, _ in (each.parts for each in locked.packages)}
    return found | lockfile.packages("\n".join(locked.pip))
