"""SQLite databases (sqlite.org/fileformat2.html) read into trees: schema and rows, wherever they lie in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from runner.reproduction.verdict.hdf5 import LAYOUT
from runner.reproduction.verdict.leaves import Ignored, Rows
from runner.values import JsonObject

if TYPE_CHECKING:
    from sqlite3 import Connection

__all__ = ["read"]

JOURNAL = slice(
    18, 20
)  # of the header: 2 where there is a write-ahead log, without which it cannot be opened
SETTINGS = ("application_id", "user_version", "encoding")
SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"


def read(data: bytes, *_: object) -> JsonObject:
    """ValueError for what is damaged, or has virtual tables."""
    import sqlite3

    found = sqlite3.connect(":memory:")
    try:
        if not hasattr(found, "deserialize"):
            raise ValueError("that takes Python 3.11")
        found.deserialize(data[: JOURNAL.start] + b"\1\1" + data[JOURNAL.stop :])
        found.execute("PRAGMA trusted_schema = OFF")  # functions in it are not called
        found.text_factory = lambda text: text.decode("utf-8", "surrogateescape")
        return _tree(found, len(data)) | {"layout": Ignored(LAYOUT, (len(data), data[:100]))}
    except sqlite3.Error as error:
        raise ValueError(str(error)) from None
    finally:
        found.close()


def _tree(found: Connection, length: int) -> JsonObject:
    if (problem := found.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise ValueError(problem)
    pages, size = (found.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    if pages * size != length:
        raise ValueError("something follows its end, or it is cut off")
    settings = {name: found.execute(f"PRAGMA {name}").fetchone()[0] for name in SETTINGS}
    schema = found.execute(SCHEMA).fetchall()
    tables: dict[str, Any] = {}
    for kind, name, _, sql in schema:
        if kind == "table":
            if str(sql).lstrip().upper().startswith("CREATE VIRTUAL"):
                raise ValueError(f"{name} is a virtual table")
            quoted = name.replace('"', '""')
            tables[name] = Rows("row", found.execute(f'SELECT * FROM "{quoted}"').fetchall())  # noqa: S608
    return {"settings": settings, "schema": [list(each) for each in schema], "": tables}
