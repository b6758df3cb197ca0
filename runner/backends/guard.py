"""A guard outlives its supervisor: if that is killed (SIGKILL, out of memory), the guard ends the command's processes.

It is a small shell that waits on a pipe which only the supervisor holds open. Starting it costs half a
millisecond; a Python process would cost twenty.
"""

from __future__ import annotations

import os

from runner.backends.contained import Farewell

__all__ = ["dismiss", "post"]

# $1 the process group, $2 the mark in the environment of every process of the run, $3 seconds of grace.
# A daemon has left the group but has kept the environment; processes are looked for again until none is left.
# $4 and what follows, if given, is run last: it removes the run's container, which no signal to its client ends.
NOTHING = Farewell()
SCRIPT = """
trap '' HUP INT TERM TSTP TTIN TTOU
IFS= read -r word
[ "$word" = done ] && exit 0
marked() {
  [ -r /proc/self/environ ] || return
  grep -lsazxF -- "$2" /proc/[0-9]*/environ 2>/dev/null | tr -dc '0-9\\n' | grep -vx $$
}
strike() {
  kill -"$1" -- "-$2" 2>/dev/null
  for pid in $(marked "$2" "$3"); do kill -"$1" "$pid" 2>/dev/null; done
}
unset PROJ_RUN_ID
group=$1 mark=$2 left=$3
shift 3
[ $# -gt 0 ] && trap '"$@"' EXIT
strike TERM "$group" "$mark"
while [ "$left" -gt 0 ]; do
  kill -0 -- "-$group" 2>/dev/null || [ -n "$(marked "$group" "$mark")" ] || exit 0
  sleep 1; left=$((left - 1))
done
for turn in 1 2 3 4 5; do
  strike KILL "$group" "$mark"
  kill -0 -- "-$group" 2>/dev/null || [ -n "$(marked "$group" "$mark")" ] || exit 0
  sleep 0.2
done
"""


def post(group: int, run_id: str, grace: float, farewell: Farewell = NOTHING) -> tuple[int, int]:
    """Starts a guard over the process group; returns what `dismiss` needs: (pid, pipe)."""
    read_end, write_end = os.pipe()
    actions: list[tuple[int, ...]] = [(os.POSIX_SPAWN_DUP2, read_end, 0)]
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    actions += [(os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)]
    # its own environment has no mark of the run: it must not find itself
    variables = {"PATH": os.environ.get("PATH", os.defpath), **dict(farewell.variables)}
    argv = ["sh", "-c", SCRIPT, "proj-guard", str(group), f"PROJ_RUN_ID={run_id}", str(int(grace))]
    argv += farewell.argv
    try:
        pid = os.posix_spawn("/bin/sh", argv, variables, file_actions=actions, setsid=True)
    finally:
        os.close(read_end)
        os.close(null)
    return pid, write_end


def dismiss(guard: tuple[int, int]) -> None:
    pid, pipe = guard
    try:
        os.write(pipe, b"done\n")
    except OSError:
        pass
    os.close(pipe)
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass
