"""The tables and sentences of docs/PERFORMANCE.md and README.md that are made of numbers."""

import textwrap

import targets
import text
from survey import Result, Survey

# The others are in the survey, too, but need another setting to be read.
OVERVIEW = [
    ("whisper", {}),
    ("ping-pong", {}),
    ("group", {}),
    ("group", {"members": 1000}),
    ("groups", {}),
    ("mixed", {}),
    ("whisper", {"rate_per_s": 2000}),
    ("group", {"rate_per_s": 100}),
    ("storm", {}),
]

# As the load of the peers calls them, and as people do.
PEERS = {
    "chinwag": "chinwag",
    "redis-stream": "Redis streams, `appendfsync always`",
    "redis": "Redis pub/sub, nothing stored",
    "nats-js": "NATS JetStream, `sync_interval: always`",
    "nats": "NATS, nothing stored",
    "mosquitto-q1": "Mosquitto, QoS 1",
    "mosquitto": "Mosquitto, QoS 0",
    "ngircd": "ngIRCd, nothing stored",
    "inspircd": "InspIRCd, nothing stored",
    "ergo": "Ergo, history in memory",
    "prosody": "Prosody, archive in SQLite",
    "ejabberd": "ejabberd, archive in SQLite",
    "mock-sqlite": "a bare loop that stores in SQLite",
    "mock": "a bare loop, nothing stored",
}


def conditions(survey: Survey) -> str:
    """What was measured, when and on what."""
    machine, timing = survey.machine, survey.timing
    cores = f"{machine['cores']} cores of {'a virtual machine' if machine['is_virtual'] else 'a machine'}"
    sentences = [
        f"Measured on {survey.date}: chinwag {survey.chinwag} on {cores} ({machine['processor']}), which the load shares, with"
        f" {text.size(machine['memory_bytes'])} of memory, {machine['file_system']}, {machine['kernel']}.",
        f"Each figure is the median of {timing['rounds']} rounds of {timing['seconds']:g} s, after {timing['warm_up']:g} s"
        " that do not count; the lowest and the highest of them stand behind it in parentheses.",
        account(survey),
    ]
    if survey.missing:
        missing = ", ".join(f"`{what}`" for what in survey.missing)
        sentences.append(f"Not measured this time: {missing}.")
    return " ".join(sentences)


def account(survey: Survey) -> str:
    """What became of all messages."""
    talked = [result for result in survey.results if result.get("receipt_p50_ns")]
    sent, received = (sum(result.account[what] for result in talked) for what in ("sent", "received"))
    wrong = [f"`{result.scenario}`" for result in survey.results if not result.is_right]
    if wrong:
        return f"MESSAGES WERE LOST OR DOUBLED in {', '.join(wrong)}."
    return f"All in all {text.count(sent)} messages led to {text.count(received)} deliveries, each once and in order."


def overview(survey: Survey) -> str:
    """The scenarios in which people talk, as they are run where nothing is said."""
    head = [
        "load",
        "messages a second",
        "deliveries a second",
        "to the receipt, p50",
        "p99",
        "longest",
        "CPU a delivery",
    ]
    found = [result for scenario, load in OVERVIEW if (result := survey.find(scenario, **load))]
    return text.table(head, [overview_row(result) for result in found])


def overview_row(result: Result) -> list[str]:
    """One of them."""
    shown = [
        text.spread(result.get("messages_per_s"), text.count),
        text.count(result.median("deliveries_per_s") or 0) if result.get("deliveries_per_s") else "-",
        *(text.spread(result.get(f"receipt_{name}_ns"), text.duration) for name in ("p50", "p99")),
        text.duration(longest.high) if (longest := result.get("receipt_max_ns")) else "-",
        text.spread(result.get("server_cpu_ns_per_delivery"), text.duration),
    ]
    return [f"{result.scenario}: {result.setting.split(', 100 bytes')[0]}", *shown]


def floors(survey: Survey) -> str:
    """The scenarios beside the least that the same work takes."""
    head = ["load", "server CPU a message", "loopback", "SQLite", "ratio to both", "p50", "loopback + file", "ratio"]
    loads = [
        ("whisper", survey.find("whisper")),
        ("2,000 whispers a second", survey.find("whisper", rate_per_s=2000)),
        ("ping-pong", survey.find("ping-pong")),
        ("group of 100", survey.find("group")),
        ("group of 1,000", survey.find("group", members=1000)),
    ]
    return text.table(head, [floors_row(name, result) for name, result in loads if result])


