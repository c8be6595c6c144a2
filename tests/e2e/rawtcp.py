#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
rawtcp.py - a TCP client made of single segments, and what it sees

    rawtcp.py CASE [KEY=VALUE...]

To be run in the client's namespace.  Its addresses are of 10.0.0.0/8, or of
2001:db8:77::/48 where the server's is IPv6 (10.1.2.3 is 2001:db8:77::1:2:3): the gateway routes both here, and
no kernel owns them, so no kernel answers.  Each
case prints one line of KEY=VALUE; what is right, the shell says.
"""
import os
import random
import select
import socket
import struct
import sys
import time

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
NET6 = bytes.fromhex("20010db80077")
PACKET_OUTGOING = 4
MOD = 1 << 32


def checksum(data):
    if len(data) & 1:
        data += b"\0"
    s = sum(struct.unpack(f">{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def opt_bytes(mss=None, sack=False, ts=None, ws=None, fo=None, exp=False,
              blocks=()):
    """Options in Linux's order.  ts: (val, ecr); fo: cookie, b"" asks, in the
    experimental option where exp says so."""
    o = b""
    if mss is not None:
        o += struct.pack(">BBH", 2, 4, mss)
    if sack:
        o += b"\4\2"
    if ts is not None:
        o += struct.pack(">BBII", 8, 10, ts[0] % MOD, ts[1] % MOD)
    if ws is not None:
        o += struct.pack("BBB", 3, 3, ws)
    if fo is not None and exp:
        o += struct.pack(">BBH", 254, 4 + len(fo), 0xF989) + fo
    elif fo is not None:
        o += struct.pack("BB", 34, 2 + len(fo)) + fo
    if blocks:
        o += struct.pack("BB", 5, 2 + 8 * len(blocks))
        for b in blocks:
            o += struct.pack(">II", *b)
    return o + b"\1" * (-len(o) % 4)


def opt_parse(raw):
    out = {}
    while raw:
        k = raw[0]
        if k == 0:
            break
        if k == 1:
            raw = raw[1:]
            continue
        if len(raw) < 2 or raw[1] < 2:
            break
        v = raw[2:raw[1]]
        if k == 2:
            out["mss"] = struct.unpack(">H", v)[0]
        elif k == 3:
            out["ws"] = v[0]
        elif k == 4:
            out["sack"] = True
        elif k == 5:
            out["blocks"] = [struct.unpack(">II", v[i:i + 8])
                             for i in range(0, len(v), 8)]
        elif k == 8:
            out["ts"] = struct.unpack(">II", v)
        elif k == 34:
            out["fo"] = v
        elif k == 254 and v[:2] == b"\xf9\x89":
            out["fo"], out["exp"] = v[2:], True
        raw = raw[raw[1]:]
    return out


class Seg:
    """A segment that came in."""

    def __init__(self, ip, gso):
        if ip[0] >> 4 == 6:
            ihl, total = 40, 40 + struct.unpack(">H", ip[4:6])[0]
            self.src, self.dst = ip[8:24], ip[24:40]
        else:
            ihl = (ip[0] & 15) * 4
            total = struct.unpack(">H", ip[2:4])[0] or len(ip)
            self.src, self.dst = ip[12:16], ip[16:20]
        t = ip[ihl:total]
        (self.sport, self.dport, self.seq, self.ack, off,
         self.flags, self.win) = struct.unpack(">HHIIBBH", t[:16])
        self.opts = opt_parse(t[20:(off >> 4) * 4])
        self.data = t[(off >> 4) * 4:]
        self.size = min(len(self.data), gso or len(self.data))  # on a wire


class Wire:
    """Raw output by the kernel's routes, input from a packet socket."""

    def __init__(self, dev="up", v6=False):
        self.v6, proto = v6, ETH_P_IPV6 if v6 else ETH_P_IP
        self.family = socket.AF_INET6 if v6 else socket.AF_INET
        self.out = socket.socket(self.family, socket.SOCK_RAW,
                                 socket.IPPROTO_RAW)
        self.inp = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                 socket.htons(proto))
        self.inp.setsockopt(263, 15, 1)  # SOL_PACKET, PACKET_VNET_HDR
        self.inp.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # RCVBUFFORCE
        self.inp.bind((dev, proto))

    def send(self, src, sport, dst, dport, flags, seq, ack=0, opts=b"",
             data=b"", win=64240):
        s, d = (socket.inet_pton(self.family, x) for x in (src, dst))
        t = struct.pack(">HHIIBBHHH", sport, dport, seq % MOD, ack % MOD,
                        (20 + len(opts)) // 4 << 4, flags, win, 0, 0)
        t += opts + data
        c = checksum(s + d + struct.pack(">HH", 6, len(t)) + t)
        t = t[:16] + struct.pack(">H", c) + t[18:]
        if self.v6:
            ip = struct.pack(">IHBB16s16s", 6 << 28, len(t), 6, 64, s, d)
        else:
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(t), 0,
                             0x4000, 64, 6, 0, s, d)
        self.out.sendto(ip + t, (dst, 0))

    def recv(self, timeout):
        """The next TCP segment for 10.0.0.0/8, or None."""
        end = time.monotonic() + timeout
        while True:
            left = end - time.monotonic()
            if left < 0 or not select.select([self.inp], [], [], left)[0]:
                return None
            pkt, addr = self.inp.recvfrom(70000)
            gso, pkt = struct.unpack("=H", pkt[4:6])[0], pkt[24:]
            if addr[2] == PACKET_OUTGOING or len(pkt) < 40:
                continue
            if self.v6 and (pkt[6] != 6 or pkt[24:30] != NET6):
                continue
            if not self.v6 and (pkt[9] != 6 or pkt[16] != 10):
                continue
            return Seg(pkt, gso)


