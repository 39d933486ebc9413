"""Flows of numbered datagrams through pseudowires: who sends them by super-frames, and a sink that checks each.

send ADDRESS FLOWS RATE SECONDS: sends flows of datagrams to ports 7000 on, RATE datagrams a second in all.
sink ADDRESS FLOWS: takes them until none came for 3 seconds, and prints what it saw as JSON.
"""
import json
import selectors
import socket
import struct
import sys
import time

LENGTH = 1200
AT_ONCE = 32
UDP_SEGMENT, UDP_GRO = 103, 104
PATTERN = bytes((i * 167 + (i >> 8) * 13) & 0xFF for i in range(LENGTH + 65536))
FIRST_PORT = 7000


def datagram(flow, number):
    """A flow's number, and octets that differ from datagram to datagram."""
    head = struct.pack("!HI", flow, number)
    at = (flow * 7919 + number * 31) & 0xFFFF
    return head + PATTERN[at : at + LENGTH - len(head)]


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def send(address, flows, rate, seconds):
    sockets = []
    for flow in range(flows):
        s = socket.socket(family(address), socket.SOCK_DGRAM)
        s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, LENGTH)
        s.connect((address, FIRST_PORT + flow))
        sockets.append(s)
    numbers = [0] * flows
    start, sent = time.monotonic(), 0
    while (now := time.monotonic() - start) < seconds:
        if sent >= rate * now:
            time.sleep(0.001)
            continue
        flow = (sent // AT_ONCE) % flows
        first = numbers[flow]
        sockets[flow].send(b"".join(datagram(flow, first + i) for i in range(AT_ONCE)))
        numbers[flow] += AT_ONCE
        sent += AT_ONCE
    print(json.dumps({"sent": sent}))


def sink(address, flows):
    selector = selectors.DefaultSelector()
    for flow in range(flows):
        s = socket.socket(family(address), socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        s.setsockopt(socket.IPPROTO_UDP, UDP_GRO, 1)
        s.bind((address, FIRST_PORT + flow))
        selector.register(s, selectors.EVENT_READ, flow)
    print("ready", flush=True)
    seen = dict(came=0, together=0, wrong_flow=0, out_of_order=0, damaged=0)
    following, begun = [0] * flows, False
    while ready := selector.select(3 if begun else 30):
        begun = True
        for key, _ in ready:
            data = key.fileobj.recv(65535)
            seen["together"] += len(data) > LENGTH
            for at in range(0, len(data), LENGTH):
                one = data[at : at + LENGTH]
                flow, number = struct.unpack_from("!HI", one)
                seen["came"] += 1
                if flow != key.data:
                    seen["wrong_flow"] += 1
                    continue
                seen["out_of_order"] += number != following[flow]
                following[flow] = number + 1
                seen["damaged"] += one != datagram(flow, number)
    print(json.dumps(seen))


if sys.argv[1] == "send":
    send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
else:
    sink(sys.argv[2], int(sys.argv[3]))