def floors_row(name: str, result: Result) -> list[str]:
    """One of them."""
    round_trip, sync = result.median("loopback_receipt_p50_ns"), result.median("file_sync_p50_ns")
    return [
        name,
        *(
            text.spread(result.get(figure), text.duration)
            for figure in ("server_cpu_ns_per_message", "loopback_cpu_ns_per_message", "sqlite_cpu_ns_per_row")
        ),
        text.spread(result.get("server_cpu_x_floors"), text.times),
        text.spread(result.get("receipt_p50_ns"), text.duration),
        f"{text.duration(round_trip)} + {text.duration(sync)}" if round_trip and sync else "-",
        text.spread(result.get("receipt_p50_x_floors"), text.times),
    ]


def rates(survey: Survey) -> str:
    """Whispers at growing rates."""
    head = ["whispers a second", "cores busy: server", "CPU a whisper", "p50", "p99", "p99.9", "longest"]
    rows = []
    for rate, result in survey.series("whisper", "rate_per_s"):
        longest = result.get("receipt_max_ns")
        rows.append(
            [
                text.count(rate),
                f"{result.median('server_cores') or 0:.2f}",
                text.spread(result.get("server_cpu_ns_per_message"), text.duration),
                *(text.spread(result.get(f"receipt_{name}_ns"), text.duration) for name in ("p50", "p99")),
                text.duration(result.median("receipt_p99_9_ns") or 0),
                text.duration(longest.high) if longest else "-",
            ]
        )
    return text.table(head, rows)


def large_files(survey: Survey) -> str:
    """What a large file changes."""
    head = [
        "in the file",
        "whispers a second",
        "in terms of an empty file",
        "p99",
        "deliveries a second, group of 100",
        "in terms of an empty file",
        "p99",
        "memory, most",
    ]
    rows = []
    for count in [0, *(messages for messages, _ in survey.series("whisper", "preloaded_messages"))]:
        load = {"preloaded_messages": count} if count else {}
        results = [survey.find(scenario, **load) for scenario in ("whisper", "group")]
        shown = [
            text.spread(result.get(figure), show) if result else "-"
            for result, rate in zip(results, ("messages_per_s", "deliveries_per_s"), strict=True)
            for figure, show in (
                (rate, text.count),
                ("messages_x_empty_file", text.times),
                ("receipt_p99_ns", text.duration),
            )
        ]
        resident = [found.high for result in results if result and (found := result.get("resident_bytes"))]
        rows.append([f"{text.count(count)} messages", *shown, text.size(max(resident)) if resident else "-"])
    return text.table(head, rows)


def peers(survey: Survey) -> str:
    """What other servers take for the same."""
    if not survey.peers:
        return targets.NOT_MEASURED
    head = [
        "server",
        "CPU a whisper",
        "whispers a second",
        "CPU a delivery, group of 100",
        "fixed rate, a second",
        "CPU a whisper",
        "p50",
        "p99",
    ]
    runs = [
        ("whisper", "server_cpu_ns_per_delivery", text.duration),
        ("whisper", "deliveries_per_s", text.count),
        ("group", "server_cpu_ns_per_delivery", text.duration),
        ("rate", "deliveries_per_s", text.count),
        ("rate", "server_cpu_ns_per_delivery", text.duration),
        ("rate", "receipt_p50_ns", text.duration),
        ("rate", "receipt_p99_ns", text.duration),
    ]
    rows = [
        [name, *(text.spread(survey.peer(peer, run, figure), show) for run, figure, show in runs)]
        for peer, name in PEERS.items()
        if peer in survey.peers
    ]
    return text.table(head, rows)


def in_short(survey: Survey) -> str:
    """What README.md says of it, in three lines."""
    whisper, group = survey.find("whisper"), survey.find("group")
    rate, idle = survey.find("whisper", rate_per_s=2000), survey.find("idle", connections=10_000)

    def said(result: Result | None, figure: str, show: text.Show) -> str:
        found = result and result.median(figure)
        return show(found) if found else "(not measured)"

    sentences = (
        f"On {survey.machine['cores']} cores that the load shares, chinwag stores, syncs and delivers"
        f" {said(whisper, 'messages_per_s', text.count)} whispers a second, or makes"
        f" {said(group, 'deliveries_per_s', text.count)} deliveries a second in a group of 100. At 2,000 whispers a second"
        f" half of them are with their reader within {said(rate, 'receipt_p50_ns', text.duration)}, and 99 of 100 within"
        f" {said(rate, 'receipt_p99_ns', text.duration)}. An idle connection takes"
        f" {said(idle, 'memory_bytes_per_connection', text.size)} of memory."
    )
    return textwrap.fill(sentences, width=124)
