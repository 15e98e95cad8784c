"""Measures what docs/PERFORMANCE.md says, and writes it to `run.json`.

    python docs/performance/measure.py survey target/release/chinwag --dir /var/tmp
    python docs/performance/measure.py peers RESULTS.jsonl

`survey` runs the program's own benchmark again and again, what matters most first, and ends after `--minutes`: what there was no
time for is named in `run.json`. It takes about 25 minutes on a machine that does nothing else, 6 GB of the disk that it measures,
and 10,000 open files in each of two processes. Where messages were lost or doubled it goes on, and the page says so.

`peers` adds to that file what other servers took, as another load has found it that speaks their protocols, too: a line of JSON
for each peer, run and round.

Needs Linux and Python 3.11, and nothing else.
"""

import argparse
import collections
import datetime
import json
import math
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from survey import Result, Spread, Survey, read, write

# More than that of a figure is noise.
DIGITS = 4

# In a file that is large.
USERS = 100_000

# Threads that were needed while all connected are gone after ten seconds.
SETTLED = "--warm-up 12"

# How long a benchmark that is told to end may take to end its server and to remove its files. Units: seconds.
END_WITHIN = 30

# What a peer's run is measured by, and what its load calls it.
PEER_FIGURES = {
    "server_us_per_delivery": "server_cpu_ns_per_delivery",
    "deliveries_per_s": "deliveries_per_s",
    "p50_us": "receipt_p50_ns",
    "p99_us": "receipt_p99_ns",
}


@dataclass(frozen=True)
class Size:
    """How much is measured."""

    rounds: int
    seconds: float
    warm_up: float
    # A file with many messages, one with very many, and what somebody has missed.
    many: int
    very_many: int
    missed: int

    def flags(self, what: list[str]) -> list[str]:
        """How `chinwag bench` is told, where `what` says nothing else."""
        timing = {"--rounds": self.rounds, "--seconds": self.seconds, "--warm-up": self.warm_up}
        return [word for flag, value in timing.items() if flag not in what for word in (flag, str(value))]


class Bench:
    """`chinwag bench`, until a moment."""

    def __init__(self, binary: Path, directory: Path, size: Size, deadline: float) -> None:
        self.command = [str(binary), "bench", "--json", "--dir", str(directory)]
        self.size = size
        self.deadline = deadline

    def run(self, what: str) -> list[Result]:
        """Measures scenarios, which are named with their flags. Raises a `RuntimeError` that says why it could not."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise RuntimeError("there was no time left")
        process = subprocess.Popen(
            [*self.command, *self.size.flags(what.split()), *what.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            out, complaint = process.communicate(timeout=left)
        except BaseException as err:
            # Its server and its files go with it.
            process.terminate()
            process.communicate(timeout=END_WITHIN)
            if isinstance(err, subprocess.TimeoutExpired):
                raise RuntimeError("there was no time to end it") from err
            raise
        # 3 says that messages were lost, which the results say, too.
        if process.returncode not in (0, 3):
            raise RuntimeError(complaint.strip() or f"exit code {process.returncode}")
        return results(json.loads(out))


def results(report: dict[str, Any]) -> list[Result]:
    """What one run of `chinwag bench` has printed."""
    load = report["load"]
    for timing in ("rounds", "measured_s", "warm_up_s"):
        del load[timing]
    return [
        Result(
            scenario=scenario["scenario"],
            setting=scenario["setting"],
            load=load,
            account=scenario["account"],
            figures={name: figure and spread(**figure) for name, figure in scenario["figures"].items()},
        )
        for scenario in report["scenarios"]
    ]


def spread(median: float, min: float, max: float) -> Spread:
    """As many digits of a figure as say something."""
    return Spread(*(rounded(value) for value in (median, min, max)))


def rounded(value: float) -> float:
    """A number with four digits that say something, without a fraction where it has none."""
    if value == 0:
        return 0
    value = round(value, DIGITS - 1 - math.floor(math.log10(abs(value))))
    return int(value) if value == int(value) else value


def plan(size: Size, survey: Survey) -> Iterator[str]:
    """Runs of `chinwag bench`, what matters most first; later ones depend on what earlier ones have found."""
    yield "whisper ping-pong group"
    yield f"whisper group history reconnect --preload {size.very_many},{USERS}"
    yield f"whisper --conversations 100000 --preload {size.very_many},{USERS}"
    yield f"history --rate 50000 --connections 1 --preload {size.very_many},{USERS}"
    yield "whisper --rate 2000"
    yield from rates(survey, [0.5])
    yield f"idle --connections 10000 {SETTLED}"
    yield f"sync --messages {size.missed}"
    yield f"sync --messages {size.missed} --conversations 1000"
    yield f"sync --messages {size.missed} --rate 2000"
    yield "reconnect --connections 1000"
    yield "storm"
    yield "login history"
    yield "group --members 1000"
    yield "group --rate 100"
    yield from rates(survey, [0.25, 0.75, 0.9])
    for rate in (500, 5_000, 20_000):
        yield f"whisper --rate {rate}"
    for connections in (100, 1000):
        yield f"idle --connections {connections} {SETTLED}"
    for members in (2, 10, 30, 300):
        yield f"group --members {members}"
    yield f"whisper group --preload {size.many},{USERS}"
    yield "groups mixed"


def rates(survey: Survey, shares: list[float]) -> Iterator[str]:
    """Whispers at a share of what saturates the server, where that is known."""
    saturated = survey.find("whisper")
    at_most = saturated and saturated.median("messages_per_s")
    if at_most:
        yield from (f"whisper --rate {at_most * share:.0f}" for share in shares)


def measure(binary: Path, directory: Path, size: Size, minutes: float) -> None:
    """Runs everything there is time for; what has been measured up to a moment is in the file."""
    began = time.monotonic()
    bench = Bench(binary.resolve(), directory, size, deadline=began + minutes * 60)
    timing = {"rounds": size.rounds, "seconds": size.seconds, "warm_up": size.warm_up}
    survey = Survey(
        date=datetime.date.today().isoformat(), chinwag=version(binary), machine=machine(directory), timing=timing
    )
    for what in plan(size, survey):
        began_this = time.monotonic()
        try:
            found = bench.run(what)
            survey.results += found
            said = "" if all(result.is_right for result in found) else "; messages were LOST or doubled"
        except RuntimeError as err:
            survey.missing.append(what)
            said = f"; NOT MEASURED: {err}"
        write(survey)
        now = time.monotonic()
        print(f"{now - began:6.0f} s  {what}: {now - began_this:.0f} s{said}", flush=True)


def version(binary: Path) -> str:
    """The program's version."""
    said = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    return said.split()[-1]


