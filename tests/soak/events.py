# SPDX-License-Identifier: MIT
"""events.py - what happens to a gateway while it works.

Each event is a generator: it does something, yields how many seconds to wait,
and undoes it.  Others may happen meanwhile, but not one of the same group.

  loses  connections that live while it lasts may be lost, or those that meet
         one of these errors.  With all other events they are late, and whole.
  log    errors and warnings that it may leave in the log
"""
import errno
import os
import signal
import subprocess
import time

from stand import Failed, PLAIN, SLOW, poll

EVENTS = {}
STUCK = [r"^warn: worker \d+: the kernel dropped \d+ packets",
         r"^warn: worker \d+: did not answer"]
FULL = (r"^error: connection_log: No space left on device; ",)


def event(group, loses=False, log=()):
    def keep(f):
        EVENTS[f.__name__] = {"run": f, "group": group, "loses": loses,
                              "log": list(log) + STUCK}
        return f
    return keep


def until(what, happened):
    """Other events go on meanwhile."""
    end = time.monotonic() + 30 * SLOW
    while not happened():
        if time.monotonic() > end:
            raise Failed(f"after {30 * SLOW} s still not: {what}")
        yield 0.1


# --- the network ---

@event("net")
def loss(st, rng, _):
    """Both ways, on both links; what enters from a peer is dropped first."""
    rule = ["-p", "tcp", "-m", "statistic", "--mode", "random",
            "--probability", f"{rng.uniform(0.005, 0.04):.4f}", "-j", "DROP"]
    tables = ("iptables", "ip6tables")
    for t in tables:
        st.inside("g", t, "-t", "raw", "-A", "SOAK", *rule)
        for n in "cs":
            st.inside(n, t, "-A", "INPUT", *rule)
    yield rng.uniform(2, 8)
    for t in tables:
        st.inside("g", t, "-t", "raw", "-F", "SOAK")
        for n in "cs":
            st.inside(n, t, "-F", "INPUT")


# Whoever connects just then is told so, by its own host or by ICMP.
@event("net", loses=(errno.ENETUNREACH, errno.EHOSTUNREACH))
def link_down(st, rng, _):
    """An end of a link goes, and comes back."""
    n, dev = rng.choice((("g", "cl"), ("g", "sv"), ("c", "up"), ("s", "up")))
    st.ip(n, f"link set dev {dev} down")
    yield rng.uniform(0.2, 3)
    st.ip(n, f"link set dev {dev} up")
    gw = {"c": ("198.51.100.1", "2001:db8:c::1"),
          "s": ("203.0.113.1", "2001:db8::1")}
    for n, (v4, v6) in gw.items():  # as whoever set up that host would
        st.ip(n, f"route replace default via {v4}")
        poll(5, "the address is back", lambda n=n, v6=v6: st.ip(
            n, f"-6 route replace default via {v6}",
            check=False).returncode == 0)


@event("net")
def narrow_link(st, rng, _):
    """Path MTU discovery, there and back."""
    n, dev = rng.choice((("c", "cl"), ("s", "sv")))
    mtu = rng.choice((1280, 1400))
    st.ip(n, f"link set dev up mtu {mtu}")
    st.ip("g", f"link set dev {dev} mtu {mtu}")
    yield rng.uniform(2, 6)
    st.ip("g", f"link set dev {dev} mtu 1500")
    st.ip(n, "link set dev up mtu 1500")


@event("net", log=(r"^warn: attack on \w+ ",))
def syn_flood(st, rng, _):
    """And floods of other segments.  The kernel knows no way back."""
    kind = rng.choice(("syn", "syn", "ack", "rst", "fin", "synack", "xmas",
                       "frag"))
    seconds = rng.randint(1, 4)
    family = rng.choice(("203.0.113.10", "2001:db8::10"))
    p = st.spawn("c", "flood.out", f"{st.build}/tools/synflood", "-i", "up",
                 "-d", family, "-p", PLAIN, "-r", rng.choice((2000, 20000)),
                 "-t", seconds, "-k", kind, "-s", rng.randint(1, 1 << 30))
    yield seconds + 1
    if p.wait(60):
        raise Failed(f"synflood: exit status {p.returncode}")


