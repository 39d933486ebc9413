#!/usr/bin/env python3
"""Makes messages.json: a control message of every type and version, octet by octet from the RFCs.

    make.py              prints messages.json
    make.py --pcap FILE  writes the same messages as UDP packets (scapy), for tshark to judge

Nothing here knows the code under test. Layouts: RFC 2661 section 3.1 and 4, RFC 3931 section 3.2.1 and 5; hiding:
RFC 2661 section 4.3, RFC 3931 section 5.3; digests: RFC 3931 section 4.3 and 5.4.1; challenges: RFC 2661 section 5.1.1.
"""
import hashlib
import hmac
import json
import struct
import sys

SECRET = b"golden-secret"
NONCES = (bytes(range(16)), bytes(range(0x40, 0x50)))  # the dialer's, the answerer's
VECTOR = bytes(range(0x80, 0x90))

TYPES = dict(SCCRQ=1, SCCRP=2, SCCCN=3, StopCCN=4, HELLO=6, OCRQ=7, OCRP=8, OCCN=9,
             ICRQ=10, ICRP=11, ICCN=12, CDN=14, WEN=15, SLI=16, ACK=20)


def u16(n):
    return struct.pack("!H", n)


def u32(n):
    return struct.pack("!I", n)


def md5(*parts):
    return hashlib.md5(b"".join(parts)).digest()


def avp(number, value, mandatory=True, hidden=False, vendor=0):
    flags = (0x8000 if mandatory else 0) | (0x4000 if hidden else 0)
    return struct.pack("!HHH", flags | (6 + len(value)), vendor, number) + value


def hide(number, value, key, padding=b""):
    """RFC 2661 section 4.3: the length, the value, padding; b1 = MD5(type + key + vector), bi = MD5(key + c(i-1))."""
    plain = u16(len(value)) + value + padding
    out, block = b"", md5(u16(number), key, VECTOR)
    for at in range(0, len(plain), 16):
        piece = plain[at:at + 16]
        cipher = bytes(a ^ b for a, b in zip(piece, block))
        out += cipher
        block = md5(key, cipher)
    return out


def header(version, length, connection, session, ns, nr):
    ids = u16(connection) + u16(session) if version == 2 else u32(connection)
    return u16(0xC800 | version) + u16(length) + ids + u16(ns) + u16(nr)


def octets(value):
    return {"hex": value.hex()}


MESSAGES = []


def message(name, version, kind, avps, values, connection=0x0102, session=0, ns=3, nr=5, vendor_avps=(),
            digest=None, nonces=(b"", b""), hidden=(), keys=None):
    """`avps`: octets behind Message Type; `digest`: the Digest Type that signs them, `nonces`: the sender's first."""
    first = avp(0, u16(TYPES[kind]))
    blank = b""
    if digest is not None:
        blank = avp(59, bytes([digest]) + bytes(16 if digest == 0 else 20))
    body = first + blank + b"".join(avps)
    packet = header(version, 12 + len(body), connection, session, ns, nr) + body
    if digest is not None:
        # RFC 3931 section 5.4.1: HMAC-MD5 or HMAC-SHA-1 with HMAC-MD5(secret, 2) as its key, over both nonces and
        # the message, its digest zero.
        key = hmac.new(SECRET, b"\x02", hashlib.md5).digest()
        value = hmac.new(key, nonces[0] + nonces[1] + packet, hashlib.md5 if digest == 0 else hashlib.sha1).digest()
        at = 12 + 8 + 7
        packet = packet[:at] + value + packet[at + len(value):]
        values = dict(values, messageDigest=dict(type=digest, digest=octets(value)))
    entry = dict(name=name, version=version, type=kind, hex=packet.hex(),
                 header=dict(version=version, connectionId=connection, sessionId=session, ns=ns, nr=nr),
                 avps=values, others=list(vendor_avps))
    if hidden:
        entry["hidden"] = {n: octets(p) for n, p in hidden}
    if digest is not None:
        entry["nonces"] = [octets(n) for n in nonces]
    MESSAGES.append(entry)