def machine(directory: Path) -> dict[str, Any]:
    """What was measured on: nothing that names it."""
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return {
        "processor": next(
            (line.split(":")[1].strip() for line in cpu.splitlines() if line.startswith("model name")), "unknown"
        ),
        "cores": len(os.sched_getaffinity(0)),
        "is_virtual": "hypervisor" in cpu.split(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "file_system": file_system(directory),
    }


def file_system(directory: Path) -> str:
    """The kind of file system that a directory is on.

    Source: the manual page `proc_pid_mountinfo(5)`; the kind is the first field behind the dash.
    """
    device = directory.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    kinds = (mount.split(" - ")[1].split()[0] for mount in mounts if mount.split()[2] == number)
    return next(kinds, "unknown")


def add_peers(lines: Path) -> None:
    """Adds what other servers took to the survey that is there."""
    values: dict[tuple[str, str, str], list[float]] = collections.defaultdict(list)
    for line in lines.read_text(encoding="utf-8").splitlines():
        run = json.loads(line)
        for said, figure in PEER_FIGURES.items():
            # A load that has no figure says so by a negative one.
            if run.get(said, -1) >= 0:
                scale = 1 if figure.endswith("_per_s") else 1000
                values[run["peer"], run["run"], figure].append(run[said] * scale)
    survey = read()
    survey.peers = {}
    for (peer, name, figure), of_rounds in values.items():
        found = spread(statistics.median(of_rounds), min(of_rounds), max(of_rounds))
        survey.peers.setdefault(peer, {}).setdefault(name, {})[figure] = found
    write(survey)


def arguments() -> argparse.Namespace:
    """What is asked for."""
    summary, _, details = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        description=summary, epilog=details, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    survey = commands.add_parser("survey", help="measure a release build")
    survey.add_argument("binary", type=Path, help="the program")
    survey.add_argument(
        "--dir", type=Path, default=Path(), help="where the files of its servers go: the disk that is measured"
    )
    survey.add_argument("--minutes", type=float, default=32, help="after which it ends (default 32)")
    survey.add_argument("--quick", action="store_true", help="try this tool: everything a moment, little in the files")
    peers = commands.add_parser("peers", help="add what other servers took")
    peers.add_argument("lines", type=Path, help="a line of JSON for each peer, run and round")
    return parser.parse_args()


def main() -> None:
    """Does what is asked for."""
    asked = arguments()
    if asked.command == "peers":
        add_peers(asked.lines)
        return
    full = Size(rounds=3, seconds=4, warm_up=1, many=1_000_000, very_many=10_000_000, missed=100_000)
    quick = Size(rounds=2, seconds=0.5, warm_up=0.2, many=100_000, very_many=1_000_000, missed=10_000)
    measure(asked.binary, asked.dir, quick if asked.quick else full, asked.minutes)


if __name__ == "__main__":
    main()
