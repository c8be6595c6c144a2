# SPDX-License-Identifier: MIT
"""stand.py - one path in network namespaces of its own, and what stands on it.

   client             gateway                  server
  [ 198.51.100.2 ]==( L1 )==[ proxy ]==( L2 )==[ 203.0.113.10 ]

L1 and L2 are emulated links (linkem).  Half of the round-trip time belongs to
each.  L1 has the rate, the queue and the loss.  Everything is made anew for
each run and removed after it, so that no kernel remembers anything.
"""
import json
import os
import signal
import subprocess
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = "203.0.113.10"
PORT = 5201

# name: who carries it, congestion control of all kernels and of penstock
COLUMNS = {
    "direct-cubic": ("direct", "cubic"),
    "direct-bbr": ("direct", "bbr"),
    "haproxy-bbr": ("haproxy", "bbr"),
    "penstock-cubic": ("penstock", "cubic"),
    "penstock-bbr": ("penstock", "bbr"),
}

CONF = """[penstock]
secret_file = {tmp}/secret
control = {tmp}/control.sock
http =

[service load]
listen = {server}:{port}
tcp_congestion_control = {cc}
{more}
"""

# TPROXY both ways: its sockets bear the clients' addresses, too.
HAPROXY = """. tests/bench/haproxy.sh
in_g() {{ ip netns exec {g} "$@"; }}
haproxy_rules {port}
haproxy_conf >{tmp}/haproxy.cfg
"""


class Failed(Exception):
    pass


def link_options(path, seed):
    """The options of L1 and L2: data of `down' goes from B to A."""
    rtt, rate = path["rtt"], path["rate"]
    bdp = rtt * rate * 125
    if "queue" in path:
        queue = max(int(bdp * path["queue"]), 6000)
    else:
        queue = max(int(bdp), 150000)
    one = ["--delay", rtt / 4, "--rate", rate, "--queue", f"{queue}B",
           "--loss", path.get("loss", 0), "--seed", seed]
    one += path.get("more", [])
    if path.get("ack_loss"):
        ack = "--ab" if path["way"] == "down" else "--ba"
        one += [ack, "--loss", path["ack_loss"]]
    return one, ["--delay", rtt / 4, "--seed", seed]


STANDING = set()


def remove_all(*_):
    """For a signal: nothing is left behind."""
    for st in list(STANDING):
        st.__exit__()
    os._exit(1)


