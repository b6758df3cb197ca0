"""What differs between the databases that can hold the index. All other SQL is the same for each of them."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SQLITE", "Dialect"]


class Dialect(NamedTuple):
    name: str
    like: str  # conditions with one parameter
    ilike: str
    ordered_join: str  # a join that is made in the order in which it is written
    clustered: str  # after CREATE TABLE: rows are kept in the order of the primary key
    number: str  # type of a column that numbers the rows by itself
    begin: str  # a transaction that will write


# PRAGMA case_sensitive_like is set on every connection (index.py).
SQLITE = Dialect(
    "sqlite",
    like="{} LIKE ?",
    ilike="lower({}) LIKE lower(?)",
    ordered_join="CROSS JOIN",
    clustered="WITHOUT ROWID",
    number="INTEGER PRIMARY KEY",
    begin="BEGIN IMMEDIATE",
)
