"""HDF5 files read into trees, where h5py is installed beside proj."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from runner.reproduction.verdict.arrays import layout
from runner.reproduction.verdict.leaves import Array, Ignored
from runner.values import JsonObject

__all__ = ["LAYOUT", "read"]

LAYOUT = "how a file is laid out, and by which program"


def read(data: bytes, *_: object) -> Any:
    """Groups, datasets and links by name, with their attributes; chunks and compression do not count."""
    import h5py  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with h5py.File(BytesIO(data), "r") as file:
        return {"": _group(h5py, file), "layout": Ignored(LAYOUT, len(data))}


def _group(h5py: Any, group: Any) -> JsonObject:
    found: JsonObject = {"attributes": {name: _values(value) for name, value in group.attrs.items()}}
    for name in group:
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            found[f"/{name}"] = f"{type(link).__name__} {getattr(link, 'filename', '')} {link.path}"
            continue
        item = group[name]
        if isinstance(item, h5py.Dataset):
            attributes = {key: _values(value) for key, value in item.attrs.items()}
            found[f"/{name}"] = {"attributes": attributes, "": _values(item[()])}
        elif isinstance(item, h5py.Group):
            found[f"/{name}"] = _group(h5py, item)
        else:
            raise ValueError(f"{name} is of no known kind")
    return found


def _values(value: Any) -> Any:
    """Text and None as they are, NumPy's arrays and scalars with their type."""
    if not hasattr(value, "dtype"):
        return value if isinstance(value, (str, bytes, int, float)) else repr(value)
    if value.dtype.hasobject:
        return [str(value.dtype.metadata), list(value.shape), value.ravel().tolist()]
    size, fields = layout(value.dtype.descr if value.dtype.names else value.dtype.str)
    return [str(value.dtype), Array(tuple(value.shape), "C", size, fields, value.tobytes())]
