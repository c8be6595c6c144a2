# SPDX-License-Identifier: MIT
"""stand.py - client, gateway and server of a soak, and the penstockd between

   client namespace        gateway namespace         server namespace
  [ up 198.51.100.2    ]==[ cl  penstockd  sv ]==[ up 203.0.113.10   ]
  [    2001:db8:c::2   ]                         [    2001:db8::10   ]

The caller has a mount and a pid namespace of its own (soak.mk), so when it ends,
however it ends, nothing is left of all this.
"""
import json
import os
import signal
import struct
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PLAIN, TLS = 7000, 7443
SLOW = 4  # bounds are those of a quiet machine, and only end what hangs

CONF = """[penstock]
control = {tmp}/control.sock
secret_file = {tmp}/secret
http =
shutdown_grace = 1s
max_memory = 48M
{daemon}

[tcp]
tcp_timewait_len = 2
tcp_synack_retries = 2
tcp_fin_timeout = 5
{tcp}

[service plain]
listen = 203.0.113.10:7000
listen = [2001:db8::10]:7000
handshake = client_first
tcp_max_syn_backlog = 256
{plain}

[service tls]
listen = 203.0.113.10:7443
listen = [2001:db8::10]:7443
handshake = server_first
"""
DAEMON = {"workers": "2", "max_flows": "20000",
          "connection_log": "{tmp}/small/connections"}

# What the kernel does for it.
BPF = {"bpf_dir": "{tmp}/bpf/p", "bpf_interfaces": "cl sv", "front": "auto",
       "front_interfaces": "cl"}

TOPOLOGY = """
c addr add 198.51.100.2/24 dev up
c addr add 2001:db8:c::2/64 dev up nodad
g addr add 198.51.100.1/24 dev cl
g addr add 2001:db8:c::1/64 dev cl nodad
g addr add 203.0.113.1/24 dev sv
g addr add 2001:db8::1/64 dev sv nodad
s addr add 203.0.113.10/24 dev up
s addr add 2001:db8::10/64 dev up nodad
c link set dev up up
g link set dev cl up
g link set dev sv up
s link set dev up up
c route add default via 198.51.100.1
c -6 route add default via 2001:db8:c::1
s route add default via 203.0.113.1
s -6 route add default via 2001:db8::1
"""


class Failed(Exception):
    """The soak cannot go on, or something is wrong."""


def poll(seconds, what, happened):
    end = time.monotonic() + seconds * SLOW
    while not happened():
        if time.monotonic() > end:
            raise Failed(f"after {seconds * SLOW} s still not: {what}")
        time.sleep(0.05)


