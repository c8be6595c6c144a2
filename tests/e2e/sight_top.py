#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""sight_top.py COLS ROWS KEYS COMMAND...: a terminal for `penstockctl top'.

Runs the command in a pseudo-terminal of that size, and prints what a terminal
shows once it shows something that a regular expression matches.  KEYS is a list,
separated by |, of what is done one after the other: "=RE" waits until RE is on
the screen, "?" prints the screen, anything else is typed (\\n is Enter).
Ends with the command's exit code, or with 1 if a wait takes a minute.
"""
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from fcntl import ioctl

import pyte


def main(cols, rows, keys, command):
    screen = pyte.Screen(cols, rows)
    stream = pyte.ByteStream(screen)
    pid, fd = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm"
        time.sleep(0.2)  # the size is set meanwhile
        os.execvp(command[0], command)
    ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def feed(seconds):
        if select.select([fd], [], [], seconds)[0]:
            try:
                data = os.read(fd, 65536)
            except OSError:  # the other end is closed
                return False
            stream.feed(data)
            return bool(data)
        return True

    def wait(pattern):
        end = time.monotonic() + 60
        while not re.search(pattern, "\n".join(screen.display), re.M):
            if time.monotonic() > end or not feed(0.2):
                print("never shown: " + pattern)
                print("\n".join(screen.display))
                os.kill(pid, 9)
                sys.exit(1)

    # What is drawn at once may arrive in pieces.
    def settle():
        end = time.monotonic() + 5
        while select.select([fd], [], [], 0.1)[0] and feed(0):
            if time.monotonic() > end:
                break

    for key in keys.split("|"):
        if key.startswith("="):
            wait(key[1:])
        elif key == "?":
            settle()
            print("\n".join(screen.display))
        else:
            os.write(fd, key.replace("\\n", "\n").encode())
    end = time.monotonic() + 60
    while feed(0.2) and time.monotonic() < end:
        pass
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3],
                  sys.argv[4:]))
