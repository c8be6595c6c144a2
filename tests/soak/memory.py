# SPDX-License-Identifier: MIT
"""memory.py - a control group that limits memory, of whichever version is
mounted with that controller."""
import os
import time

ROOTS = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory")


def read(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def write(path, value):
    with open(path, "w", encoding="ascii") as f:
        f.write(str(value))


class Group:
    """Use `usable' first: why it cannot be had here, or None."""

    def __init__(self, name):
        self.dir = self.limit = self.used = None
        self.why = "no memory controller is mounted under /sys/fs/cgroup"
        for root in ROOTS:
            v1 = os.path.exists(f"{root}/memory.limit_in_bytes")
            if not v1 and not self.has_v2(root):
                continue
            try:
                if not v1:
                    write(f"{root}/cgroup.subtree_control", "+memory")
                self.dir = f"{root}/{name}"
                os.mkdir(self.dir)
            except OSError as e:
                self.dir, self.why = None, str(e)
                continue
            kind = ("limit_in_bytes", "usage_in_bytes") if v1 else \
                ("max", "current")
            self.limit, self.used = (f"{self.dir}/memory.{k}" for k in kind)
            self.none = "-1" if v1 else "max"
            self.why = None
            return

    @staticmethod
    def has_v2(root):
        try:
            return "memory" in read(f"{root}/cgroup.controllers").split()
        except OSError:
            return False

    def join(self, pid):
        if self.dir:
            write(f"{self.dir}/cgroup.procs", pid)

    def squeeze(self, room_bytes):
        """So much beyond what is used now."""
        write(self.limit, int(read(self.used)) + room_bytes)

    def release(self):
        write(self.limit, self.none)

    def remove(self):
        for _ in range(50):
            try:
                if self.dir:
                    os.rmdir(self.dir)
                return
            except OSError:
                time.sleep(0.1)