class Conn:
    """One 4-tuple; sends what it is told and remembers what it needs."""

    def __init__(self, wire, server, port, src=None, sport=None, isn=None,
                 **o):
        self.w, self.server, self.port = wire, server, port
        if wire.v6 and (src or "").startswith("10."):
            src = "2001:db8:77::%x:%x:%x" % tuple(
                int(x) for x in src.split(".")[1:])
        self.src = src or ("2001:db8:77::%x:%x:%x" if wire.v6 else
                           "10.%d.%d.%d") % tuple(
            random.randrange(1, 255) for _ in range(3))
        self.sport = sport or random.randrange(2000, 60000)
        self.isn = random.randrange(MOD) if isn is None else isn
        self.seq, self.ack = self.isn, 0
        self.o, self.ts, self.tsecr = o, o.get("ts"), 0
        self.win = o.get("win", 64240)

    def options(self, **more):
        if self.ts is None:
            return opt_bytes(**more)
        return opt_bytes(ts=(self.ts, self.tsecr), **more)

    def send(self, flags, seq=None, ack=None, data=b"", opts=None):
        self.w.send(self.src, self.sport, self.server, self.port, flags,
                    self.seq if seq is None else seq,
                    self.ack if ack is None else ack,
                    self.options() if opts is None else opts, data, self.win)

    def mine(self, s):
        return s.dst == socket.inet_pton(self.w.family, self.src) and \
            s.dport == self.sport and s.sport == self.port

    def recv(self, timeout, want=lambda s: True):
        end = time.monotonic() + timeout
        while True:
            s = self.w.recv(max(0, end - time.monotonic()))
            if s is None:
                return None
            if self.mine(s) and want(s):
                if "ts" in s.opts:
                    self.tsecr = s.opts["ts"][0]
                return s

    def syn(self, data=b"", fo=None, exp=False):
        o = self.o
        self.send(SYN, seq=self.isn, ack=0, data=data, opts=opt_bytes(
            mss=o.get("mss", 1460), sack=o.get("sack", True),
            ts=None if self.ts is None else (self.ts, 0),
            ws=o.get("ws"), fo=fo, exp=exp))

    def syn_ack(self, timeout=1.0):
        """Wait for it; the handshake's numbers are kept."""
        s = self.recv(timeout, lambda s: s.flags & SYN)
        if s:
            self.seq = (self.isn + 1) % MOD
            self.ack = (s.seq + 1) % MOD
            self.iss = s.seq
        return s

    def open(self, timeout=1.0):
        self.syn()
        s = self.syn_ack(timeout)
        if s:
            self.send(ACK)
        return s

    def data(self, data, flags=ACK | PSH):
        self.send(flags, data=data)
        self.seq = (self.seq + len(data)) % MOD

    def read(self, timeout, want=None):
        """Bytes in order until silence, FIN or @want bytes; acknowledged."""
        got, sizes, end = b"", [], None
        while want is None or len(got) < want:
            s = self.recv(timeout, lambda s: s.data or s.flags & (FIN | RST))
            if s is None:
                break
            if s.flags & RST:
                end = "RST"
                break
            if s.seq != self.ack:
                self.send(ACK)
                continue
            if s.data:
                sizes.append(s.size)
            got += s.data
            self.ack = (self.ack + len(s.data)) % MOD
            if s.flags & FIN:
                self.ack = (self.ack + 1) % MOD
                end = "FIN"
            self.send(ACK)
            if end:
                break
        return got, sizes, end


