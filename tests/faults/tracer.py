"""Kill a process at its n-th system call: `python -m tests.faults.tracer PID N`.

Knows ptrace alone, by ctypes: no strace, no compiler, no privilege beyond that of a debugger (the
traced process says that anyone of its user may trace it). Counts the calls of all threads in the
order in which the kernel is entered, and kills before the n-th is executed.

Says "ready" on stdout once every thread is seized. When it is told to stop (end of stdin) or has
killed, it says "COUNT NUMBER": how many calls it saw and the number of the last one.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from pathlib import Path

PTRACE_SYSCALL, PTRACE_CONT, PTRACE_LISTEN = 24, 7, 0x4208
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_GET_SYSCALL_INFO = 0x4206, 0x4207, 0x420E
O_TRACESYSGOOD, O_TRACECLONE = 1, 8
OPTIONS = O_TRACESYSGOOD | O_TRACECLONE
EVENT_STOP = 128
ENTRY = 1
WALL = 0x40000000
LOOK_S = 0.0005

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long
_INFO_BYTES = 88


def may_be_traced() -> None:
    """Let any process of this user trace this one, where a kernel asks."""
    set_ptracer, anyone = 0x59616D61, ctypes.c_ulong(-1)
    _libc.prctl(set_ptracer, anyone, 0, 0, 0)


def _ptrace(request: int, tid: int, address: int = 0, data: int = 0) -> int:
    return int(_libc.ptrace(request, tid, address, data))


def _entered(tid: int) -> int | None:
    """The number of the call that a stopped thread enters; None if it leaves one."""
    info = ctypes.create_string_buffer(_INFO_BYTES)
    size = _ptrace(PTRACE_GET_SYSCALL_INFO, tid, _INFO_BYTES, ctypes.addressof(info))
    if size <= 0 or info.raw[0] != ENTRY:
        return None
    return int.from_bytes(info.raw[24:32], sys.byteorder)


def _seize(pid: int) -> None:
    """Take every thread; those that appear meanwhile too."""
    taken: set[int] = set()
    while True:
        tids = {int(one.name) for one in Path(f"/proc/{pid}/task").iterdir()} - taken
        if not tids:
            return
        for tid in tids:
            if _ptrace(PTRACE_SEIZE, tid, 0, OPTIONS) == 0:
                _ptrace(PTRACE_INTERRUPT, tid)
            elif tid == pid:
                raise SystemExit(f"may not trace: {os.strerror(ctypes.get_errno())}")
        taken |= tids


def trace(pid: int, kill_at: int) -> tuple[int, int]:
    """Count until the n-th call, the end of stdin or of the process; return the count."""
    count = last = 0
    while True:
        tid, status = os.waitpid(-1, WALL | os.WNOHANG)
        if tid == 0:
            if select.select([0], [], [], LOOK_S)[0]:
                return count, last
            continue
        if not os.WIFSTOPPED(status):
            if tid == pid:
                return count, last
            continue
        number, event, deliver = os.WSTOPSIG(status), status >> 16, 0
        if number == signal.SIGTRAP | 0x80:
            if (entered := _entered(tid)) is not None:
                count, last = count + 1, entered
                if count == kill_at:
                    os.kill(pid, signal.SIGKILL)
                    return count, last
        elif event == EVENT_STOP and number in {signal.SIGSTOP, signal.SIGTSTP}:
            _ptrace(PTRACE_LISTEN, tid)
            continue
        elif event == 0:
            deliver = number
        _ptrace(PTRACE_SYSCALL, tid, 0, deliver)


def main(pid: int, kill_at: int) -> None:
    """Trace and tell."""
    _seize(pid)
    os.write(1, b"ready\n")
    os.write(1, "{} {}\n".format(*trace(pid, kill_at)).encode())


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]))
    except ChildProcessError:
        os.write(1, b"0 0\n")