# --- the hosts ---

@event("load")
def client_stopped(st, rng, rec):
    rec["process"].send_signal(signal.SIGSTOP)
    yield rng.uniform(0.5, 4)
    rec["process"].send_signal(signal.SIGCONT)


@event("server")
def server_stopped(st, rng, _):
    st.server.send_signal(signal.SIGSTOP)
    yield rng.uniform(0.5, 4)
    st.server.send_signal(signal.SIGCONT)


@event("others")
def clients_killed(st, rng, _):
    """Others than those that are looked at."""
    p = st.start_load(rng.randint(1, 1 << 30), 60, 4, "killed.jsonl")
    yield rng.uniform(1, 4)
    p.kill()
    p.wait()


# --- the configuration ---

@event("conf")
def reload(st, rng, _):
    st.write_conf(tcp={
        "tcp_sack": rng.choice((0, 1)), "tcp_timestamps": rng.choice((0, 1)),
        "tcp_window_scaling": rng.choice((0, 1)),
        "tcp_congestion_control": rng.choice(("cubic", "bbr", "newreno")),
        "tcp_rmem": rng.choice(("4096 16384 65536", "4096 131072 4194304"))})
    st.ctl("reload")
    yield rng.uniform(1, 5)
    st.write_conf()
    st.ctl("reload")


@event("conf", log=(r"^error: reload: ",))
def bad_reload(st, rng, _):
    st.write_conf(no_such_key=1)
    if st.ctl("reload", check=False).returncode != 2:
        raise Failed("a bad file was taken")
    st.write_conf()
    yield 0.1


# With other workers the rules come after the process that knows of it: one that
# runs would find packets in a queue where it does not look for their connection.
@event("daemon", log=(r"^warn: rules: ",))
def restart(st, rng, rec):
    """One process after the other; connections go on, if it can do that."""
    if not st.can_take_over:
        rec["loses"] = True
        st.end(signal.SIGTERM, 0)
        yield 0.1
        st.start()
        return
    for change in ({"max_flows": rng.randint(5000, 50000)},
                   {"workers": rng.randint(1, 3)}, {}):
        st.write_conf(**change)
        st.take_over()
        st.rules()
        yield rng.uniform(0.2, 3)


@event("daemon", loses=True)
def stop(st, rng, _):
    """By hand, and it is not started at once."""
    st.end(signal.SIGTERM, 0)
    yield rng.uniform(0, 1)
    st.start()


@event("daemon", loses=True)
def crash(st, rng, _):
    st.end(signal.SIGKILL, -signal.SIGKILL)
    yield rng.uniform(0, 1)
    st.start()


@event("daemon", loses=True, log=(r"^error: worker \d+: TUN penstock0 was",
                                  r"^error: worker \d+ ended: "))
def tun_deleted(st, rng, _):
    """It cannot live without, ends, and is started again."""
    st.ip("g", "link del penstock0")
    st.end(None, 1)
    yield rng.uniform(0, 0.5)
    st.rules()
    st.start()


@event("daemon", log=(r"^warn: TUN penstock0: write: Input/output",))
def tun_down(st, rng, _):
    st.ip("g", "link set dev penstock0 down")
    yield rng.uniform(0.2, 2)
    st.ip("g", "link set dev penstock0 up")


@event("daemon")
def daemon_stopped(st, rng, _):
    st.daemon.send_signal(signal.SIGSTOP)
    yield rng.uniform(0.2, 3)
    st.daemon.send_signal(signal.SIGCONT)


@event("daemon", log=(r"^warn: .*memory",))
def memory_short(st, rng, rec):
    """If there is so little that the kernel kills it, it is a crash."""
    st.group.squeeze(rng.randint(1, 16) << 20)
    yield rng.uniform(1, 5)
    st.group.release()
    if st.daemon.poll() is not None:
        rec["loses"] = True
        st.end(None, -signal.SIGKILL)
        st.start()