class Stand:
    """Use it in a `with'.  @name begins the names of the namespaces."""

    def __init__(self, build, name, tmp):
        self.build, self.tmp = build, tmp
        self.ns = {n: f"{name}-{n}" for n in "cgs"}
        self.links, self.children = [], []
        self.conf = ""
        os.makedirs(tmp, exist_ok=True)

    def __enter__(self):
        STANDING.add(self)
        return self

    def __exit__(self, *exc):
        STANDING.discard(self)
        self.stop(self.children + self.links)
        for n in self.ns.values():
            subprocess.run(["ip", "netns", "del", n], check=False,
                           stderr=subprocess.DEVNULL)

    def sh(self, *cmd, **kw):
        cmd = [str(c) for c in cmd]
        r = subprocess.run(cmd, capture_output=True, text=True, check=False,
                           **kw)
        if r.returncode:
            raise Failed(f"{' '.join(cmd)}: {r.stderr.strip()}")
        return r.stdout

    def inside(self, n, *cmd, **kw):
        return self.sh("ip", "netns", "exec", self.ns[n], *cmd, **kw)

    def start(self, n, *cmd):
        """A process in a namespace; its output goes to a file."""
        if n:
            cmd = ("ip", "netns", "exec", self.ns[n]) + cmd
        out = open(f"{self.tmp}/out.{len(self.children + self.links)}", "w+")
        p = subprocess.Popen([str(c) for c in cmd], stdout=out, text=True,
                             stderr=subprocess.STDOUT, start_new_session=True)
        p.out = out
        (self.children if n else self.links).append(p)
        return p

    def output(self, p):
        with open(p.out.name) as f:
            return f.read()

    def wait_for(self, p, what, happened):
        for _ in range(400):
            if happened():
                return
            if p.poll() is not None:
                break
            time.sleep(0.025)
        raise Failed(f"{what} did not start: {self.output(p)}")

    def stop(self, processes):
        for p in reversed(processes):
            try:
                os.killpg(p.pid, signal.SIGTERM)  # with the server's children
            except ProcessLookupError:
                pass
            try:
                p.wait(10)
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
            p.out.close()

    # --- path ---

    def namespaces(self):
        for n in self.ns.values():
            self.sh("ip", "netns", "add", n)
            self.sh("ip", "-n", n, "link", "set", "lo", "up")
            self.sh("ip", "netns", "exec", n, "sysctl", "-qw",
                    "net.ipv4.conf.all.rp_filter=0",
                    "net.ipv4.conf.default.rp_filter=0")
        self.inside("g", "sysctl", "-qw", "net.ipv4.ip_forward=1")

    def link(self, a, b, options):
        p = self.start(None, f"{self.build}/tools/linkem", "--rt", "--a",
                       f"{self.ns[a[0]]}:{a[1]}", "--b",
                       f"{self.ns[b[0]]}:{b[1]}", *options)
        self.wait_for(p, "linkem", lambda: "ready" in self.output(p))

    def veth(self, a, b):
        self.sh("ip", "-n", self.ns[a[0]], "link", "add", "name", a[1], "type", "veth",
                "peer", "name", b[1], "netns", self.ns[b[0]])
        for n, dev in (a, b):
            self.sh("ip", "-n", self.ns[n], "link", "set", "dev", dev,
                    "up")

    def path(self, path, seed):
        self.conf = path.get("conf", "")
        self.namespaces()
        if path.get("veth"):
            self.veth(("c", "up"), ("g", "cl"))
            self.veth(("g", "sv"), ("s", "up"))
        else:
            one, two = link_options(path, seed)
            self.link(("c", "up"), ("g", "cl"), one)
            self.link(("g", "sv"), ("s", "up"), two)
        for n, dev, address in (("c", "up", "198.51.100.2"),
                                ("g", "cl", "198.51.100.1"),
                                ("g", "sv", "203.0.113.1"),
                                ("s", "up", SERVER)):
            self.sh("ip", "-n", self.ns[n], "addr", "add", f"{address}/24",
                    "dev", dev)
        for n, via in (("c", "198.51.100.1"), ("s", "203.0.113.1")):
            self.sh("ip", "-n", self.ns[n], "route", "add", "default", "via",
                    via)

    # --- who carries it ---

    def direct(self, cc):
        pass

    def haproxy(self, cc):
        g = self.ns["g"]
        self.inside("g", "sysctl", "-qw",
                    f"net.ipv4.tcp_congestion_control={cc}")
        self.sh("bash", "-c", HAPROXY.format(g=g, port=PORT, tmp=self.tmp))
        p = self.start("g", "haproxy", "-db", "-f", f"{self.tmp}/haproxy.cfg")
        self.wait_for(p, "haproxy", lambda: self.inside(
            "g", "ss", "-Htln", "sport = :5000"))

    def penstock(self, cc):
        conf = f"{self.tmp}/conf"
        with open(conf, "w") as f:
            f.write(CONF.format(tmp=self.tmp, server=SERVER, port=PORT, cc=cc,
                                more=self.conf))
        self.inside("g", f"{self.build}/penstockctl", "rules", "apply", "-c",
                    conf)
        p = self.start("g", f"{self.build}/penstockd", "-c", conf)
        self.wait_for(p, "penstockd", lambda: self.inside(
            "g", "cat", "/proc/net/netfilter/nfnetlink_queue"))

    # --- what is measured ---

    def load(self, cc, *what, seconds):
        return json.loads(self.inside(
            "c", f"{HERE}/load.py", what[0], SERVER, PORT, cc, *what[1:],
            timeout=seconds + 120))

    def server(self, cc):
        p = self.start("s", f"{HERE}/load.py", "serve", PORT, cc,
                       f"{self.tmp}/uploads")
        self.wait_for(p, "server", lambda: "ready" in self.output(p))

    def uploaded(self):
        """Bytes of the upload that has just ended."""
        for _ in range(200):
            try:
                with open(f"{self.tmp}/uploads") as f:
                    return int(f.read())
            except (OSError, ValueError):
                time.sleep(0.05)
        return 0

    def late_us(self):
        """How late the links delivered, on average; call it at the end."""
        self.stop(self.children + self.links)
        late = [0]
        for p in self.links:
            counters = json.loads(self.output(p).split("ready\n")[1])
            late += [counters[way]["late_us_avg"] for way in ("ab", "ba")]
        self.children, self.links = [], []
        return max(late)


class Sampler(threading.Thread):
    """Calls @sample every @every seconds until stop(); keeps its rows."""

    def __init__(self, sample, every):
        super().__init__(daemon=True)
        self.sample, self.every = sample, every
        self.rows, self.ended = [], threading.Event()
        self.begin = time.monotonic()

    def run(self):
        while not self.ended.wait(self.every):
            row = self.sample()
            if row:
                self.rows.append([round(time.monotonic() - self.begin, 3),
                                  *row])

    def stop(self):
        self.ended.set()
        self.join()
        return self.rows
