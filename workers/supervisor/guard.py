"""The guard: a tiny process that ends the supervisor's children when the supervisor itself was killed.

It leads the process group that all children belong to, and reads a pipe whose only writer is the supervisor. The end
of the pipe is the supervisor's end, however it came about. Needs nothing but a POSIX system; run by path.
"""

import os
import signal


def main() -> None:
    """Wait for the end of standard input, then kill the process group, this process included."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