@event("clock")
def clock_steps(st, rng, _):
    st.set_clock(rng.choice((-1, 1)) * rng.choice((1, 90, 3600, 86400 * 400)))
    yield rng.uniform(2, 14)  # it looks every ten seconds
    st.set_clock(0)


# --- what writes ---

@event("conf", log=FULL)
def disk_full(st, rng, _):
    """The connection log ends with a line in the log, till the next reload."""
    path = f"{st.tmp}/small/fill"
    with open(path, "wb") as f:
        try:
            f.write(bytes(8 << 20))
        except OSError:
            pass
    yield rng.uniform(1, 4)
    os.unlink(path)
    log = f"{st.tmp}/small/connections"
    os.truncate(log, 0)
    st.ctl("reload")
    yield from until("the connection log goes on",
                     lambda: not st.loaded() or os.path.getsize(log) > 0)


@event("conf", log=FULL)
def capture(st, rng, _):
    """To a file that has room, and to one that soon has none."""
    where, daemon = rng.choice((st.tmp, f"{st.tmp}/small")), st.daemon
    path = f"{where}/capture.pcapng"
    p = subprocess.Popen(
        [f"{st.build}/penstockctl", "-S", f"{st.tmp}/control.sock", "capture",
         "--seconds", "3", "-w", path], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    yield 4
    _, err = p.communicate(timeout=240)
    if p.returncode and "No space left" not in err and daemon == st.daemon:
        raise Failed(f"capture: exit status {p.returncode}: {err}")
    os.unlink(path)
    st.ctl("reload")  # the connection log may have found no room


# --- what is done to connections ---

FAULTS = ("latency latency=80 jitter=40", "loss percent=3",
          "delay time=20ms jitter=15ms", "reorder percent=20 gap=3 time=5ms",
          "duplicate percent=5", "corrupt percent=2 bits=2 where=tcp,payload",
          "rate rate=20mbit limit=64K", "slicer average_size=500 delay=200us",
          "bandwidth rate=2000", "ack_delay time=50ms", "stretch_ack n=6",
          "mss_clamp value=700", "sack_renege count=3", "urgent offset=1000",
          "ack_drop percent=20", "silly_window size=500",
          "window_shrink by=16K hold=100ms", "overlap size=50",
          "syn_drop count=1", "syn_ack_drop count=1", "fin_drop count=2",
          "coalesce hold=20ms", "inject kind=ack-old count=3")


@event("fault")
def fault(st, rng, _):
    names = []
    for i in range(rng.randint(1, 3)):
        kind, *keys = rng.choice(FAULTS).split()
        if kind in ("latency", "slicer", "bandwidth", "coalesce"):
            keys.append(f"stream={rng.choice(('upstream', 'downstream'))}")
        elif kind not in ("syn_drop", "syn_ack_drop"):
            keys.append(f"side={rng.choice(('client', 'server'))}")
        names.append(f"soak{i}")
        st.ctl("fault", "add", names[-1], f"type={kind}", *keys,
               f"scope={rng.choice(('new', 'all'))}",
               f"seed={rng.randint(1, 1 << 30)}")
    yield rng.uniform(2, 6)
    # Faults do not outlive a process.
    st.ctl("fault", "del", *names, check=False)


@event("fault", loses=True)
def resets(st, rng, _):
    st.ctl("fault", "add", "soak-end", "type=end", "action=reset",
           f"after=byte:{rng.randint(1, 5000)}", "toxicity=0.5")
    yield rng.uniform(1, 4)
    st.ctl("fault", "del", "soak-end", check=False)
    yield 2  # those that carry it


@event("fault", loses=True)
def killed(st, rng, _):
    """Some connections, by hand."""
    st.ctl("kill", f"sport > {rng.randint(20000, 60000)}")
    yield 0.1

