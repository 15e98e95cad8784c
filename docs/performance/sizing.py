"""How large a machine has to be: arithmetic on what was measured."""

from dataclasses import dataclass

import targets
import text
from survey import Survey

# A fifth of a day's messages fall into its busiest hour, and its busiest seconds have three times as many as that hour's mean: of
# a day's messages one in 6,000 is in its busiest second. An assumption, which the page states.
BUSIEST_SECOND = 0.2 * 3 / 3600

DAYS_A_YEAR = 365


@dataclass(frozen=True)
class Place:
    """People who chat: an assumption, too."""

    name: str
    connections: int
    said_a_day: int
    # How many connections hear a message, in the mean.
    heard_by: int

    @property
    def messages_a_day(self) -> int:
        """Of all of them."""
        return self.connections * self.said_a_day


PLACES = [
    Place("a team of 50, each message heard by 20", connections=50, said_a_day=100, heard_by=20),
    Place("a community with 5,000 online, heard by 100", connections=5_000, said_a_day=40, heard_by=100),
    Place("an app with 10,000 connections, person to person", connections=10_000, said_a_day=50, heard_by=1),
]


@dataclass(frozen=True)
class Cost:
    """What things cost where the server is not saturated."""

    message_cpu_ns: float
    delivery_cpu_ns: float
    connection_bytes: float
    base_bytes: float
    message_bytes: float


def cost(survey: Survey) -> Cost | None:
    """What was measured of that; nothing where a part of it was not."""
    lone, group = survey.find("ping-pong"), survey.find("group", rate_per_s=100)
    idle = survey.series("idle", "connections")
    if not lone or not group or not idle:
        return None
    connections, most = idle[-1]
    each, resident = most.median("memory_bytes_per_connection"), most.median("resident_bytes")
    message, delivery = lone.median("server_cpu_ns_per_message"), group.median("server_cpu_ns_per_delivery")
    filled = survey.series("whisper", "preloaded_messages")
    at_rest = targets.bytes_at_rest(filled[-1][1]) if filled else None
    if not each or not resident or not message or not delivery or not at_rest:
        return None
    return Cost(message, delivery, each, resident - each * connections, at_rest)


def costs(survey: Survey) -> str:
    """What one of each thing costs."""
    found = cost(survey)
    if not found:
        return targets.NOT_MEASURED
    rows = [
        [
            "CPU of a message that comes alone, and of its delivery to one connection",
            text.duration(found.message_cpu_ns),
        ],
        [
            "CPU of each further delivery, in a group of 100 with 100 messages a second",
            text.duration(found.delivery_cpu_ns),
        ],
        ["memory of the server itself", text.size(found.base_bytes)],
        ["memory of a connection", text.size(found.connection_bytes)],
        [
            "disk of a message of 100 bytes, its share of the index and of the users with it",
            text.size(found.message_bytes),
        ],
        ["messages of 100 bytes that fit into 100 GB", text.count(100e9 / found.message_bytes)],
    ]
    return text.table(["what", "cost"], rows)


def places(survey: Survey) -> str:
    """What some places take."""
    found = cost(survey)
    if not found:
        return targets.NOT_MEASURED
    head = ["who", "messages a day", "in the busiest second", "of one core then", "memory", "disk in a year"]
    return text.table(head, [place(at, found) for at in PLACES])


def place(at: Place, found: Cost) -> list[str]:
    """What one place takes."""
    messages = at.messages_a_day * BUSIEST_SECOND
    deliveries = messages * at.heard_by
    cores = (messages * found.message_cpu_ns + deliveries * found.delivery_cpu_ns) / text.SECOND
    memory = found.base_bytes + at.connections * found.connection_bytes
    disk = at.messages_a_day * DAYS_A_YEAR * found.message_bytes
    busiest = f"{text.count(messages)} messages, {text.count(deliveries)} deliveries"
    return [at.name, text.count(at.messages_a_day), busiest, text.share(cores), text.size(memory), text.size(disk)]


def carried(survey: Survey) -> str:
    """What half of the limits makes in a day."""
    found, whisper, group = cost(survey), survey.find("whisper"), survey.find("group")
    whispers, said = (result.median("messages_per_s") if result else None for result in (whisper, group))
    if not found or not whispers or not said:
        return targets.NOT_MEASURED
    of_whispers, of_group = (rate / 2 / BUSIEST_SECOND for rate in (whispers, said))
    return (
        f"Half of that, in the busiest second of a day as it is assumed below, makes {text.count(of_whispers)} whispers a day, or"
        f" {text.count(of_group)} messages a day to groups of 100; so many whispers would fill"
        f" {text.size(of_whispers * found.message_bytes)} of the disk each day."
    )


def limits(survey: Survey) -> str:
    """Where a machine like this one ends."""
    rows = [
        limit(survey, "whispers", "messages_per_s", "whisper"),
        limit(survey, "deliveries to groups of 100", "deliveries_per_s", "group"),
        limit(survey, "deliveries to groups of 1,000", "deliveries_per_s", "group", members=1000),
        limit(survey, "logins by password", "logins_per_s", "login"),
        limit(survey, "connections that come back by `resume`", "connections_per_s", "reconnect", connections=1000),
        limit(survey, "pages of history", "pages_per_s", "history"),
    ]
    return text.table(["what", "a second, saturated", "cores busy: server + load"], rows)


def limit(survey: Survey, what: str, figure: str, scenario: str, **load: float) -> list[str]:
    """The most of one thing."""
    result = survey.find(scenario, **load)
    if not result:
        return [what, targets.NOT_MEASURED, ""]
    cores = [result.median(f"{of}_cores") for of in ("server", "load")]
    busy = " + ".join(f"{of:.2f}" for of in cores if of is not None)
    return [what, text.spread(result.get(figure), text.count), busy]
