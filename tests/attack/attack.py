#!/usr/bin/env python3
"""Attacks on a relay, and whether other clients notice them.

    tests/attack/attack.py RELAY [NAME...]     all attacks, or only these

Each attack has a relay of its own. While it lasts, a publisher says a message every 10 ms and a
subscriber hears it: none may be lost, and how long the slowest took is told. Afterwards nothing may
be left: no connection, no processor time, and no memory beyond what the limits say. Everything goes
to 127.0.0.1 and ends by itself. SECONDS in the environment is how long each lasts (3).
"""

import base64
import multiprocessing
import os
import random
import re
import selectors
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import zlib

SECONDS = float(os.environ.get("SECONDS", "3"))
PATIENCE_S = 30
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def request(path, fields=""):
    return (
        f"GET {path} HTTP/1.1\r\nHost: attack\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"{fields}\r\n"
    ).encode()


def frame(first, payload=b""):
    """A client's frame; a mask of zeros leaves the payload as it is."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", first, 0x80 | length)
    elif length < 65536:
        head = struct.pack("!BBH", first, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", first, 0x80 | 127, length)
    return head + bytes(4) + payload


def dial(address, receive_bytes=None):
    stream = socket.socket()
    if receive_bytes:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.settimeout(PATIENCE_S)
    stream.connect(address)
    return stream


def join(address, path, receive_bytes=None, fields=""):
    stream = dial(address, receive_bytes)
    stream.sendall(request(path, fields))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = stream.recv(1)
        if not byte:
            raise ConnectionError("refused")
        head += byte
    if b" 101 " not in head.split(b"\r\n")[0]:
        raise ConnectionError(head.split(b"\r\n")[0].decode())
    return stream


def reset(stream):
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


class Relay:
    """A relay that is watched through /proc and its admin listener."""

    def __init__(self, program, flags, limit_bytes=None):
        command = [program, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *flags]
        if limit_bytes:
            command = ["prlimit", f"--as={limit_bytes}", *command]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        places = re.findall(r"([0-9.]+):(\d+)[?, ]", self.process.stdout.readline())
        self.address, *more = [(host, int(port)) for host, port in places]
        self.last_address = more[-1] if more else self.address
        self.log = []
        self.admin = None
        threading.Thread(target=self.read_log, daemon=True).start()
        self.wait("the admin listener", lambda: self.admin)

    def read_log(self):
        for line in self.process.stderr:
            self.log.append(line)
            if place := re.search(r"the admin listener is open.* place=([0-9.:]+)", line):
                self.admin = place[1]

    def wait(self, what, seen):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if result := seen():
                return result
            time.sleep(0.05)
        raise TimeoutError(f"waited for {what} in vain: {''.join(self.log[-5:])}")

    def metric(self, name):
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=PATIENCE_S) as answer:
            text = answer.read().decode()
        found = re.findall(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.M)
        return sum(map(float, found))

    def memory_kib(self, field):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(rf"{field}:\s+(\d+)", status.read())[1])

    def processor_s(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Witnesses:
    """Two members of a room of their own, which must be served all the time."""

    def __init__(self, relay):
        self.publisher = join(relay.address, "/witnesses")
        self.subscriber = join(relay.address, "/witnesses")
        self.sent = 0
        self.heard = 0
        self.slowest_ms = 0.0
        self.is_over = False
        self.threads = [threading.Thread(target=work) for work in (self.speak, self.listen)]
        for thread in self.threads:
            thread.start()

    def speak(self):
        while not self.is_over:
            self.publisher.sendall(frame(0x82, struct.pack("!Qd", self.sent, time.monotonic())))
            self.sent += 1
            time.sleep(0.01)
        self.publisher.sendall(frame(0x82, struct.pack("!Qd", 2**64 - 1, 0)))

    def listen(self):
        stream = self.subscriber.makefile("rb")
        while True:
            first, length = stream.read(2)
            payload = stream.read(length)
            if first != 0x82:
                continue  # a ping; the relay counts any frame of ours as life, and we say none
            number, then = struct.unpack("!Qd", payload)
            if number == 2**64 - 1:
                return
            assert number == self.heard, f"{number} came, not {self.heard}"
            self.heard += 1
            self.slowest_ms = max(self.slowest_ms, (time.monotonic() - then) * 1000)

    def end(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), "the witnesses are not served"
        assert self.heard == self.sent, f"{self.sent - self.heard} lost"
        self.publisher.close()
        self.subscriber.close()


# The attacks: each gives how many times it did what it does.


def connects(address, end):
    """Connections that send nothing, and are reset."""
    count = 0
    while time.monotonic() < end:
        batch = [dial(address) for _ in range(200)]
        count += len(batch)
        for stream in batch:
            reset(stream)
    return count


def greetings(address, end):
    """Requests that are reset without waiting for the answer."""
    count = 0
    while time.monotonic() < end:
        stream = dial(address)
        stream.sendall(request("/herd"))
        reset(stream)
        count += 1
    return count


def flood(address, end, piece, repeat, is_reading, path="/flood"):
    """The same frames over and over; a client that is closed connects again."""
    count = 0
    bytes_ = piece * repeat
    while time.monotonic() < end:
        stream = join(address, path)
        stream.settimeout(0.2)
        try:
            while time.monotonic() < end:
                stream.sendall(bytes_)
                count += repeat
                if is_reading:
                    stream.setblocking(False)
                    try:
                        while stream.recv(1 << 20):
                            pass
                    except BlockingIOError:
                        pass
                    stream.settimeout(0.2)
        except OSError:
            pass
        reset(stream)
    return count


def pings_unread(address, end):
    """Pings of 125 bytes, whose pongs are not read."""
    return flood(address, end, frame(0x89, bytes(125)), 500, False)


def pings(address, end):
    """Empty pings, whose pongs are read."""
    return flood(address, end, frame(0x89), 2000, True)


def empty_messages(address, end):
    """Empty messages to a room that several members flood."""
    return flood(address, end, frame(0x81), 2000, True)


def throttled(address, end):
    """Empty messages, as fast as possible, of clients with a rate of a hundred in a second."""
    return flood(address, end, frame(0x81), 2000, False, "/throttled")


def bombs(address, end):
    """Compressed messages of 60,000 bytes that would become 58 MB."""
    compress = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = compress.compress(bytes(58_000_000)) + compress.flush(zlib.Z_SYNC_FLUSH)
    bomb = frame(0xC2, packed[:60_000])
    count = 0
    while time.monotonic() < end:
        stream = join(address, "/bombs", fields="Sec-WebSocket-Extensions: permessage-deflate\r\n")
        stream.sendall(bomb)
        answer = stream.makefile("rb").read(4)
        assert answer[2:] == struct.pack("!H", 1009), answer
        reset(stream)
        count += 1
    return count


def empty_fragments(address, end):
    """Fragments without content, of a message that never ends."""
    stream = join(address, "/fragments")
    stream.sendall(frame(0x01))
    count = 0
    stream.settimeout(0.2)
    while time.monotonic() < end:
        try:
            stream.sendall(frame(0x00) * 2000)
            count += 2000
        except OSError:
            break
    reset(stream)
    return count


def tiny_fragments(address, end):
    """Messages in a thousand fragments of one byte."""
    message = frame(0x01, b"x") + frame(0x00, b"x") * 998 + frame(0x80, b"x")
    return flood(address, end, message, 20, True)


def garbage(address, end):
    """Random bytes, at first and after an upgrade."""
    count = 0
    source = random.Random(7)
    while time.monotonic() < end:
        stream = join(address, "/garbage") if count % 2 else dial(address)
        try:
            stream.sendall(source.randbytes(2000))
        except OSError:
            pass
        stream.close()
        count += 1
    return count


def hold(end, most, begin):
    """Begins as many as time allows, and keeps all of them to the end."""
    streams = []
    while time.monotonic() < end and len(streams) < most:
        streams.append(begin())
    time.sleep(max(0, end - time.monotonic()))
    for stream in streams:
        reset(stream)
    return len(streams)


def send(stream, bytes_):
    """Sends what the relay takes within a moment."""
    stream.settimeout(0.2)
    try:
        stream.sendall(bytes_)
    except OSError:
        pass
    return stream


def pages_unread(address, end):
    """The live page, asked for and not read."""
    page = b"GET /_/client.js HTTP/1.1\r\nHost: attack\r\n\r\n"
    return hold(end, 2000, lambda: send(dial(address, 4096), page))


def unfinished(address, end):
    """Messages of 60,000 bytes whose last byte never comes."""
    piece = frame(0x82, bytes(60_000))[:-1]
    return hold(end, 2000, lambda: send(join(address, "/unfinished"), piece))


def unread(address, end):
    """Members that read nothing, in a room with messages of 16 KiB as fast as possible."""
    deaf = [join(address, "/unread", 4096) for _ in range(200)]
    count = flood(address, end, frame(0x82, bytes(16_384)), 8, True, "/unread")
    for stream in deaf:
        reset(stream)
    return count


def skipped(address, end):
    """Members that read nothing and are skipped, in a room that is flooded with empty messages."""
    deaf = [join(address, "/skipped", 4096) for _ in range(400)]
    filler = join(address, "/skipped")
    for _ in range(20):
        filler.sendall(frame(0x82, bytes(60_000)))
    count = flood(address, end, frame(0x81), 2000, True, "/skipped")
    for stream in [filler, *deaf]:
        reset(stream)
    return count


def speak_at_once(streams, end, bytes_):
    """Each sends its bytes as fast as the relay reads them; returns the sum."""
    left = {stream: memoryview(bytes_) for stream in streams}
    sent = 0
    for stream in streams:
        stream.setblocking(False)
    while left and time.monotonic() < end:
        for stream, rest in list(left.items()):
            try:
                sent_now = stream.send(rest)
            except BlockingIOError:
                continue
            sent += sent_now
            left[stream] = rest[sent_now:]
            if sent_now == len(rest):
                del left[stream]
        time.sleep(0.001)
    time.sleep(max(0, end - time.monotonic()))
    for stream in streams:
        reset(stream)
    return sent


def bursts(address, end):
    """Bytes of empty messages, half a megabyte of each of 300 members at once."""
    rooms = [join(address, f"/burst{number}") for number in range(150)]
    return speak_at_once(rooms, end, frame(0x81) * 90_000)


def amplified(address, end):
    """Bytes of compressed messages that become 64 KiB and are slow to compress, each for two more
    members in two windows."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    narrow = f"{offer}; server_max_window_bits=9\r\n"
    letters = random.Random(1)
    text = bytes(letters.choice(b"ab") for _ in range(3000)) * 21
    compress = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = compress.compress(text) + compress.flush(zlib.Z_SYNC_FLUSH)
    rooms, others = [], []
    for number in range(60):
        path = f"/amplified{os.getpid()}/{number}"
        others += [join(address, path, fields=fields) for fields in (f"{offer}\r\n", narrow)]
        rooms.append(join(address, path, fields=f"{offer}\r\n"))
    count = speak_at_once(rooms, end, frame(0xC2, packed[:-4]) * 40)
    for stream in others:
        reset(stream)
    return count


