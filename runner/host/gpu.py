"""NVIDIA GPUs, as nvidia-smi tells of them: it may take a second, so it is asked while something else goes on."""

from __future__ import annotations

from runner.host import files, machine, memo, process
from runner.values import JsonObject

__all__ = ["Query", "Watch", "ask", "known", "parse", "watch"]

PROGRAM = "nvidia-smi"
FACTS = ("index", "name", "uuid", "memory.total", "driver_version", "compute_cap")
LIVE = ("index", "utilization.gpu", "memory.used", "power.draw", "temperature.gpu")  # what changes
MIB = 1 << 20


class Query:
    """An nvidia-smi at work."""

    def __init__(self, program: str) -> None:
        fields = ",".join(FACTS)
        self._program = program
        self._began = files.now()
        self._pending = process.start([program, f"--query-gpu={fields}", "--format=csv,noheader,nounits"])

    def finish(self, patience: float = 5.0) -> list[JsonObject]:
        """The GPUs; none when it fails or does not answer within `patience` seconds."""
        done = self._pending.finish(patience)
        found = [] if done.code else [_facts(row) for row in parse(done.out, FACTS)]
        # also that there is none, or that it hangs: the next run does not wait for it again
        memo.keep("gpus", machine.boot_id(), [self._program], found, self._began)
        return found


class Watch:
    """An nvidia-smi that tells again and again how busy the GPUs are."""

    def __init__(self, program: str, seconds: int) -> None:
        fields = ",".join(LIVE)
        argv = [program, f"--query-gpu={fields}", "--format=csv,noheader,nounits", f"--loop={seconds}"]
        self._pending = process.start(argv)
        self._rest = ""

    def read(self) -> list[dict[str, str]]:
        """The newest of each GPU since the last time."""
        *lines, self._rest = (self._rest + self._pending.available()).split("\n")
        newest = {row.get("index", ""): row for row in parse("\n".join(lines), LIVE)}
        return list(newest.values())

    def stop(self) -> None:
        self._pending.kill()


def watch(seconds: int = 2) -> Watch | None:
    """Samples the GPUs every `seconds`; None where there is no nvidia-smi."""
    program = process.find(PROGRAM)
    return Watch(program, seconds) if program else None


def ask() -> Query | None:
    """None where there is no nvidia-smi."""
    program = process.find(PROGRAM)
    return Query(program) if program else None


def known() -> list[JsonObject] | None:
    """What was found since this machine was started; None when nobody asked yet."""
    found: list[JsonObject] | None = memo.recall("gpus", machine.boot_id())
    return found


def parse(text: str, fields: tuple[str, ...]) -> list[dict[str, str]]:
    """Lines of values separated by commas; what a GPU does not tell (`[N/A]`) is left out."""
    found = []
    for line in text.splitlines():
        values = [value.strip() for value in line.split(",")]
        if len(values) == len(fields):
            pairs = zip(fields, values, strict=True)
            found.append({name: value for name, value in pairs if not value.startswith("[") and value})
    return found


def _facts(row: dict[str, str]) -> JsonObject:
    facts: JsonObject = {
        "name": row.get("name", ""),
        "uuid": row.get("uuid", ""),
        "driver": row.get("driver_version", ""),
        "compute_capability": row.get("compute_cap", ""),
    }
    if row.get("memory.total", "").isdigit():
        facts["memory"] = int(row["memory.total"]) * MIB
    return {key: value for key, value in facts.items() if value}
