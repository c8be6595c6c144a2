#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Does for a daemon what systemd does: keeps descriptors, and starts it again.

fdstore.py DIR COMMAND...

Starts COMMAND with NOTIFY_SOCKET.  Keeps the descriptors that it sends
(FDSTORE=1), until it takes them back by name (FDSTOREREMOVE=1).  When COMMAND
is killed by a signal it is started again, with all of them, once DIR/hold does
not exist.  DIR/pid is the pid of the one that runs; DIR/stored lists the names.
SIGTERM is passed on.  Exits with COMMAND's exit code.
"""
import array
import os
import select
import signal
import socket
import sys
import time

DIR, COMMAND = sys.argv[1], sys.argv[2:]
PATH = DIR + "/notify"


def put(name, text):
    with open(f"{DIR}/{name}.new", "w", encoding="ascii") as f:
        f.write(text)
    os.rename(f"{DIR}/{name}.new", f"{DIR}/{name}")


class Store:
    def __init__(self):
        self.held = []  # (name, descriptor)

    def message(self, sock):
        data, anc, _, _ = sock.recvmsg(8192, socket.CMSG_SPACE(64 * 4))
        fds = array.array("i")
        for level, kind, body in anc:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(body[:len(body) // 4 * 4])
        said = dict(line.split("=", 1) for line in
                    data.decode().split("\n") if "=" in line)
        name = said.get("FDNAME", "stored")
        if "FDSTOREREMOVE" in said:
            for _, fd in [h for h in self.held if h[0] == name]:
                os.close(fd)
            self.held = [h for h in self.held if h[0] != name]
        for fd in fds:
            if "FDSTORE" in said and not self.has(fd):
                self.held.append((name, fd))
            else:
                os.close(fd)
        put("stored", "".join(f"{n}\n" for n, _ in self.held))

    def has(self, fd):
        """The same file, not only the same number."""
        one = os.fstat(fd)
        return any(os.path.samestat(one, os.fstat(h)) and
                   "tun" not in os.readlink(f"/proc/self/fd/{fd}")
                   for _, h in self.held)

    def start(self):
        pid = os.fork()
        if pid:
            return pid
        for i, (_, fd) in enumerate(self.held):
            os.dup2(fd, 500 + i)
        for i in range(len(self.held)):
            os.dup2(500 + i, 3 + i)
            os.set_inheritable(3 + i, True)
        os.closerange(3 + len(self.held), 1024)
        env = dict(os.environ, NOTIFY_SOCKET=PATH)
        if self.held:
            env.update(LISTEN_PID=str(os.getpid()),
                       LISTEN_FDS=str(len(self.held)),
                       LISTEN_FDNAMES=":".join(n for n, _ in self.held))
        os.execvpe(COMMAND[0], COMMAND, env)


def main():
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    if os.path.exists(PATH):
        os.unlink(PATH)
    sock.bind(PATH)
    store = Store()
    pid = store.start()
    put("pid", f"{pid}\n")
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    while True:
        while select.select([sock], [], [], 0.05)[0]:
            store.message(sock)
        done, status = os.waitpid(pid, os.WNOHANG)
        if not done:
            continue
        if os.WIFEXITED(status):
            sys.exit(os.WEXITSTATUS(status))
        while os.path.exists(DIR + "/hold"):
            time.sleep(0.02)
        pid = store.start()
        put("pid", f"{pid}\n")


main()