def v2():
    session = 0x0304
    message("v2 SCCRQ", 2, "SCCRQ", [
        avp(2, u16(0x0100)), avp(7, b"lac.example"), avp(3, u32(3)), avp(9, u16(0x1111)), avp(4, u32(1)),
        avp(10, u16(4)), avp(11, NONCES[0]), avp(5, bytes(range(8)), mandatory=False),
        avp(6, u16(0x0690), mandatory=False), avp(8, b"somebody", mandatory=False)],
        dict(protocolVersion=0x0100, hostName="lac.example", framingCapabilities=3, assignedTunnelId=0x1111,
             bearerCapabilities=1, receiveWindowSize=4, challenge=octets(NONCES[0]),
             tieBreaker=octets(bytes(range(8))), firmwareRevision=0x0690, vendorName="somebody"),
        connection=0, ns=0, nr=0)
    message("v2 SCCRP", 2, "SCCRP", [
        avp(2, u16(0x0100)), avp(3, u32(3)), avp(7, b"lns"), avp(9, u16(0x2222)), avp(11, NONCES[1]),
        avp(13, md5(b"\x02", SECRET, NONCES[0]))],
        dict(protocolVersion=0x0100, framingCapabilities=3, hostName="lns", assignedTunnelId=0x2222,
             challenge=octets(NONCES[1]), challengeResponse=octets(md5(b"\x02", SECRET, NONCES[0]))),
        connection=0x1111, ns=0, nr=1)
    message("v2 SCCCN", 2, "SCCCN", [avp(13, md5(b"\x03", SECRET, NONCES[1]))],
            dict(challengeResponse=octets(md5(b"\x03", SECRET, NONCES[1]))), connection=0x2222, ns=1, nr=1)
    message("v2 StopCCN", 2, "StopCCN", [avp(9, u16(0x1111)), avp(1, u16(2) + u16(6) + b"out of order")],
            dict(assignedTunnelId=0x1111, resultCode=dict(result=2, error=6, message="out of order")),
            connection=0x2222)
    message("v2 StopCCN, a result alone", 2, "StopCCN", [avp(9, u16(0x1111)), avp(1, u16(6))],
            dict(assignedTunnelId=0x1111, resultCode=dict(result=6)), connection=0x2222)
    message("v2 HELLO", 2, "HELLO", [], {}, ns=0xFFFF, nr=0)
    message("v2 OCRQ", 2, "OCRQ", [
        avp(14, u16(session)), avp(15, u32(7)), avp(16, u32(9600)), avp(17, u32(64000)), avp(18, u32(2)),
        avp(19, u32(1)), avp(21, b"5551234"), avp(23, b"12")],
        dict(assignedSessionId=session, callSerialNumber=7, minimumBps=9600, maximumBps=64000, bearerType=2,
             framingType=1, calledNumber="5551234", subAddress="12"))
    message("v2 OCRP", 2, "OCRP", [avp(14, u16(session)), avp(25, u32(9), mandatory=False)],
            dict(assignedSessionId=session, physicalChannelId=9), session=0x0506)
    message("v2 OCCN", 2, "OCCN", [avp(24, u32(56000)), avp(19, u32(2)), avp(39, b"")],
            dict(txConnectSpeed=56000, framingType=2, sequencingRequired=True), session=0x0506)
    message("v2 ICRQ", 2, "ICRQ", [
        avp(14, u16(session)), avp(15, u32(0x01020304)), avp(18, u32(1)), avp(25, u32(5), mandatory=False),
        avp(21, b"5551234"), avp(22, b"5559876")],
        dict(assignedSessionId=session, callSerialNumber=0x01020304, bearerType=1, physicalChannelId=5,
             calledNumber="5551234", callingNumber="5559876"))
    message("v2 ICRP", 2, "ICRP", [avp(14, u16(session))], dict(assignedSessionId=session), session=0x0506)
    lcp = bytes.fromhex("010405dc0506a1b2c3d4")
    message("v2 ICCN", 2, "ICCN", [
        avp(24, u32(1000000)), avp(19, u32(1)), avp(38, u32(500000), mandatory=False),
        avp(26, lcp, mandatory=False), avp(27, lcp[:4], mandatory=False), avp(28, lcp, mandatory=False),
        avp(29, u16(2), mandatory=False), avp(30, b"user@realm", mandatory=False),
        avp(31, NONCES[0], mandatory=False), avp(32, u16(0x0042), mandatory=False),
        avp(33, NONCES[1], mandatory=False), avp(37, b"group", mandatory=False), avp(39, b"")],
        dict(txConnectSpeed=1000000, framingType=1, rxConnectSpeed=500000, initialReceivedLcp=octets(lcp),
             lastSentLcp=octets(lcp[:4]), lastReceivedLcp=octets(lcp), proxyAuthenType=2,
             proxyAuthenName=octets(b"user@realm"), proxyAuthenChallenge=octets(NONCES[0]), proxyAuthenId=0x42,
             proxyAuthenResponse=octets(NONCES[1]), privateGroupId=octets(b"group"), sequencingRequired=True),
        session=0x0506)
    message("v2 CDN", 2, "CDN", [
        avp(1, u16(1) + u16(0) + b"carrier"), avp(14, u16(session)), avp(12, u16(16) + b"\x01" + b"clearing")],
        dict(resultCode=dict(result=1, error=0, message="carrier"), assignedSessionId=session,
             q931Cause=dict(code=16, message=1, advisory="clearing")), session=0x0506)
    message("v2 WEN", 2, "WEN", [avp(34, u16(0) + b"".join(u32(n) for n in (1, 2, 3, 4, 5, 6)))],
            dict(callErrors=dict(crcErrors=1, framingErrors=2, hardwareOverruns=3, bufferOverruns=4,
                                 timeoutErrors=5, alignmentErrors=6)), session=0x0506)
    message("v2 SLI", 2, "SLI", [avp(35, u16(0) + u32(0x000A0000) + u32(0xFFFFFFFF))],
            dict(accm=dict(send=0x000A0000, receive=0xFFFFFFFF)), session=0x0506)
    # Numbers longer than one block of MD5, padded and not, an empty padding, and a vendor's AVP behind them.
    number, called = b"0123456789abcdefghij", b"5551234"
    message("v2 ICRQ, hidden", 2, "ICRQ", [
        avp(36, VECTOR), avp(14, hide(14, u16(session), SECRET, b"\xAA" * 3), hidden=True),
        avp(15, hide(15, u32(9), SECRET), hidden=True),
        avp(22, hide(22, number, SECRET, b"\x55" * 13), hidden=True),
        avp(21, hide(21, called, SECRET, b"\x77"), hidden=True),
        avp(1, b"\x01\x02", mandatory=False, vendor=3561)],
        dict(assignedSessionId=session, callSerialNumber=9, callingNumber=number.decode(),
             calledNumber=called.decode()),
        vendor_avps=[dict(vendorId=3561, type=1, mandatory=False, value=octets(b"\x01\x02"))],
        hidden=[("assignedSessionId", b"\xAA" * 3), ("callSerialNumber", b""), ("callingNumber", b"\x55" * 13),
                ("calledNumber", b"\x77")])


