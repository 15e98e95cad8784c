"""The table of what had to be reached, and what was."""

from collections.abc import Callable
from dataclasses import dataclass

import text
from survey import Result, Survey

NOT_MEASURED = "not measured"

# What a large file and a long absence are.
FULL = {"preloaded_messages": 10_000_000.0}
MISSED = {"messages": 100_000.0}

# What others write while somebody reads.
WRITTEN_PER_SECOND = 50_000.0


@dataclass(frozen=True)
class Reached:
    """What was measured of a target; nothing says whether it is met where that is not known."""

    said: str = NOT_MEASURED
    is_met: bool | None = None


@dataclass(frozen=True)
class Target:
    """What had to be reached, and how that is read from a survey."""

    work: str
    must: str
    read: Callable[[Survey], Reached]


def table(survey: Survey) -> str:
    """All of them."""
    rows = []
    for target in TARGETS:
        reached = target.read(survey)
        is_met = {True: "yes", False: "**no**", None: ""}[reached.is_met]
        rows.append([target.work, target.must, reached.said, is_met])
    return text.table(["work", "must reach", "reached: median (lowest - highest)", "met"], rows)


def at_most(limit: float, figure: str, show: text.Show, scenario: str, **load: float) -> Callable[[Survey], Reached]:
    """The median of a figure is no more than this."""
    return lambda survey: held(survey.find(scenario, **load), figure, show, lambda median: median <= limit)


def at_least(limit: float, figure: str, show: text.Show, scenario: str, **load: float) -> Callable[[Survey], Reached]:
    """The median of a figure is no less than this."""
    return lambda survey: held(survey.find(scenario, **load), figure, show, lambda median: median >= limit)


def held(result: Result | None, figure: str, show: text.Show, holds: Callable[[float], bool]) -> Reached:
    """A figure of a result, held against a limit. What loses messages has reached nothing."""
    found = result and result.get(figure)
    if not result or not found:
        return Reached()
    if not result.is_right:
        return Reached("messages were lost or doubled", False)
    return Reached(text.spread(found, show), holds(found.median))


def whisper_beside_redis(survey: Survey) -> Reached:
    """CPU of a whisper in the run of the peers, where both had the same load."""
    ours, theirs = (survey.peer(peer, "whisper", "server_cpu_ns_per_delivery") for peer in ("chinwag", "redis-stream"))
    if not ours or not theirs:
        return Reached()
    return Reached(
        f"{text.spread(ours, text.duration)}; Redis {text.spread(theirs, text.duration)}", ours.median <= theirs.median
    )


def rate_beside_sqlite(figure: str, limit: float) -> Callable[[Survey], Reached]:
    """A latency at 2,000 whispers a second in the run of the peers, in terms of a bare SQLite loop's."""

    def read(survey: Survey) -> Reached:
        ours, theirs = (survey.peer(peer, "rate", f"receipt_{figure}_ns") for peer in ("chinwag", "mock-sqlite"))
        if not ours or not theirs:
            return rate_beside_floors(survey, figure)
        ratio = ours.median / theirs.median
        said = f"{text.times(ratio)}: {text.duration(ours.median)} / {text.duration(theirs.median)}"
        return Reached(said, ratio <= limit)

    return read


def rate_beside_floors(survey: Survey, figure: str) -> Reached:
    """The same in terms of what such a loop is made of. It says nothing of the target."""
    result = survey.find("whisper", rate_per_s=2000)
    names = (f"receipt_{figure}_ns", f"loopback_receipt_{figure}_ns", f"sqlite_commit_{figure}_ns")
    ours, round_trip, commit = (result.median(name) if result else None for name in names)
    if not ours or not round_trip or not commit:
        return Reached()
    of_floors = f"{text.times(ours / (round_trip + commit))} (loopback + a commit of SQLite)"
    return Reached(f"{NOT_MEASURED}; {of_floors}: {text.duration(ours)}")


def half_of_saturation(survey: Survey) -> Result | None:
    """The open loop whose rate is nearest to half of what the closed loop reached; nothing where none is near it."""
    saturated = survey.find("whisper")
    at_most = saturated and saturated.median("messages_per_s")
    if not at_most:
        return None
    near = [result for rate, result in survey.series("whisper", "rate_per_s") if abs(rate / at_most - 0.5) < 0.05]
    return near[0] if near else None


def tail_at_half(survey: Survey) -> Reached:
    """How much longer the slowest take at half of saturation."""
    result = half_of_saturation(survey)
    p50, p99 = (result.median(f"receipt_{name}_ns") if result else None for name in ("p50", "p99"))
    if not p50 or not p99:
        return Reached()
    return Reached(f"{text.times(p99 / p50)}: {text.duration(p99)} / {text.duration(p50)}", p99 <= 10 * p50)


def longest_at_half(survey: Survey) -> Reached:
    """The longest sample at half of saturation. Where the bare file stalled as long, the disk did."""
    result = half_of_saturation(survey)
    longest, of_file = (result.get(name) if result else None for name in ("receipt_max_ns", "file_sync_max_ns"))
    if not longest or not of_file:
        return Reached()
    limit = 100 * text.MILLISECOND
    said = f"{text.duration(longest.high)}; the file alone {text.duration(of_file.high)}"
    return Reached(said, longest.high <= limit or of_file.high > limit)


