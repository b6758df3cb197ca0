"""Names of Python distributions."""

from __future__ import annotations

__all__ = ["canonical"]


def canonical(name: str) -> str:
    """The name by which indexes know it (PEP 503): `Ruamel.YAML` is `ruamel-yaml`."""
    name = name.lower().replace("_", "-").replace(".", "-")
    while "--" in name:
        name = name.replace("--", "-")
    return name
