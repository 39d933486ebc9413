"""Sends Ethernet frames by interfaces of several namespaces, and tells at which others each comes out.

Standard input is JSON: {"taps": {name: [namespace, interface]}, "frames": [[name, hexadecimal digits, [names]], ...], "wait": seconds}.
A frame that shall come out somewhere is waited for longer there: names, none twice; then `wait` for any other.
Standard output is JSON: for each frame {name: [hexadecimal digits, ...]}, tags included.
"""

import ctypes
import json
import select
import socket
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
SOL_PACKET, AUXDATA, IGNORE_OUTGOING = 263, 8, 23
CLONE_NEWNET = 0x40000000


def tagged(data, aux):
    """The frame as it was on the wire: the kernel takes its outermost tag off and tells it."""
    for level, kind, value in aux:
        if level == SOL_PACKET and kind == AUXDATA and value[0] & 0x10:
            tpid = value[18:20][::-1] if value[0] & 0x40 else b"\x81\x00"
            data = data[:12] + tpid + value[16:18][::-1] + data[12:]
    return data


asked = json.load(sys.stdin)
sockets = {}
for name, (namespace, interface) in asked["taps"].items():
    with open(f"/run/netns/{namespace}") as handle:
        if libc.setns(handle.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), namespace)
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    one.setsockopt(SOL_PACKET, AUXDATA, 1)
    one.setsockopt(SOL_PACKET, IGNORE_OUTGOING, 1)
    one.bind((interface, 3))
    sockets[name] = one

names = {one.fileno(): name for name, one in sockets.items()}
results = []
for sender, digits, receivers in asked["frames"]:
    frame = bytes.fromhex(digits)
    marker = frame[-40:]
    sockets[sender].send(frame)
    got = {}
    limit = time.time() + 30
    until = None
    while True:
        now = time.time()
        if until is None and (set(receivers) <= set(got) or now > limit):
            until = now + asked["wait"]
        left = (limit if until is None else until) - now
        if until is not None and left <= 0:
            break
        for one in select.select(list(sockets.values()), [], [], max(0, left))[0]:
            data, aux, _, _ = one.recvmsg(65536, 256)
            if marker in data:
                got.setdefault(names[one.fileno()], []).append(tagged(data, aux).hex())
    results.append(got)
json.dump(results, sys.stdout)
