"""Both databases that can hold an index; a PostgreSQL server where there is one (services/postgres-up.sh)."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

SERVER = os.environ.get("PROJ_TEST_POSTGRES", "")


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    """An empty database of this process's own."""
    if not SERVER:
        pytest.skip("needs a PostgreSQL server (PROJ_TEST_POSTGRES)")
    import psycopg

    name = f"proj_test_{os.urandom(6).hex()}"
    with psycopg.connect(SERVER, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0".encode())
        yield SERVER.rpartition("/")[0] + "/" + name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def postgres(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Stores have their index there."""
    import psycopg

    monkeypatch.setenv("PROJ_INDEX", database)
    yield database
    with psycopg.connect(database, autocommit=True) as connection:
        for (name,) in connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'proj%'"
        ).fetchall():
            connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def dialect(request: pytest.FixtureRequest) -> str:
    if request.param == "postgresql":
        request.getfixturevalue("postgres")
    return str(request.param)
