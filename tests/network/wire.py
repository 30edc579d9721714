"""A wire between two network namespaces, with delay and loss, that can be cut: for kernels without netem.

wire.py ONE OTHER [SEED]: makes a device `wire` in both, with 10.46.0.1/24 and 10.46.0.2/24. Reads commands, and
answers each with a line:

    cut               nothing passes, and neither end is told
    mend              all passes again
    delay SECONDS     of each packet
    loss SHARE        of all packets, drawn by chance
    passed            gives the number of packets that passed and that were lost
"""
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

PACKET_BYTES = 2048  # more than the MTU
WAITING_MAX = 10_000  # packets on their way; more are lost, as in a router
IFF_TUN, IFF_NO_PI, TUNSETIFF = 1, 0x1000, 0x400454CA
LIBC = ctypes.CDLL(None, use_errno=True)


def end_in(namespace, address):
    """A packet is read from this descriptor, and written to it."""
    with open(f"/run/netns/{namespace}") as place:
        if LIBC.setns(place.fileno(), 0) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"wire", IFF_TUN | IFF_NO_PI))
    for command in (f"addr add {address} dev wire", "link set wire up", "link set lo up"):
        subprocess.run(["ip", *command.split()], check=True)
    return device


class Wire:
    def __init__(self, ends, seed):
        self.ends = ends
        self.random = random.Random(seed)
        self.is_cut, self.delay_s, self.loss = False, 0.0, 0.0
        self.passed = self.lost = self.number = 0
        self.waiting = []  # when, a number that keeps the order, to which end, the packet

    def take(self, side):
        """Reads a packet; false when none is there."""
        try:
            packet = os.read(self.ends[side], PACKET_BYTES)
        except BlockingIOError:
            return False
        if self.is_cut or self.random.random() < self.loss or len(self.waiting) >= WAITING_MAX:
            self.lost += 1
        else:
            self.number += 1
            heapq.heappush(self.waiting, (time.monotonic() + self.delay_s, self.number, 1 - side, packet))
        return True

    def deliver(self):
        """Delivers what is due; gives the seconds until more is."""
        while self.waiting:
            wait = self.waiting[0][0] - time.monotonic()
            if wait > 0:
                return wait
            _, _, side, packet = heapq.heappop(self.waiting)
            if self.is_cut:
                self.lost += 1
                continue
            try:
                os.write(self.ends[side], packet)
                self.passed += 1
            except BlockingIOError:
                self.lost += 1
        return None

    def obey(self, word, *value):
        if word in ("cut", "mend"):
            self.is_cut = word == "cut"
        elif word == "delay":
            self.delay_s = float(*value)
        elif word == "loss":
            self.loss = float(*value)
        elif word != "passed":
            raise ValueError(f"no such command: {word}")
        print(self.passed, self.lost, flush=True)

    def run(self):
        while True:
            ready, _, _ = select.select([*self.ends, sys.stdin], [], [], self.deliver())
            for side, end in enumerate(self.ends):
                while end in ready and self.take(side):
                    pass
            if sys.stdin in ready:
                line = sys.stdin.readline()
                if not line:
                    return
                self.obey(*line.split())


def main(one, other, seed="1"):
    ends = [end_in(one, "10.46.0.1/24"), end_in(other, "10.46.0.2/24")]
    print("ready", flush=True)
    Wire(ends, int(seed)).run()


main(*sys.argv[1:])