def flags_text(s):
    if s is None:
        return "none"
    names = ((SYN, "S"), (ACK, "A"), (FIN, "F"), (RST, "R"))
    return "".join(n for b, n in names if s.flags & b) or "-"


def say(**kv):
    print(" ".join(f"{k}={v}" for k, v in kv.items()))


GET = b"GET /f%d HTTP/1.0\r\nHost: x\r\n\r\n"


# --- cases ------------------------------------------------------------------

def case_syns(w, a):
    """n SYNs of different clients: how many are answered, and do the windows
    open?  With reset=1 each answer is reset, as a kernel would; with clean=1
    all are at the end."""
    n = int(a.get("n", 10))
    todo = {}
    for i in range(n):
        c = Conn(w, a["server"], int(a["port"]), ws=7, ts=1000 + i,
                 src="10.%d.%d.%d" % (int(a.get("net", 1)), i >> 8, i & 255))
        todo[(socket.inet_ntop(w.family, socket.inet_pton(
            w.family, c.src)), c.sport)] = c
        c.syn()
    answered, closed, resets, lowest = set(), 0, 0, 1 << 20
    end = time.monotonic() + float(a.get("wait", 0.7))
    while time.monotonic() < end and len(answered) < n:
        s = w.recv(end - time.monotonic())
        if s is None:
            break
        key = (socket.inet_ntop(w.family, s.dst), s.dport)
        if key not in todo:
            continue
        if s.flags & RST:
            closed += 1
        elif s.flags & SYN:
            lowest = min(lowest, s.win)
            if key not in answered and "reset" in a:
                c = todo[key]
                c.send(RST, seq=c.isn + 1)
                resets += 1
            answered.add(key)
    if "clean" in a:
        for c in todo.values():
            c.send(RST, seq=c.isn + 1)
    say(answered=len(answered), refused=closed, resets=resets,
        least_window=lowest if answered else 0)


def case_synack_times(w, a):
    """One SYN: when do SYN-ACKs come, in tenths of a second?"""
    c = Conn(w, a["server"], int(a["port"]), ws=7)
    t0 = time.monotonic()
    c.syn()
    times = []
    while time.monotonic() - t0 < float(a["wait"]):
        s = c.recv(float(a["wait"]) - (time.monotonic() - t0),
                   lambda s: s.flags & SYN)
        if s:
            times.append(round((time.monotonic() - t0) * 10))
    seen = ",".join(map(str, times))
    c.seq, c.ack = c.isn + 1, 0
    say(times=seen, n=len(times))


def case_overflow(w, a):
    """Two half-open connections, room for one flow: what does the ACK of the
    second get?"""
    one = Conn(w, a["server"], int(a["port"]), ws=7)
    two = Conn(w, a["server"], int(a["port"]), ws=7)
    one.syn()
    s1 = one.syn_ack()
    two.syn()
    s2 = two.syn_ack()
    if not s1 or not s2:
        say(first=flags_text(s1), second=flags_text(s2))
        return
    one.send(ACK)
    time.sleep(0.2)
    two.send(ACK)
    s = two.recv(0.3)
    again = two.recv(float(a["wait"]), lambda s: s.flags & SYN)
    late = None
    if a.get("free") and again:
        one.send(RST, seq=one.isn + 1)
        time.sleep(0.2)
        two.send(ACK)
        two.data(GET % 1024)
        got, _, _ = two.read(1.0, 1024)
        late = len(got) >= 1024
    say(answer=flags_text(s), synack_again=flags_text(again), late=late)