def resident_when_full(survey: Survey) -> Reached:
    """The most memory that the server had with ten million messages in the file, whatever it did."""
    results = [survey.find(scenario, **FULL) for scenario in ("whisper", "group", "history", "reconnect")]
    found = [spread.high for result in results if result and (spread := result.get("resident_bytes"))]
    return Reached(f"{text.size(max(found))} at most", max(found) < 256 * text.MIB) if found else Reached()


def at_rest(survey: Survey) -> Reached:
    """Bytes of the file for each of ten million messages in it, users and all."""
    result = survey.find("whisper", **FULL)
    found = result and bytes_at_rest(result)
    return Reached(text.size(found), found <= 250) if found else Reached()


def bytes_at_rest(result: Result) -> float | None:
    """The length of the file that was there before, in terms of its messages."""
    messages, size = (result.load.get(f"preloaded_{name}") for name in ("messages", "file_bytes"))
    return size / messages if messages and size else None


def page_beside_writing(survey: Survey) -> Reached:
    """CPU of a page while others write, which has reached nothing where they could not write as much."""
    result = survey.find("history", rate_per_s=WRITTEN_PER_SECOND, connections=1, **FULL)
    reached = held(result, "server_cpu_ns_per_page", text.duration, lambda median: median <= 300e3)
    written = result and result.median("messages_per_s")
    if not written or written >= 0.98 * WRITTEN_PER_SECOND:
        return reached
    return Reached(f"{reached.said}, while only {text.count(written)} were", False)


CPU = "server_cpu_x_loopback"

TARGETS = [
    Target("whisper, saturated", "150,000 a second", at_least(150_000, "messages_per_s", text.count, "whisper")),
    Target("", "server CPU <= 2 x (loopback + SQLite)", at_most(2, "server_cpu_x_floors", text.times, "whisper")),
    Target("", "server CPU <= that of Redis streams with `appendfsync always`", whisper_beside_redis),
    Target(
        "ping-pong", "p50 <= 1.5 x (loopback + file)", at_most(1.5, "receipt_p50_x_floors", text.times, "ping-pong")
    ),
    Target("group of 100, saturated", "server CPU <= 1.3 x loopback", at_most(1.3, CPU, text.times, "group")),
    Target(
        "group of 1,000, saturated",
        "server CPU <= 1.3 x loopback",
        at_most(1.3, CPU, text.times, "group", members=1000),
    ),
    Target("2,000 whispers a second", "p50 <= 1.3 x a bare SQLite loop's", rate_beside_sqlite("p50", 1.3)),
    Target("", "p99 <= 2 x a bare SQLite loop's", rate_beside_sqlite("p99", 2)),
    Target("whispers at half of saturation", "p99 <= 10 x p50", tail_at_half),
    Target("", "none over 100 ms, unless the disk stalls as long", longest_at_half),
    Target(
        "10,000 idle connections",
        "<= 4 KiB of memory each",
        at_most(4 * text.KIB, "memory_bytes_per_connection", text.size, "idle", connections=10_000),
    ),
    Target(
        "",
        "no wake-ups",
        at_most(0.05, "idle_wake_ups_per_s", lambda rate: f"{rate:.1f} a second", "idle", connections=10_000),
    ),
    Target(
        "10 million messages, 100,000 users in the file",
        "whispers a second >= 0.85 x those with an empty file",
        at_least(0.85, "messages_x_empty_file", text.times, "whisper", **FULL),
    ),
    Target(
        "",
        "deliveries a second, group of 100, >= 0.85 x those with an empty file",
        at_least(0.85, "messages_x_empty_file", text.times, "group", **FULL),
    ),
    Target("", "a start within 2 s", at_most(2 * text.SECOND, "start_ns", text.duration, "reconnect", **FULL)),
    Target("", "resident memory below 256 MiB", resident_when_full),
    Target(
        "",
        "a page of 50 <= 300 us of server CPU",
        at_most(300e3, "server_cpu_ns_per_page", text.duration, "history", **FULL),
    ),
    Target("", "the same while 50,000 messages a second are written", page_beside_writing),
    Target(
        "",
        "<= 1.5 KiB written for a message of 100 bytes",
        at_most(1.5 * text.KIB, "written_bytes_per_message", text.size, "whisper", **FULL),
    ),
    Target(
        "",
        "the same with 100,000 conversations, evenly",
        at_most(1.5 * text.KIB, "written_bytes_per_message", text.size, "whisper", conversations=100_000, **FULL),
    ),
    Target("", "<= 250 bytes in the file for a message of 100 bytes", at_rest),
    Target(
        "`sync` of 100,000 missed messages",
        "150,000 a second from one conversation",
        at_least(150_000, "deliveries_per_s", text.count, "sync", **MISSED),
    ),
    Target(
        "",
        "100,000 a second from 1,000 conversations",
        at_least(100_000, "deliveries_per_s", text.count, "sync", conversations=1000, **MISSED),
    ),
    Target(
        "",
        "p99 of others' 2,000 whispers a second within 2 x",
        at_most(2, "receipt_p99_x_alone", text.times, "sync", rate_per_s=2000, **MISSED),
    ),
    Target(
        "1,000 clients back at once by `resume`",
        "the last within 2 s",
        at_most(2 * text.SECOND, "answer_max_ns", text.duration, "reconnect", connections=1000),
    ),
    Target(
        "logins by password, as many as it takes",
        "others' p99 <= 100 ms",
        at_most(1e8, "receipt_p99_ns", text.duration, "storm"),
    ),
    Target(
        "",
        "logins >= 0.9 x what the same threads hash beside the same chat",
        at_least(0.9, "logins_x_hashing", text.times, "storm"),
    ),
]
