#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""selftest.py - each check of the soak complains of what it is there for, and of
nothing else."""
import os
import socket
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
# pylint: disable=wrong-import-position
import judge  # noqa: E402
import traffic  # noqa: E402

FAILED = []


def check(name, good):
    print(f"{'ok' if good else 'not ok'} - soak selftest: {name}")
    if not good:
        FAILED.append(name)


def complains(name, texts, word):
    check(name, len(texts) == 1 and word in texts[0])


# --- judge ---

def connection(end="ok", begin=10.0, over=12.0):
    return {"kind": "down", "family": 4, "service": "plain", "port": 20000,
            "begin": begin, "over": over, "end": end, "why": "why", "errno": 101}


def happening(name="crash", loses=True, begin=20.0, over=21.0):
    return {"name": name, "loses": loses, "begin": begin, "over": over,
            "log": [r"^error: worker \d+: gone"]}


def sample(pid=1, **other):
    s = {k: 0 for k in judge.EMPTY}
    s.update(pid=pid, rss_kib=40000, descriptors=47, threads=3, timers=0,
             sources=0)
    s.update(other)
    return s


def connections():
    crash, loss = happening(), happening("loss", False)
    check("good connections", not judge.wrong_bytes([connection()]) and
          not judge.unexplained([connection()], []))
    complains("a wrong byte", judge.wrong_bytes([connection("wrong")]), "wrong")
    complains("a wrong byte in a crash", judge.wrong_bytes(
        [connection("wrong", 20, 21)]), "wrong")
    complains("lost without an event",
              judge.unexplained([connection("lost")], [crash]), "lost")
    complains("lost by an event that may lose none",
              judge.unexplained([connection("lost", 20, 21)], [loss]), "lost")
    complains("lost when the event was over",
              judge.unexplained([connection("lost", 22, 23)], [crash]), "lost")
    link = happening("link", (101, 113))
    check("unreachable while a link is down",
          not judge.unexplained([connection("lost", 20, 20.5)], [link]))
    link["loses"] = (113,)
    complains("another error meanwhile", judge.unexplained(
        [connection("lost", 20, 20.5)], [link]), "lost")
    check("lost in a crash",
          not judge.unexplained([connection("lost", 15, 30)], [crash]))


def levels():
    check("level samples", not judge.not_flat([sample() for _ in range(20)]))
    complains("a table that is not empty", judge.not_empty(sample(flows=1)),
              "flows is 1")
    leak = [sample(pid=i, rss_kib=40000 + 3000 * i) for i in range(20)]
    complains("memory that grows", judge.not_flat(leak), "rss_kib grew")
    leak = [sample(pid=i, descriptors=47 + i // 4) for i in range(20)]
    complains("descriptors that grow", judge.not_flat(leak),
              "descriptors grew")
    back = [sample(rss_kib=40000 + 6000 * (i % 10)) for i in range(20)]
    complains("memory that one process keeps", judge.not_flat(
        back[:10] + [sample(pid=2) for _ in range(20)]), "of process 1")
    complains("a counter that falls", judge.gone_back(
        [(1, {"a": 5, "b": 1}), (1, {"a": 4, "b": 1})]), "a fell")
    check("a counter of another process", not judge.gone_back(
        [(1, {"a": 5}), (2, {"a": 0}), (2, {"a": 1})]))
    lines = ["info: ready", "error: worker 3: gone"]
    check("a line of the log with its event",
          not judge.not_expected(lines, [happening()]))
    complains("the same without", judge.not_expected(lines, []), "worker 3")


# --- traffic ---

class Damaged:
    """A socket that sends one byte otherwise, at an offset."""

    def __init__(self, sock, at):
        self.sock, self.at = sock, at

    def __getattr__(self, name):
        return getattr(self.sock, name)

    def sendall(self, data):
        if 0 <= self.at < len(data):
            data = bytearray(data)
            data[self.at] ^= 1
        self.at -= len(data)
        self.sock.sendall(data)


def pair():
    """Two ends of a TCP connection."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        a = socket.create_connection(s.getsockname())
        b = s.accept()[0]
    for x in (a, b):
        x.settimeout(20)
    return a, b


def serve_one(sock):
    traffic.quietly(lambda: traffic.obey(sock, *traffic.line_of(sock)))
    sock.close()


def transfer(what, n, damage=-1, server=serve_one):
    """What the client says of it."""
    a, b = pair()
    t = threading.Thread(target=server, args=(Damaged(b, damage),))
    t.start()
    try:
        what(a, n, 5)
        return "ok"
    except traffic.Wrong:
        return "wrong"
    except OSError as e:
        return traffic.verdict(e)
    finally:
        a.close()
        t.join()


def cut(how):
    def serve(sock):
        order = traffic.line_of(sock)
        traffic.send_stream(sock, order[2], order[1] // 2)
        how(sock)
    return serve


def bytes_on_the_way():
    n = 300000
    for what in (traffic.download, traffic.upload, traffic.both,
                 traffic.half_close):
        check(f"{what.__name__} of good bytes", transfer(what, n) == "ok")
    for at in (0, n // 2, n - 1):
        check(f"byte {at} of a download is wrong",
              transfer(traffic.download, n, at) == "wrong")
    check("a byte of a digest is wrong",
          transfer(traffic.upload, n, 63) == "wrong")
    check("a FIN that comes early is wrong", transfer(
        traffic.download, n, server=cut(lambda s: s.close())) == "wrong")
    check("a RST is a connection lost", transfer(
        traffic.download, n, server=cut(traffic.abort)) == "lost")


connections()
levels()
bytes_on_the_way()
sys.exit(1 if FAILED else 0)