def case_survives(w, a):
    """What of the SYN's options does the connection know after a cookie?
    `via' is a command run between SYN-ACK and ACK (another gateway takes
    over)."""
    ts = None if a.get("ts") == "0" else 5000
    c = Conn(w, a["server"], int(a["port"]), mss=int(a.get("mss", 1300)),
             ws=int(a.get("ws", 7)), ts=ts, win=100)
    c.syn()
    s = c.syn_ack()
    if s is None:
        say(synack="none")
        return
    if "via" in a:
        os.system(a["via"])
        w.inp.close()
        w.inp = Wire(a["dev"], w.v6).inp
    c.ts = None if ts is None else ts + 50
    c.send(ACK)
    c.data(GET % 20000)
    first, sizes, t_end = 0, [], time.monotonic() + 1.0
    while time.monotonic() < t_end:
        g = c.recv(max(0, t_end - time.monotonic()),
                   lambda s: s.data or s.flags & (FIN | RST))
        if g is None or g.flags & RST:
            break
        if g.seq != c.ack and not sizes:
            continue
        sizes.append(g.size)
        first += len(g.data)
        if first > 5000:
            break
    # Everything acknowledged; then a hole: is it reported by SACK?
    c.ack = (c.ack + first) % MOD
    c.send(ACK)
    c.seq = (c.seq + 10) % MOD
    c.data(b"x" * 10)
    h = c.recv(1.0, lambda s: "blocks" in s.opts)
    c.send(RST)
    say(window=s.win, mss=max(sizes, default=0), flight=first,
        sack=int(h is not None), ts=int("ts" in s.opts),
        ws=int("ws" in s.opts))


def case_at_once(w, a):
    """Data right behind the cookie's ACK, while the server is silent: is it
    all acknowledged, and does the window stay open?"""
    c = Conn(w, a["server"], int(a["port"]), ws=7, ts=5000)
    c.syn()
    s = c.syn_ack()
    if s is None:
        say(synack="none")
        return
    c.send(ACK)
    for _ in range(10):
        c.data(b"y" * 1400)
    least, acked = s.win, 0
    end = time.monotonic() + 1
    while acked < 14000 and time.monotonic() < end:
        r = c.recv(0.3)
        if r:
            least = min(least, r.win)
            acked = max(acked, (r.ack - c.isn - 1) % MOD)
    c.send(RST)
    say(synack_window=s.win, acked=acked, least_window=least)


def case_defer(w, a):
    """A bare ACK, a second's pause, then a request."""
    c = Conn(w, a["server"], int(a["port"]), ws=7)
    if c.open() is None:
        say(synack="none")
        return
    time.sleep(float(a["pause"]))
    early = os.popen(a["dialled"]).read().strip()
    c.data(GET % 1024)
    got, _, end = c.read(1.0, 1024)
    say(early=early, bytes=int(len(got) > 1024), end=end)
    c.send(RST)


def case_late_ack(w, a):
    """SYN and SYN-ACK, a pause, and only then the ACK and a request.  `half'
    and `established' are commands that count the server's sockets."""
    def count(command):
        return os.popen(command).read().strip()

    c = Conn(w, a["server"], int(a["port"]), ws=7)
    c.syn()
    if c.syn_ack() is None:
        say(synack="none")
        return
    time.sleep(float(a["pause"]))
    half, early = count(a["half"]), count(a["established"])
    c.send(ACK)
    time.sleep(0.3)
    late = count(a["established"])
    c.data(GET % 1024)
    got, _, end = c.read(1.0)
    say(half=half, early=early, late=late, bytes=len(got), end=end)
    c.send(RST)


def case_across(w, a):
    """SYN and SYN-ACK, until the file @go exists; then the ACK and a request,
    with timestamps if ts=1."""
    o = {"ts": 1000} if a.get("ts") == "1" else {}
    c = Conn(w, a["server"], int(a["port"]), ws=7, **o)
    c.syn()
    if c.syn_ack(5.0) is None:
        say(synack="none")
        return
    print("open", flush=True)
    while not os.path.exists(a["go"]):
        time.sleep(0.02)
    if c.ts is not None:
        c.ts += 100
    c.send(ACK)
    c.data(GET % 1024)
    got, _, end = c.read(5.0, 1024)
    say(bytes=len(got), end=end)
    c.send(RST | ACK)