def forged(address, end):
    """Requests with a token that none of five RSA keys verifies, all at their last byte at
    once."""
    part = lambda text: base64.urlsafe_b64encode(text).rstrip(b"=").decode()
    signature = b"\1" + bytes(511)
    token = ".".join(part(text) for text in (b'{"alg":"RS256"}', b'{"sub":"x"}', signature))
    head = request("/private", f"Authorization: Bearer {token}\r\n")
    count = 0
    while time.monotonic() < end:
        crowd = [dial(address) for _ in range(200)]
        for stream in crowd:
            stream.sendall(head[:-1])
        for stream in crowd:
            stream.sendall(head[-1:])
        for stream in crowd:
            assert stream.recv(12) == b"HTTP/1.1 401", "no key verifies it"
            reset(stream)
        count += len(crowd)
    return count


def close_storm(address, end):
    """A thousand members that all close at once, again and again."""
    count = 0
    while time.monotonic() < end:
        crowd = [join(address, "/storm") for _ in range(1000)]
        for stream in crowd:
            stream.sendall(frame(0x88, struct.pack("!H", 1000)))
        for stream in crowd:
            stream.close()
        count += len(crowd)
    return count


def tls_client():
    """A TLS client, as bytes: its output comes out of the second box."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
    return context.wrap_bio(heard, said), heard, said


def tls_hello():
    """The first record of a TLS client."""
    client, _, said = tls_client()
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return said.read()


def broken_hellos(address, end):
    """TLS handshakes that are cut, changed or in many records, and end in any way."""
    hello, dice, count = tls_hello(), random.Random(os.getpid()), 0
    while time.monotonic() < end:
        batch = [dial(address) for _ in range(50)]
        for stream in batch:
            cut = dice.randrange(1, len(hello) - 5)
            # A record of its own for the first bytes of the message, another one for the next.
            bytes_ = b"\x16\x03\x01" + struct.pack(">H", cut) + hello[5 : 5 + cut]
            if dice.random() < 0.5:
                bytes_ += b"\x16\x03\x01" + struct.pack(">H", len(hello) - 5 - cut) + hello[5 + cut :]
            if dice.random() < 0.5:
                bytes_ = bytearray(bytes_)
                bytes_[dice.randrange(len(bytes_))] ^= 1 << dice.randrange(8)
            send(stream, bytes_)
        for stream in batch:
            match dice.randrange(4):
                case 0:
                    reset(stream)
                case 1:
                    send(stream, b"\x17\x03\x03\x00\x01\x00")
                case 2:
                    try:
                        stream.shutdown(socket.SHUT_WR)
                        stream.recv(1 << 16)
                    except OSError:
                        pass  # the relay was faster
            stream.close()
        count += len(batch)
    return count


def hellos(address, end):
    """TLS handshakes, which cost the relay a key exchange and a signature, reset when answered."""
    hello = tls_hello()
    count = 0
    while time.monotonic() < end:
        batch = [dial(address) for _ in range(50)]
        for stream in batch:
            stream.sendall(hello)
        for stream in batch:
            stream.recv(1)
            reset(stream)
        count += len(batch)
    return count


def begin_record(address):
    """A TLS client that has sent all of a record but its last byte."""
    stream = dial(address)
    client, heard, said = tls_client()
    while True:
        try:
            client.do_handshake()
            break
        except ssl.SSLWantReadError:
            stream.sendall(said.read())
            heard.write(stream.recv(1 << 16))
    client.write(bytes(16_384))
    return send(stream, said.read()[:-1])


def records(address, end):
    """TLS records of 16 KiB whose last byte never comes."""
    return hold(end, 1000, lambda: begin_record(address))


def tls_door(folder):
    """The flags for a TLS listener beside the plain one."""
    certificate, key = f"{folder}/attack.crt", f"{folder}/attack.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        + ["-days", "2", "-subj", "/CN=attack", "-keyout", key, "-out", certificate],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return ["--listen", f"127.0.0.1:0?cert={certificate}&key={key}"]


def rsa_keys(folder):
    """The flags for five RSA keys, and a rule that accepts the witnesses without a token."""
    flags = ["--config", f"{folder}/rules.toml"]
    with open(flags[1], "w", encoding="utf-8") as rules:
        rules.write('[[room]]\npattern = "witnesses"\nhear = "anyone"\npublish = "anyone"\n')
    for number in range(5):
        private, public = f"{folder}/rsa{number}.key", f"{folder}/rsa{number}.pem"
        make = ["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"]
        subprocess.run([*make, "-out", private], check=True, stderr=subprocess.DEVNULL)
        subprocess.run(["openssl", "pkey", "-in", private, "-pubout", "-out", public], check=True)
        flags += ["--token-key", public]
    return flags


SMALL_HELD = ["--connection-quota", "8000000"]

ATTACKS = [
    (connects, []),
    (greetings, []),
    (pings_unread, []),
    (pings, []),
    (empty_messages, []),
    (throttled, ["--message-rate", "100"]),
    (bombs, ["--deflate"]),
    (empty_fragments, []),
    (tiny_fragments, []),
    (garbage, []),
    (pages_unread, SMALL_HELD),
    (unfinished, SMALL_HELD),
    (unread, []),
    (skipped, ["--slow-consumer", "skip"]),
    (bursts, []),
    (amplified, ["--deflate"]),
    (close_storm, []),
]

# These go to a door of TLS; the witnesses are at the plain one.
ATTACKS_ON_TLS = [
    (hellos, []),
    (broken_hellos, []),
    (records, SMALL_HELD),
]

# What a relay may hold at the defaults: logs, what is held for single connections, and 8 MiB for
# the program, its read buffer, and the allocator's gaps.
MEMORY_MAX_KIB = {"unread": (128 + 64 + 8) * 1024, "amplified": (128 + 64 + 8) * 1024}
MEMORY_OTHERS_KIB = (64 + 8) * 1024
ATTACKERS = 2


def crowd_in_little_memory(program, members=10_000, messages=150):
    """Half of the members read nothing, and the relay has 64 MiB of address space."""
    flags = ["--room-log", "300000", "--ping-interval", "100000", "--close-timeout", "2"]
    relay = Relay(program, flags, limit_bytes=64 << 20)
    deaf = [join(relay.address, "/crowd", 4096) for _ in range(members // 2)]
    readers = [join(relay.address, "/crowd") for _ in range(members // 2)]
    publisher = join(relay.address, "/crowd")
    selector = selectors.DefaultSelector()
    message = frame(0x82, bytes(4096))
    owed = {}
    for reader in readers:
        reader.setblocking(False)
        selector.register(reader, selectors.EVENT_READ)
        owed[reader] = messages * (4 + 4096)
    said, next_ = 0, time.monotonic()
    end = next_ + messages * 0.1 + PATIENCE_S
    while owed and time.monotonic() < end:
        if said < messages and time.monotonic() >= next_:
            publisher.sendall(message)
            said, next_ = said + 1, next_ + 0.1
        for key, _ in selector.select(0.02):
            owed[key.fileobj] -= len(key.fileobj.recv(1 << 16))
            if owed[key.fileobj] == 0:
                del owed[key.fileobj]
    assert not owed, f"{len(owed)} of the members that read have not received all"
    left = len(readers) + 1
    relay.wait("the slow ones' end", lambda: relay.metric("fanfare_connections") == left)
    closed = relay.metric("fanfare_slow_consumers_total")
    space_kib, most_kib = relay.memory_kib("VmPeak"), relay.memory_kib("VmHWM")
    for stream in [*deaf, *readers, publisher]:
        reset(stream)
    relay.wait("the last connection", lambda: relay.metric("fanfare_connections") == 0)
    relay.end()
    print(
        f"\n{members:,} members, half of which read nothing; {messages} messages of 4 KiB under a limit "
        f"of 64 MiB of address space: those that read received all, {closed:,.0f} others were "
        f"closed as slow and the rest cut; at most {most_kib / 1024:.1f} MiB resident, "
        f"{space_kib / 1024:.1f} MiB of space."
    )


def queues(address):
    """Bytes in the kernel for the relay's ends of connections that their peers have not received,
    for each connection that has any."""
    untaken = []
    with open("/proc/net/tcp") as table:
        for line in table.read().splitlines()[1:]:
            local, state, both = (line.split()[at] for at in (1, 3, 4))
            if local.endswith(f":{address[1]:04X}") and state != "0A":  # that is the listener
                untaken.append(int(both.split(":")[0], 16))
    return [bytes_ for bytes_ in untaken if bytes_]


def publish(relay, path, deaf, messages):
    """Publishes 16 KiB so many times to members that read nothing, as fast as the relay reads it."""
    publisher = join(relay.address, path)
    count = relay.metric("fanfare_messages_total") + messages
    for _ in range(messages):
        publisher.sendall(frame(0x82, bytes(16_384)))
    relay.wait("the last message", lambda: relay.metric("fanfare_messages_total") == count)
    untaken = queues(relay.address)
    assert untaken, "members that read nothing have no pending output"
    publisher.close()
    return max(untaken)


def deaf_members(program, members):
    """They stay, and miss messages."""
    relay = Relay(program, ["--slow-consumer", "skip"])
    deaf = [join(relay.address, "/deaf") for _ in range(members)]
    most = publish(relay, "/deaf", deaf, 1_000)
    for stream in deaf:
        reset(stream)
    relay.end()
    return most


def left_by_the_slow(program, members):
    """They are closed as slow and cut, or leave in order, and keep their ends of the connections."""
    relay = Relay(program, ["--close-timeout", "1"])
    deaf = [join(relay.address, "/slow") for _ in range(members)]
    publish(relay, "/slow", deaf, 1_000)
    leaving = [join(relay.address, "/leaving", 65_536) for _ in range(members)]
    publish(relay, "/leaving", leaving, 12)
    for stream in leaving:
        stream.sendall(frame(0x88, struct.pack("!H", 1000)))
    relay.wait("the last connection", lambda: relay.metric("fanfare_connections") == 0)
    untaken = queues(relay.address)
    for stream in deaf + leaving:
        reset(stream)
    relay.end()
    return sum(untaken)


def what_the_kernel_holds(program, members=20):
    """The bound of src/relay/limits/budget.rs: twice the mark, for what is on its way."""
    untaken, left = deaf_members(program, members), left_by_the_slow(program, members)
    assert untaken <= 256 * 1024, f"{untaken} bytes of one member that reads nothing"
    assert left == 0, f"{left} bytes of connections that are no more"
    print(
        f"\nThe kernel, for each of {members}: at most {untaken / 1024:,.0f} KiB that a member does not "
        f"read, and {left} bytes of members that were cut."
    )


def work(attack, address, end, counts):
    try:
        counts.put(attack(address, end))
    except Exception as error:  # an attack that fails is a fault of the test
        counts.put(repr(error))


def run(program, attack, flags):
    relay = Relay(program, ["--close-timeout", "2", *flags])
    witnesses = Witnesses(relay)
    time.sleep(0.2)
    counts = multiprocessing.Queue()
    processor_before, begin = relay.processor_s(), time.monotonic()
    end = begin + SECONDS
    attackers = [
        multiprocessing.Process(target=work, args=(attack, relay.last_address, end, counts))
        for _ in range(ATTACKERS)
    ]
    for attacker in attackers:
        attacker.start()
    done = [counts.get(timeout=PATIENCE_S + SECONDS) for _ in attackers]
    for attacker in attackers:
        attacker.join()
    processor_s, took_s = relay.processor_s() - processor_before, time.monotonic() - begin
    witnesses.end()
    assert all(isinstance(count, int) for count in done), done
    relay.wait("the last connection", lambda: relay.metric("fanfare_connections") == 0)
    idle_before = relay.processor_s()
    time.sleep(0.5)
    assert relay.processor_s() - idle_before <= 0.05, "it spins afterwards"
    most_kib = relay.memory_kib("VmHWM")
    assert most_kib <= MEMORY_MAX_KIB.get(attack.__name__, MEMORY_OTHERS_KIB), most_kib
    held = relay.metric("fanfare_connection_bytes"), relay.metric("fanfare_log_bytes")
    assert held == (0, 0), held
    relay.end()
    assert relay.process.returncode == 0, relay.process.returncode
    what = " ".join(attack.__doc__.split()).rstrip(".")
    print(
        f"| {what} | {sum(done):,} | {witnesses.heard:,} of {witnesses.sent:,} "
        f"| {witnesses.slowest_ms:.0f} ms | {processor_s / took_s:.0%} | {most_kib / 1024:.1f} MiB |",
        flush=True,
    )


def main():
    program, names = sys.argv[1], sys.argv[2:]
    print("| attack, by two processes | how many | received | slowest | processor | most memory |")
    print("|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        door = tls_door(folder)
        attacks = ATTACKS + [(attack, [*door, *flags]) for attack, flags in ATTACKS_ON_TLS]
        attacks.append((forged, rsa_keys(folder)))
        for attack, flags in attacks:
            if not names or attack.__name__ in names:
                run(program, attack, flags)
    if not names or "crowd_in_little_memory" in names:
        crowd_in_little_memory(program)
    if not names or "what_the_kernel_holds" in names:
        what_the_kernel_holds(program)


if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    main()