class Stand:
    def __init__(self, build, tmp, bpf=False):
        self.build, self.tmp = os.path.abspath(build), tmp
        self.log_path = f"{tmp}/penstockd.log"
        self.log_at = 0
        self.daemon = self.group = None
        self.keys, self.plain = dict(DAEMON), ""
        if bpf:
            self.keys.update(BPF)
            self.plain = "relay = splice"
        name = f"soak{os.getpid()}-{os.path.basename(tmp)}"
        self.ns = {n: f"{name}-{n}" for n in "cgs"}
        r = subprocess.run([f"{self.build}/penstockd", "--help"],
                           capture_output=True, text=True, check=False)
        self.can_take_over = "--takeover" in r.stdout

    # --- commands ---

    def sh(self, *cmd, check=True):
        r = subprocess.run([str(c) for c in cmd], capture_output=True,
                           text=True, check=False, timeout=60 * SLOW)
        if check and r.returncode:
            raise Failed(f"{' '.join(map(str, cmd))}: exit status "
                         f"{r.returncode}: {r.stderr.strip()}")
        return r

    def inside(self, n, *cmd, check=True):
        return self.sh("ip", "netns", "exec", self.ns[n], *cmd, check=check)

    def ip(self, n, words, check=True):
        return self.sh("ip", "-n", self.ns[n], *words.split(), check=check)

    def spawn(self, n, out, *cmd):
        with open(f"{self.tmp}/{out}", "a", encoding="utf-8") as f:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.ns[n], *map(str, cmd)],
                stdout=f, stderr=f, stdin=subprocess.DEVNULL)

    def ctl(self, *cmd, check=True):
        return self.sh(f"{self.build}/penstockctl", "-S",
                       f"{self.tmp}/control.sock", *cmd, check=check)

    # --- network ---

    def raise_network(self):
        for n in self.ns.values():
            self.sh("ip", "netns", "add", n)
            self.sh("ip", "-n", n, "link", "set", "lo", "up")
            self.sh("ip", "netns", "exec", n, "sysctl", "-qw",
                    "net.ipv6.conf.all.accept_dad=0",
                    "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv6.conf.all.keep_addr_on_down=1",
                    "net.ipv6.conf.default.keep_addr_on_down=1")
        for dev, n in (("cl", "c"), ("sv", "s")):
            self.ip("g", f"link add {dev} type veth peer name up netns "
                         f"{self.ns[n]}")
        for line in TOPOLOGY.split("\n"):
            if line:
                self.ip(line[0], line[2:])
        self.inside("g", "sysctl", "-qw", "net.ipv4.ip_forward=1",
                    "net.ipv6.conf.all.forwarding=1")
        for n in "cs":
            self.inside(n, "sysctl", "-qw", "net.ipv4.tcp_fin_timeout=5",
                        "net.ipv4.ip_local_port_range=20000 60999")
        for t in ("iptables", "ip6tables"):
            self.inside("g", t, "-t", "raw", "-N", "SOAK")
            self.inside("g", t, "-t", "raw", "-I", "PREROUTING", "-j", "SOAK")

    def file_systems(self):
        """A small one for what is written; one for BPF."""
        os.makedirs(f"{self.tmp}/bpf")
        self.sh("mount", "-t", "bpf", "bpf", f"{self.tmp}/bpf", check=False)
        os.makedirs(f"{self.tmp}/small")
        self.sh("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs",
                f"{self.tmp}/small")

    def start_servers(self):
        key = f"{self.tmp}/key.pem"
        self.sh("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                "/CN=penstock.example", "-keyout", key, "-out",
                f"{self.tmp}/cert.pem")
        self.server = self.spawn("s", "server.out", "/usr/bin/python3", "-B",
                                 f"{HERE}/traffic.py", "serve",
                                 f"{self.tmp}/cert.pem", key)
        poll(10, "the servers listen", lambda: self.inside(
            "s", "ss", "-Htln", f"sport = :{TLS}").stdout)

    def start_load(self, seed, seconds, workers, out):
        return self.spawn("c", "load.out", "/usr/bin/python3", "-B",
                          f"{HERE}/traffic.py", "load", seed, seconds, workers,
                          f"{self.tmp}/{out}")

    # --- penstockd ---

    def write_conf(self, **change):
        """The usual file; change: of [penstock], and under tcp= of [tcp]."""
        tcp = change.pop("tcp", {})
        keys = {**self.keys, **change}
        text = CONF.format(
            tmp=self.tmp, plain=self.plain, tcp="\n".join(f"{k} = {v}" for k, v in tcp.items()),
            daemon="\n".join(f"{k} = {v}" for k, v in keys.items()
                             ).format(tmp=self.tmp))
        with open(f"{self.tmp}/conf", "w", encoding="ascii") as f:
            f.write(text)

    def rules(self, verb="apply"):
        return self.inside("g", f"{self.build}/penstockctl", "-s",
                           f"{self.tmp}/rules.state", "-c", f"{self.tmp}/conf",
                           "rules", verb)

    def launch(self, *options):
        return self.spawn(
            "g", "penstockd.log", "env",
            f"LD_PRELOAD={self.build}/soak/clockstep.so",
            f"CLOCKSTEP_FILE={self.tmp}/clock",
            f"{self.build}/penstockd", "-c", f"{self.tmp}/conf", *options)

    def ready(self, p):
        """It answers, itself."""
        def answers():
            if p.poll() is not None:
                raise Failed(f"penstockd ended: exit status {p.returncode}: "
                             f"{self.log_tail()}")
            r = self.ctl("-j", "status", check=False)
            return r.returncode == 0 and json.loads(r.stdout)["pid"] == p.pid
        poll(30, "penstockd is ready", answers)
        self.daemon = p
        if self.group:
            self.group.join(p.pid)

    def start(self):
        self.ready(self.launch())

    def take_over(self):
        """Another process goes on; the old one ends with 0."""
        old, new = self.daemon, self.launch("--takeover")
        self.ready(new)
        if old.wait(30 * SLOW):
            raise Failed(f"the old penstockd: exit status {old.returncode}: "
                         f"{self.log_tail()}")

    def end(self, sig, want):
        p, self.daemon = self.daemon, None
        if sig:
            p.send_signal(sig)
        if p.wait(30 * SLOW) != want:
            raise Failed(f"penstockd ended with {p.returncode}, not {want}: "
                         f"{self.log_tail()}")

    def alive(self):
        if self.daemon and self.daemon.poll() is not None:
            raise Failed(f"penstockd is dead: exit status "
                         f"{self.daemon.returncode}: {self.log_tail()}")

    def set_clock(self, seconds):
        with open(f"{self.tmp}/clock", "r+b") as f:
            f.write(struct.pack("q", int(seconds * 1000000)))

    # --- what is looked at ---

    def status(self):
        return json.loads(self.ctl("-j", "status").stdout)

    def counters(self):
        """Of this process; what may fall is no counter."""
        got = json.loads(self.ctl("-j", "nstat").stdout)
        return {" ".join(str(c[k]) for k in sorted(c) if k != "value"):
                c["value"] for c in got if not c.get("gauge")}

    def sample(self):
        pid = self.daemon.pid
        s = {"pid": pid, "time": time.monotonic()}
        s.update({k: v for k, v in self.status().items()
                  if isinstance(v, int) and k != "pid"})
        with open(f"/proc/{pid}/status", encoding="ascii") as f:
            words = dict(line.split(":", 1) for line in f)
        s["rss_kib"] = int(words["RssAnon"].split()[0])
        s["threads"] = int(words["Threads"])
        s["descriptors"] = len(os.listdir(f"/proc/{pid}/fd"))
        return s

    def new_log(self):
        """Lines since the last call."""
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            f.seek(self.log_at)
            text = f.read()
            self.log_at = f.tell()
        return text.splitlines()

    def log_tail(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as f:
            return " | ".join(f.read().splitlines()[-5:])

    def raise_all(self):
        with open(f"{self.tmp}/clock", "wb") as f:
            f.write(bytes(8))
        self.raise_network()
        self.file_systems()
        self.start_servers()
        self.write_conf()
        self.rules()
        self.start()

    def remove(self):
        for p in (self.daemon, getattr(self, "server", None)):
            if p and p.poll() is None:
                p.send_signal(signal.SIGCONT)
                p.kill()
                p.wait()
        for n in self.ns.values():
            self.sh("ip", "netns", "del", n, check=False)
        for d in ("small", "bpf"):
            self.sh("umount", f"{self.tmp}/{d}", check=False)
        if self.group:
            self.group.remove()
