"""Gives a chinwag server more than it can do, and measures what is left for everybody else.

    storm   2,000 logins at once, and those refused as busy try again
    guess   how long a wrong password takes, and how long a name that nobody has
    flood   one user whispers as fast as the connection takes it, on one connection and then on eight
    bulk    the same with the longest contents there are
    deaf    1,000 logins that never read, in a group in which others talk
    behind  the same, of users who had missed more than their outbox holds

Meanwhile 20 pairs of users chat, in a process of their own: 100 whispers a second in all, each timed by one clock from
being sent to being received. How late that process woke up itself is a figure too, for it tells a busy server from a
busy machine. One line is printed for each figure; the exit code is 1 when a bound is broken.

Needs Linux (addresses 127.x.y.z, /proc), Python 3.11, and 3,000 open files:

    pip install msgpack
    cargo build --release
    python tests/overload.py storm
    python tests/overload.py flood --serve-flags="--max-outbox 131072"

It starts a server of its own, on a free port and with a database in a temporary directory, and ends it. Each scenario
takes about a minute. The figures are those of the machine and of what else it does: compare them with one another, and
run a scenario more than once. TMPDIR says on which disk the database is; TMPDIR=/dev/shm takes none, which tells a slow
disk from a slow server.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import multiprocessing
import os
import random
import re
import resource
import selectors
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgpack

MIB = 1024 * 1024
PASSWORD = "purple teapot"

# Units: seconds. No scenario takes half as long; one that hangs is ended.
GIVE_UP_AFTER = 240
ANSWER_WITHIN = 30

PAIRS = 20
WHISPERS_PER_SECOND = 100
CALM_SECONDS = 8
# Whispers that have not arrived so long after the last one are lost.
STRAGGLERS_SECONDS = 5

# What a server may take beyond what the scenario lets each connection have: its threads, caches and queues.
FIXED_BYTES = 64 * MIB
HASH_BYTES = 20 * MIB
CHAT_P99_MS = 100

STORM_LOGINS = 2000
STORM_USERS = 40
STORM_SECONDS = 20
STORM_TRY_AGAIN_AFTER = 1
# The server refuses after two seconds; the third is the scheduler's.
STORM_REFUSED_WITHIN_MS = 3000

GUESSES = 200
# Of ten wrong passwords that one name and address may try.
GUESSES_PER_ADDRESS = 5
GUESS_DIFFERENCE_PERCENT = 5

FLOOD_SECONDS = 10
FLOOD_CONNECTIONS = 8
FLOOD_PIPELINED = 64
FLOOD_CONTENT = "x" * 100
BULK_CONTENT = "x" * 16384

DEAF_LOGINS = 1000
DEAF_USERS = 10
DEAF_SECONDS = 20
DEAF_MESSAGES_PER_SECOND = 25
# In 20 s this is 2 MB for each connection: more than its outbox, and what the system takes for it, hold together.
DEAF_CONTENT = "x" * 4096
DEAF_CONNECTION_BYTES = (256 + 64) * 1024
# The least that the system grants, so that what is not read stays with the server.
DEAF_RECEIVE_BYTES = 2048
# What the deaf have missed: short messages, which the system takes, and then long ones, which fill the outbox. What is
# read from the database is each connection's own, while what is said live is one copy for all.
BEHIND_CONTENTS = 180 * ["x" * 600] + 60 * [DEAF_CONTENT]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument("--binary", default="target/release/chinwag", metavar="PATH")
    parser.add_argument(
        "--serve-flags", default="", metavar="FLAGS", help="further flags for `chinwag serve`, as one string"
    )
    arguments = parser.parse_args()
    open_many_files()
    for ending in (signal.SIGALRM, signal.SIGTERM):
        signal.signal(ending, give_up)
    signal.alarm(GIVE_UP_AFTER)
    report = Report(arguments.scenario)
    scenario, flags = SCENARIOS[arguments.scenario]
    with running_server(arguments.binary, flags + shlex.split(arguments.serve_flags)) as server:
        scenario(server, report)
    sys.exit(1 if report.is_broken else 0)


def open_many_files():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def give_up(*_):
    sys.exit("the scenario was not over in time")


class Report:
    """Prints figures, and remembers whether one of them broke its bound."""

    def __init__(self, scenario):
        self.scenario = scenario
        self.is_broken = False

    def figure(self, name, value, at_most=None):
        bound = ""
        if at_most is not None:
            is_kept = value <= at_most
            self.is_broken |= not is_kept
            bound = f"at most {at_most:,.10g}: {'kept' if is_kept else 'BROKEN'}"
        if not isinstance(value, str):
            value = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
        print(f"{self.scenario:8}{name:52}{value:>10}  {bound}".rstrip(), flush=True)


class Server:
    """A running server."""

    def __init__(self, pid, port):
        self.pid = pid
        self.address = ("127.0.0.1", port)

    def resident_bytes(self, field="VmRSS"):
        status = Path(f"/proc/{self.pid}/status").read_text()
        return 1024 * int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)[1])

    def peak_bytes(self):
        return self.resident_bytes("VmHWM")


@contextlib.contextmanager
def running_server(binary, flags):
    """A server with a new database, which ends with the scenario."""
    with tempfile.TemporaryDirectory() as directory, open(f"{directory}/stderr", "w+") as stderr:
        where = ["--listen", "127.0.0.1:0", "--database-url", f"sqlite://{directory}/chinwag.db"]
        command = [binary, "serve", *where, *flags]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
        try:
            listening = re.search(r" listening on 127\.0\.0\.1:(\d+)", process.stdout.readline())
            if listening:
                yield Server(process.pid, int(listening[1]))
            ended_early = process.poll() is not None
        finally:
            end(process)
        if not listening or ended_early or process.returncode != 0:
            stderr.seek(0)
            sys.exit(f"the server did not start, or did not end well:\n{stderr.read()[-2000:]}")


def end(process):
    process.terminate()
    try:
        process.wait(ANSWER_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class Client:
    """A connection in array framing that asks one thing at a time."""

    def __init__(self, server_address, source="127.0.0.1", receive_bytes=None):
        self.sock = socket.socket()
        self.sock.settimeout(ANSWER_WITHIN)
        if receive_bytes:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.sock.bind((source, 0))
        self.sock.connect(server_address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.objects = msgpack.Unpacker()

    def fileno(self):
        return self.sock.fileno()

    def send(self, *request):
        self.sock.sendall(msgpack.packb(request))

    def receive(self):
        """Whatever has arrived, once something has."""
        received = self.sock.recv(65536)
        if not received:
            raise ConnectionError("the server closed a connection")
        self.objects.feed(received)
        return list(self.objects)

    def ask(self, *request):
        """The response. Updates that come before it are dropped."""
        self.send(*request)
        while True:
            for message in self.receive():
                if message[0] == "response":
                    return message

    def do(self, *request):
        response = self.ask(*request)
        if not response[1]:
            raise RuntimeError(f"the server refused {request[0]}: {response[2]}")
        return response[2:]

    def log_in(self, name):
        """Keeps the name and the token as `me`."""
        self.me = self.do("login", name, PASSWORD)
        return self


def register(server, kind, count):
    """The names of so many new users."""
    names = [f"{kind}-{n}" for n in range(count)]
    client = Client(server.address)
    for name in names:
        client.do("register", name, PASSWORD)
    return names


# The others, who only want to chat.

Whisper = collections.namedtuple("Whisper", "sent_at late took")


class Chat:
    """Pairs that chat in another process, and what was seen of them in the parts of a scenario."""

    def __init__(self, server):
        names = register(server, "chat", 2 * PAIRS)
        spawning = multiprocessing.get_context("spawn")
        self.pipe, theirs = spawning.Pipe()
        self.process = spawning.Process(target=chat, args=(server.address, names, theirs), daemon=True)
        self.process.start()
        theirs.close()
        self.parts = []
        self.hear()

    def hear(self):
        if not self.pipe.poll(ANSWER_WITHIN):
            raise TimeoutError("the chatting process said nothing")
        return self.pipe.recv()

    @contextlib.contextmanager
    def part(self, name, p99_ms=None):
        began = time.monotonic()
        yield
        self.parts.append((name, p99_ms, began, time.monotonic()))

    def be_calm(self, name):
        with self.part(name):
            time.sleep(CALM_SECONDS)

    def stop(self, report):
        self.pipe.send("stop")
        whispers = self.hear()
        self.process.join(ANSWER_WITHIN)
        for name, p99_ms, began, ended in self.parts:
            heard = [whisper for whisper in whispers if began <= whisper.sent_at < ended and whisper.took is not None]
            took_ms = [1000 * whisper.took for whisper in heard]
            report.figure(f"chat {name}, p50, ms", percentile(took_ms, 0.50))
            report.figure(f"chat {name}, p99, ms", percentile(took_ms, 0.99), at_most=p99_ms)
            late_ms = [1000 * whisper.late for whisper in heard]
            report.figure(f"chat {name}, its own process late by, p99, ms", percentile(late_ms, 0.99))
        report.figure("chat, whispers that were refused or lost", sum(w.took is None for w in whispers), at_most=0)


def percentile(values, share):
    return sorted(values)[int(share * len(values))] if values else float("inf")


def chat(address, names, pipe):
    """Chats at a fixed rate until something comes through `pipe`; then sends back a `Whisper` for each one sent."""
    clients = [Client(address).log_in(name) for name in names]
    selector = selectors.DefaultSelector()
    for client in clients:
        selector.register(client, selectors.EVENT_READ)
    sent, received = [], {}

    def hear(seconds):
        for key, _ in selector.select(seconds):
            messages = key.fileobj.receive()
            now = time.monotonic()
            received.update((int(message[3]), now) for message in messages if message[0] == "update")

    pipe.send("ready")
    due = time.monotonic()
    while not pipe.poll():
        late = time.monotonic() - due
        if late < 0:
            hear(-late)
            continue
        turn, pair = divmod(len(sent), PAIRS)
        sender, recipient = (2 * pair, 2 * pair + 1) if turn % 2 else (2 * pair + 1, 2 * pair)
        sent.append((time.monotonic(), late))
        clients[sender].send("whisper", *clients[sender].me, names[recipient], str(len(sent) - 1))
        due += 1 / WHISPERS_PER_SECOND
    deadline = time.monotonic() + STRAGGLERS_SECONDS
    while len(received) < len(sent) and time.monotonic() < deadline:
        hear(0.1)
    pipe.send([Whisper(at, late, received[n] - at if n in received else None) for n, (at, late) in enumerate(sent)])


# The scenarios.


def storm(server, report):
    before = server.resident_bytes()
    names = register(server, "storm", STORM_USERS)
    chat = Chat(server)
    chat.be_calm("before")
    # Each from an address of its own, for a name has ten tries from one address.
    sources = [f"127.1.{n // 250}.{n % 250 + 1}" for n in range(STORM_LOGINS)]
    logins = [Login(server.address, source, names[n % STORM_USERS]) for n, source in enumerate(sources)]
    with chat.part("during", p99_ms=CHAT_P99_MS):
        seconds = log_in_all(logins)
    chat.be_calm("after")
    grown = server.peak_bytes() - before
    chat.stop(report)
    accepted = sum(login.is_in for login in logins)
    refused_ms = [1000 * took for login in logins for took in login.refused]
    report.figure("logins at once", len(logins))
    report.figure("logins accepted", accepted)
    report.figure("logins accepted per second", accepted / seconds)
    report.figure("refused as busy", len(refused_ms))
    report.figure("the slowest refusal, ms", max(refused_ms, default=0.0), at_most=STORM_REFUSED_WITHIN_MS)
    report.figure("the slowest success, ms", max((1000 * login.took for login in logins if login.is_in), default=0.0))
    report.figure("refused otherwise, closed or not answered", sum(login.failed for login in logins), at_most=0)
    bound = FIXED_BYTES + os.cpu_count() * HASH_BYTES
    report.figure("memory, peak minus before, MiB", grown / MIB, at_most=bound / MIB)
    for why in {login.why for login in logins if login.why}:
        print(f"{report.scenario:8}one was told: {why}")


class Login:
    """One connection of a storm; everything that it sends is made beforehand."""

    def __init__(self, address, source, name):
        self.sock = Client(address, source).sock
        self.sock.setblocking(False)
        self.request = msgpack.packb(["login", name, PASSWORD])
        self.is_in = False
        self.refused = []
        self.why = None

    def fileno(self):
        return self.sock.fileno()

    def ask(self):
        self.failed = True
        self.asked_at = time.monotonic()
        self.sock.send(self.request)

    def hear(self):
        """Takes the answer, which comes in one piece; whether it was `busy`."""
        self.took = time.monotonic() - self.asked_at
        try:
            answer = self.sock.recv(4096)
        except ConnectionError:
            answer = b""
        is_busy = b"the server is busy" in answer
        self.is_in = b"response\xc3" in answer
        self.failed = not (self.is_in or is_busy)
        if is_busy:
            self.refused.append(self.took)
        elif self.failed:
            self.why = str(msgpack.unpackb(answer)[-1]) if answer else "(closed)"
        return is_busy


def log_in_all(logins):
    """Logs all in at once, those that are busy again and again; how many seconds it took until all were answered."""
    selector = selectors.DefaultSelector()
    began = time.monotonic()
    for login in logins:
        selector.register(login, selectors.EVENT_READ)
        login.ask()
    unanswered, again = len(logins), collections.deque()
    now = began
    while (unanswered and now < began + STORM_SECONDS + ANSWER_WITHIN) or (again and now < began + STORM_SECONDS):
        for key, _ in selector.select(0.05):
            login = key.fileobj
            unanswered -= 1
            if login.hear():
                again.append((time.monotonic() + STORM_TRY_AGAIN_AFTER, login))
            else:
                selector.unregister(login)
        now = time.monotonic()
        while again and again[0][0] <= now < began + STORM_SECONDS:
            again.popleft()[1].ask()
            unanswered += 1
    return time.monotonic() - began


def guess(server, report):
    register(server, "known", 1)
    took = {"known-0": [], "alien-0": []}
    for n in range(0, GUESSES, GUESSES_PER_ADDRESS):
        client = Client(server.address, source=f"127.2.0.{n // GUESSES_PER_ADDRESS + 1}")
        for _ in range(GUESSES_PER_ADDRESS):
            # In random order, so that neither has the better place.
            for name in random.sample(sorted(took), 2):
                asked_at = time.monotonic()
                response = client.ask("login", name, "yellow teapot")
                took[name].append(1000 * (time.monotonic() - asked_at))
                if response != ["response", False, "wrong username or password"]:
                    raise RuntimeError(f"a guess was answered {response}")
    known, unknown = (statistics.median(times) for times in took.values())
    report.figure("wrong password, median, ms", known)
    report.figure("unknown name, median, ms", unknown)
    report.figure("ratio of the medians", f"{known / unknown:.4f}")
    report.figure("they differ by, %", 100 * abs(known / unknown - 1), at_most=GUESS_DIFFERENCE_PERCENT)
    report.figure("Mann-Whitney, p that they are one distribution", mann_whitney(*took.values()))


def mann_whitney(left, right):
    """The two-sided p, by the normal approximation; no two times are the same."""
    ranks = {value: rank for rank, value in enumerate(sorted(left + right), 1)}
    n, m = len(left), len(right)
    u = sum(ranks[value] for value in left) - n * (n + 1) / 2
    z = (u - n * m / 2) / (n * m * (n + m + 1) / 12) ** 0.5
    return 2 * statistics.NormalDist().cdf(-abs(z))


def flood(server, report, content=FLOOD_CONTENT):
    sender, recipient = register(server, "flood", 2)
    chat = Chat(server)
    chat.be_calm("before")
    for count in (1, FLOOD_CONNECTIONS):
        on = "on 1 connection" if count == 1 else f"on {count} connections"
        floods = [Flood(Client(server.address).log_in(sender), recipient, content) for _ in range(count)]
        with chat.part(on, p99_ms=CHAT_P99_MS):
            flood_all(floods)
        for name in ("accepted", "refused"):
            report.figure(f"flood {on}, {name} per second", sum(getattr(f, name) for f in floods) / FLOOD_SECONDS)
        report.figure(f"flood {on}, closed by the server", sum(flood.is_closed for flood in floods))
        for why in {flood.why for flood in floods if flood.why}:
            print(f"{report.scenario:8}it was told: {why}")
    chat.be_calm("after")
    chat.stop(report)
    report.figure("memory, peak, MiB", server.peak_bytes() / MIB)


def bulk(server, report):
    flood(server, report, content=BULK_CONTENT)


class Flood:
    """A connection that always has more to say. It reads all it is sent, so that only the server slows it."""

    ACCEPTED, REFUSED = b"response\xc3", b"response\xc2"

    def __init__(self, client, recipient, content):
        self.sock = client.sock
        self.sock.setblocking(False)
        self.requests = memoryview(msgpack.packb(["whisper", *client.me, recipient, content]) * FLOOD_PIPELINED)
        self.written = 0
        self.tail = b""
        self.accepted = self.refused = 0
        self.why = None
        self.is_closed = False

    def fileno(self):
        return self.sock.fileno()

    def go_on(self, events):
        """Writes and reads what is possible now."""
        try:
            if events & selectors.EVENT_READ:
                self.hear(self.sock.recv(65536))
            if events & selectors.EVENT_WRITE:
                self.written += self.sock.send(self.requests[self.written % len(self.requests) :])
        except BlockingIOError:
            pass
        except ConnectionError:
            self.is_closed = True

    def hear(self, received):
        self.is_closed = not received
        text = self.tail + received
        # One byte less than what is counted, so that nothing is counted twice.
        self.tail = text[-len(self.ACCEPTED) + 1 :]
        self.accepted += text.count(self.ACCEPTED)
        self.refused += text.count(self.REFUSED)
        if self.why is None and self.REFUSED in text:
            unpacker = msgpack.Unpacker()
            unpacker.feed(text.partition(self.REFUSED)[2])
            self.why = next(unpacker, None)


def flood_all(floods):
    """Floods for as long as a flood takes, and closes the connections."""
    selector = selectors.DefaultSelector()
    for flood in floods:
        selector.register(flood, selectors.EVENT_READ | selectors.EVENT_WRITE)
    end = time.monotonic() + FLOOD_SECONDS
    while time.monotonic() < end:
        for key, events in selector.select(0.05):
            key.fileobj.go_on(events)
            if key.fileobj.is_closed:
                selector.unregister(key.fileobj)
    for flood in floods:
        flood.sock.close()


def deaf(server, report, missed=()):
    names = register(server, "deaf", DEAF_USERS)
    speaker = Client(server.address).log_in(names[0])
    speaker.do("create_group", *speaker.me, "deaf")
    for name in names[1:]:
        client = Client(server.address).log_in(name)
        client.do("join_group", *client.me, "deaf")
        client.sock.close()
    for content in missed:
        speaker.do("msg_group", *speaker.me, "deaf", content)
    before = server.resident_bytes()

    def log_in(n):
        return Client(server.address, receive_bytes=DEAF_RECEIVE_BYTES).log_in(names[1 + n % (DEAF_USERS - 1)])

    # A few at a time, so that none is refused as busy, or as one try too many.
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        clients = list(pool.map(log_in, range(DEAF_LOGINS)))
    chat = Chat(server)
    chat.be_calm("before")
    with chat.part("during", p99_ms=CHAT_P99_MS):
        talk(speaker)
    chat.stop(report)
    grown = server.peak_bytes() - before
    report.figure("connections that never read", len(clients))
    report.figure("of these, closed by the server", count_closed(clients), at_most=0)
    report.figure("memory, peak minus before, KiB for each", grown / len(clients) / 1024)
    bound = FIXED_BYTES + len(clients) * DEAF_CONNECTION_BYTES
    report.figure("memory, peak minus before, MiB", grown / MIB, at_most=bound / MIB)


def behind(server, report):
    deaf(server, report, missed=BEHIND_CONTENTS)


def talk(speaker):
    """Says something to the group at a fixed rate, and drops what comes back."""
    began = time.monotonic()
    for n in range(DEAF_SECONDS * DEAF_MESSAGES_PER_SECOND):
        time.sleep(max(0, began + n / DEAF_MESSAGES_PER_SECOND - time.monotonic()))
        speaker.do("msg_group", *speaker.me, "deaf", DEAF_CONTENT)


def count_closed(clients):
    """How many connections the server has ended. What is unread in the others is left there."""
    closed = (7, 8)  # TCP_CLOSE and TCP_CLOSE_WAIT of the system's tcp_states.h
    return sum(client.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in closed for client in clients)


# A server gives up a peer that acknowledges nothing for half a minute, which would hide what the deaf cost until then.
PATIENT = ["--acknowledge-deadline", "600"]

SCENARIOS = {
    "storm": (storm, []),
    "guess": (guess, []),
    "flood": (flood, []),
    "bulk": (bulk, []),
    "deaf": (deaf, PATIENT),
    "behind": (behind, PATIENT),
}

if __name__ == "__main__":
    main()