def case_same_numbers(w, a):
    """One 4-tuple and initial sequence number, n times; each connection is
    reset, and then its ACK comes once more."""
    opened = replayed = 0
    first = Conn(w, a["server"], int(a["port"]), ws=7)
    for _ in range(int(a["n"])):
        c = Conn(w, a["server"], int(a["port"]), ws=7, src=first.src,
                 sport=first.sport, isn=first.isn)
        if c.open() is None:
            break
        c.data(GET % 1024)
        s = c.recv(0.5, lambda s: s.data or s.flags & RST)
        opened += bool(s and s.data)
        c.send(RST | ACK)  # a bare RST would have a queue of its own
        c.seq = (c.isn + 1) % MOD
        c.send(ACK)
        s = c.recv(0.15, lambda s: not s.flags & FIN and not s.data)
        replayed += bool(s and not s.flags & RST)
    say(opened=opened, replayed=replayed)


def case_overtaken(w, a):
    """A request in two segments: the second one comes first, and is sent
    again later."""
    c = Conn(w, a["server"], int(a["port"]), ws=7)
    c.syn()
    if c.syn_ack() is None:
        say(synack="none")
        return
    req = GET % 1024
    first = c.seq
    c.send(ACK | PSH, seq=first + 10, data=req[10:])
    time.sleep(0.03)
    c.send(ACK | PSH, seq=first, data=req[:10])
    reset = c.recv(0.3, lambda s: s.flags & RST)
    c.send(ACK | PSH, seq=first + 10, data=req[10:])
    c.seq = (first + len(req)) % MOD
    got, _, end = c.read(1.0)
    say(reset=int(reset is not None), bytes=len(got), end=end)
    if end == "FIN":
        close_both(c)


def case_capture(w, a):
    """A connection with a segment out of order and one with an old timestamp,
    and an ACK of no connection."""
    c = Conn(w, a["server"], int(a["port"]), ws=7, ts=100000)
    s = c.open()
    c.data(b"G")
    c.recv(1.0)
    c.send(ACK | PSH, seq=c.seq + 100, data=b"later")
    c.recv(1.0)
    c.ts = 50000
    c.send(ACK | PSH, data=b"old")
    c.recv(1.0)
    c.ts = 100001
    c.send(RST)
    d = Conn(w, a["server"], int(a["port"]), ws=7)
    d.send(ACK, seq=1, ack=1)
    d.recv(1.0)
    say(synack=int(s is not None))


def case_unknown(w, a):
    """Segments of no connection: what comes back?"""
    out = {}
    for name, flags, ack in (("ack", ACK, 1), ("fin", FIN | ACK, 1),
                             ("rst", RST, 0), ("synack", SYN | ACK, 1),
                             ("data", ACK | PSH, 1), ("null", 0, 0)):
        c = Conn(w, a["server"], int(a["port"]))
        c.send(flags, ack=0x1000 * ack, opts=b"",
               data=b"z" if name == "data" else b"")
        out[name] = flags_text(c.recv(0.25))
    say(**out)


def case_syn(w, a):
    """One SYN: what comes back, and after how many ms?"""
    c = Conn(w, a["server"], int(a["port"]), ws=7, src=a.get("src"))
    t0 = time.monotonic()
    c.syn()
    s = c.recv(float(a.get("wait", 0.5)))
    say(answer=flags_text(s), ms=round((time.monotonic() - t0) * 1000))
    if s and s.flags & SYN:
        c.send(RST, seq=c.isn + 1)


def case_burst(w, a):
    """n connections of one client address, one after the other."""
    ok = refused = silent = 0
    for _ in range(int(a["n"])):
        c = Conn(w, a["server"], int(a["port"]), ws=7, src=a["src"])
        c.syn()
        s = c.syn_ack(float(a.get("wait", 0.3)))
        if s is None:
            silent += 1
        elif s.flags & RST:
            refused += 1
        else:
            ok += 1
            if a.get("ack"):
                c.send(ACK)
                time.sleep(0.02)
            c.send(RST)
    say(ok=ok, refused=refused, silent=silent)


def case_no_server(w, a):
    """A cookie, then a server that refuses: what does the client see?"""
    c = Conn(w, a["server"], int(a["port"]), ws=7)
    if c.open() is None:
        say(synack="none")
        return
    s = c.recv(float(a.get("wait", 1)), lambda s: s.flags & RST)
    say(answer=flags_text(s))