def v3():
    dialer, answerer = NONCES
    local, remote = 0x01020304, 0x05060708
    both = [avp(63, u32(local)), avp(64, u32(remote))]
    ids = dict(localSessionId=local, remoteSessionId=remote)
    far, near = 0xA1A2A3A4, 0xB1B2B3B4

    def signed(name, kind, avps, values, sender, kind_of_digest=0, **more):
        nonces = (dialer, answerer) if sender == "dialer" else (answerer, dialer)
        message(name, 3, kind, avps, values, connection=near if sender == "dialer" else far,
                digest=kind_of_digest, nonces=nonces, **more)

    capabilities = u16(5) + u16(4) + u16(7)
    message("v3 SCCRQ", 3, "SCCRQ", [
        avp(7, b"pe1.example"), avp(60, u32(0x0A000001)), avp(61, u32(far)), avp(62, capabilities),
        avp(73, dialer), avp(10, u16(16)), avp(5, bytes(range(8)), mandatory=False),
        avp(8, b"somebody", mandatory=False), avp(72, b"en", mandatory=False)],
        dict(hostName="pe1.example", routerId=0x0A000001, assignedConnectionId=far,
             pseudowireCapabilities=[5, 4, 7], nonce=octets(dialer), receiveWindowSize=16,
             tieBreaker=octets(bytes(range(8))), vendorName="somebody", preferredLanguage="en"),
        connection=0, ns=0, nr=0, digest=0)
    signed("v3 SCCRP", "SCCRP", [
        avp(7, b"pe2"), avp(60, u32(0x0A000002)), avp(61, u32(near)), avp(62, u16(5)), avp(73, answerer)],
        dict(hostName="pe2", routerId=0x0A000002, assignedConnectionId=near, pseudowireCapabilities=[5],
             nonce=octets(answerer)), "answerer", ns=0, nr=1)
    signed("v3 SCCCN", "SCCCN", [], {}, "dialer", ns=1, nr=1)
    signed("v3 StopCCN", "StopCCN", [avp(1, u16(1)), avp(61, u32(far))],
           dict(resultCode=dict(result=1), assignedConnectionId=far), "dialer")
    signed("v3 HELLO", "HELLO", [], {}, "answerer")
    signed("v3 HELLO, SHA-1", "HELLO", [], {}, "answerer", kind_of_digest=1)
    message("v3 HELLO, unsigned", 3, "HELLO", [], {}, connection=far)
    request = [avp(15, u32(77)), avp(68, u16(5)), avp(66, b"office-7")]
    requested = dict(callSerialNumber=77, pseudowireType=5, remoteEndId=octets(b"office-7"))
    signed("v3 ICRQ", "ICRQ", [
        avp(63, u32(local)), avp(64, u32(0)), *request, avp(65, bytes(range(8))), avp(69, u16(1)), avp(70, u16(2)),
        avp(71, u16(3))],
        dict(localSessionId=local, remoteSessionId=0, **requested, assignedCookie=octets(bytes(range(8))),
             l2SpecificSublayer=1, dataSequencing=2, circuitStatus=dict(active=True, new=True)), "dialer")
    signed("v3 ICRP", "ICRP", [*both, avp(65, bytes(range(4))), avp(69, u16(0)), avp(70, u16(0)), avp(71, u16(2))],
           dict(**ids, assignedCookie=octets(bytes(range(4))), l2SpecificSublayer=0, dataSequencing=0,
                circuitStatus=dict(active=False, new=True)), "answerer")
    signed("v3 ICCN", "ICCN", [
        *both, avp(74, struct.pack("!Q", 10_000_000_000), mandatory=False),
        avp(75, struct.pack("!Q", 2_500_000_000), mandatory=False)],
        dict(**ids, txConnectSpeedBps={"u64": "10000000000"}, rxConnectSpeedBps={"u64": "2500000000"}), "dialer")
    signed("v3 OCRQ", "OCRQ", [avp(63, u32(local)), avp(64, u32(0)), *request, avp(71, u16(3))],
           dict(localSessionId=local, remoteSessionId=0, **requested,
                circuitStatus=dict(active=True, new=True)), "answerer")
    signed("v3 OCRP", "OCRP", [*both, avp(71, u16(2))],
           dict(**ids, circuitStatus=dict(active=False, new=True)), "dialer")
    signed("v3 OCCN", "OCCN", both, ids, "dialer")
    signed("v3 CDN", "CDN", [avp(1, u16(2) + u16(4) + b"no room"), *both],
           dict(resultCode=dict(result=2, error=4, message="no room"), **ids), "answerer")
    signed("v3 WEN", "WEN", [*both, avp(34, u16(0) + b"".join(u32(n) for n in (6, 5, 4, 3, 2, 1)))],
           dict(**ids, callErrors=dict(crcErrors=6, framingErrors=5, hardwareOverruns=4, bufferOverruns=3,
                                       timeoutErrors=2, alignmentErrors=1)), "dialer")
    signed("v3 SLI", "SLI", [*both, avp(71, u16(1))], dict(**ids, circuitStatus=dict(active=True, new=False)),
           "dialer")
    signed("v3 ACK", "ACK", [], {}, "dialer")
    # RFC 3931 section 5.3: the key that hides is HMAC-MD5(secret, 1).
    key = hmac.new(SECRET, b"\x01", hashlib.md5).digest()
    signed("v3 ICRP, hidden", "ICRP", [
        avp(36, VECTOR), avp(63, hide(63, u32(local), key), hidden=True),
        avp(64, hide(64, u32(remote), key, b"\x01\x02"), hidden=True), avp(71, u16(3))],
        dict(**ids, circuitStatus=dict(active=True, new=True)), "answerer", kind_of_digest=1,
        hidden=[("localSessionId", b""), ("remoteSessionId", b"\x01\x02")])


def write_pcap(path):
    from scapy.all import IP, UDP, Ether, Raw, wrpcap
    ends = ("10.0.0.1", "10.0.0.2")
    packets = []
    for entry in MESSAGES:
        src, dst = ends if entry["header"]["connectionId"] in (0, 0x2222, 0xB1B2B3B4) else ends[::-1]
        packets.append(Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src=src, dst=dst) /
                       UDP(sport=1701, dport=1701) / Raw(bytes.fromhex(entry["hex"])))
    wrpcap(path, packets)


v2()
v3()
if sys.argv[1:2] == ["--pcap"]:
    write_pcap(sys.argv[2])
else:
    json.dump(dict(secret=SECRET.decode(), vector=octets(VECTOR), messages=MESSAGES), sys.stdout, indent=1)
    print()