def close_both(c, timeout=1.0):
    """The server has sent FIN: answer it, and finish."""
    c.send(FIN | ACK)
    c.seq = (c.seq + 1) % MOD
    s = c.recv(timeout, lambda s: s.flags & ACK and s.ack == c.seq)
    return s is not None


def http_close(w, a, **o):
    """A whole HTTP/1.0 exchange that the server closes first, so the gateway's
    client leg ends in TIME_WAIT."""
    c = Conn(w, a["server"], int(a["port"]), ws=7, src=a.get("src"), **o)
    if c.open() is None:
        return c, None
    c.data(GET % 1024)
    got, _, end = c.read(1.0)
    if end == "FIN":
        close_both(c)
    return c, len(got) if end == "FIN" else None


def case_tw_reopen(w, a):
    """The same 4-tuple again, at once: newer SEQ, newer timestamp, or older.
    Then late segments of the first incarnation."""
    ts = None if a.get("ts") == "0" else 100000
    c, n = http_close(w, a, ts=ts)
    if not n:
        say(first="failed")
        return
    old_seq, old_ack = c.seq, c.ack
    step = {"newer": 100000, "older": -100000}[a.get("seq", "newer")]
    d = Conn(w, a["server"], int(a["port"]), ws=7, src=c.src, sport=c.sport,
             isn=(old_seq + step) % MOD,
             ts=None if ts is None else ts + int(a.get("dts", 100)))
    t0 = time.monotonic()
    d.syn()
    s = d.recv(0.8)
    ms = round((time.monotonic() - t0) * 1000)
    if s is None or not s.flags & SYN:
        say(second=flags_text(s), ms=ms)
        return
    d.seq, d.ack = (d.isn + 1) % MOD, (s.seq + 1) % MOD
    beyond = (s.seq - old_ack) % MOD < MOD // 2
    d.send(ACK)
    # Old duplicates: data of the first incarnation, late.
    keep = d.ts
    d.ts = ts
    for back in (1, 20, 60000):
        d.send(ACK | PSH, seq=old_seq - back, ack=old_ack, data=b"OLD")
    d.ts = keep
    d.data(GET % 1024)
    got, _, end = d.read(1.0)
    say(second=flags_text(s), ms=ms, above=int(beyond),
        bytes=int(b"200 OK" in got[:20] and len(got) > 1024), end=end)
    if end == "FIN":
        close_both(d)


def case_tw_client_closes(w, a):
    """The client closes first; the same 4-tuple again: ms until it is
    answered, and since the FIN, as TIME_WAIT begins after that."""
    c = Conn(w, a["server"], int(a["port"]), ws=7, ts=100000)
    if c.open() is None:
        say(first="failed")
        return
    fin = time.monotonic()
    c.send(FIN | ACK)
    c.seq = (c.seq + 1) % MOD
    _, _, end = c.read(1.0)
    time.sleep(0.1)
    d = Conn(w, a["server"], int(a["port"]), ws=7, src=c.src, sport=c.sport,
             isn=(c.seq + 100000) % MOD, ts=200000)
    t0 = time.monotonic()
    d.syn()
    s = d.syn_ack(6)
    t1 = time.monotonic()
    say(end=end, second=flags_text(s), ms=round((t1 - t0) * 1000),
        since=round((t1 - fin) * 1000))
    d.send(RST)


def case_tw_rst(w, a):
    """A RST against TIME_WAIT (RFC 1337): is it still there?"""
    c, n = http_close(w, a)
    if not n:
        say(first="failed")
        return
    c.send(RST, seq=c.seq)
    time.sleep(0.1)
    c.send(FIN | ACK, seq=c.seq - 1)  # TIME_WAIT acknowledges it again
    say(answer=flags_text(c.recv(0.4)))


def case_tw_fin(w, a):
    """A FIN sent again after `after' seconds: answered by TIME_WAIT?"""
    c, n = http_close(w, a)
    if not n:
        say(first="failed")
        return
    out = []
    for t in a["after"].split(","):
        time.sleep(float(t))
        c.send(FIN | ACK, seq=c.seq - 1)
        out.append(flags_text(c.recv(0.3)))
    say(answers=",".join(out))


def case_tw_fill(w, a):
    """n connections closed; TIME_WAIT is then asked for each."""
    conns = []
    for _ in range(int(a["n"])):
        c, n = http_close(w, a)
        if not n:
            say(first="failed")
            return
        conns.append(c)
    out = []
    for c in conns:
        c.send(FIN | ACK, seq=c.seq - 1)
        out.append(flags_text(c.recv(0.3)))
    say(answers=",".join(out))


def case_nat(w, a):
    """Two hosts behind one address, the second's clock is behind."""
    c, n = http_close(w, dict(a, src="10.7.7.7"), ts=1000000)
    if not n:
        say(first="failed")
        return
    d = Conn(w, a["server"], int(a["port"]), ws=7, src="10.7.7.7", ts=5000)
    d.syn()
    s = d.recv(0.6)
    say(second=flags_text(s))
    if s and s.flags & SYN:
        d.send(RST, seq=d.isn + 1)


def case_fastopen(w, a):
    """Ask for a cookie, then data in the SYN; or with a given cookie."""
    c = Conn(w, a["server"], int(a["port"]), ws=7, ts=5000, src=a.get("src"))
    cookie = bytes.fromhex(a["cookie"]) if "cookie" in a else None
    asked, exp = "", "exp" in a
    if cookie is None:
        c.syn(fo=b"", exp=exp)
        s = c.syn_ack()
        cookie = s.opts.get("fo", b"") if s else b""
        if s and exp != s.opts.get("exp", False):
            cookie = b""
        asked = cookie.hex() or "none"
        if s:
            c.send(RST, seq=c.isn + 1)
        if "only" in a:
            say(asked=asked)
            return
    d = Conn(w, a["server"], int(a["port"]), ws=7, ts=6000, src=c.src)
    req = GET % 1024
    d.syn(fo=cookie, data=req, exp=exp)
    s = d.syn_ack()
    if s is None:
        say(asked=asked, answer="none")
        return
    taken = (s.ack - d.isn - 1) % MOD
    d.seq = s.ack
    renew = s.opts.get("fo", b"").hex() or "none"
    early = 0
    if taken and "early" in a:
        r = d.recv(0.5, lambda s: s.data)
        early = int(r is not None)
    d.send(ACK)
    if not taken:
        d.data(req)
    got, _, end = d.read(1.0) if not early else (b"", 0, None)
    if early:
        d.send(RST)
    say(asked=asked, taken=int(taken == len(req)), renew=renew, early=early,
        bytes=len(got), once=got.count(b"HTTP/1."), end=end)
    if end == "FIN":
        close_both(d)


def case_orphan(w, a):
    """The server sends and closes; the client closes, and acknowledges
    nothing of the answer."""
    c = Conn(w, a["server"], int(a["port"]), ws=7)
    if c.open() is None:
        say(synack="none")
        return
    c.data(GET % 1024, flags=ACK | PSH | FIN)
    c.recv(0.5, lambda s: s.data)
    s = c.recv(1.5, lambda s: s.flags & RST or s.data)
    say(answer="data" if s and s.data else flags_text(s))
    c.send(RST, seq=c.seq + 1)


def case_hold(w, a):
    """n connections that ask for a file and do not read it; then wait."""
    conns = []
    for _ in range(int(a["n"])):
        c = Conn(w, a["server"], int(a["port"]), ws=7, win=int(a["win"]))
        if c.open() is None:
            continue
        c.data(GET % int(a.get("size", 1048576)))
        conns.append(c)
    print(f"open={len(conns)}", flush=True)
    time.sleep(float(a["wait"]))
    resets, end = 0, time.monotonic() + 0.2
    while time.monotonic() < end:
        s = w.recv(0.1)
        if s and s.flags & RST and any(c.mine(s) for c in conns):
            resets += 1
    print(f"resets={resets}", flush=True)
    for c in conns:
        c.send(RST)


def main():
    case = globals().get("case_" + sys.argv[1])
    if case is None:
        sys.exit(__doc__)
    args = dict(x.split("=", 1) for x in sys.argv[2:])
    random.seed(int(args.get("seed", time.time_ns() % (1 << 30))))
    case(Wire(args.get("from", "up"), ":" in args.get("server", "")), args)


if __name__ == "__main__":
    main()
