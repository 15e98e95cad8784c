"""Counts the instructions of the scenarios beside this file and holds them against counts.txt, in a build of its own:
`python3 tests/instructions/counts.py`, and with `--renew` it writes down what it has counted.

A count that has grown by more than the tolerance fails, and so does one that has shrunk by more: the next growth would hide in what
was won. It needs valgrind, and the gungraun-runner that Cargo.lock asks for.
"""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent

COUNTS = HERE / "counts.txt"

RENEW = "python3 tests/instructions/counts.py --renew"

# How far a count may be from the recorded one.
TOLERANCE = 0.03

# What is written down again though nothing was changed would blur what a commit has changed. Counts with two threads mostly differ by
# less; where whispers are handed over one by one, by up to 2 % on a busy machine.
NOISE = 0.01


def told(*command):
    return subprocess.run(command, check=True, cwd=HERE, stdout=subprocess.PIPE, text=True).stdout


def tools():
    """What else than the code decides about counts."""
    rustc, valgrind = told("rustc", "--version").split()[1], told("valgrind", "--version").strip()
    return f"rustc {rustc}, {valgrind}, {' '.join(platform.libc_ver())}, {platform.machine()}"


def count():
    """The instructions of each scenario, by its name."""
    lines = told("cargo", "bench", "--locked", "--bench", "instructions", "--", "--output-format=json").splitlines()
    counts = {}
    for summary in map(json.loads, lines):
        (profile,) = summary["profiles"]
        scenario = summary["module_path"].removeprefix("instructions::")
        counts[f"{scenario}::{summary['id']}"] = profile["data"]["total"]["metrics"]["Ir"]["values"]["new"]
    return counts


def read():
    """With what was counted, and what."""
    heading, *lines = COUNTS.read_text(encoding="utf-8").splitlines() if COUNTS.exists() else [""]
    split = (line.split() for line in lines)
    return heading.removeprefix("# "), {name: int(number.replace(",", "")) for name, number in split}


def write(counts):
    names, numbers = max(map(len, counts)), max(len(f"{number:,}") for number in counts.values())
    lines = [f"{name:{names}} {number:{numbers},}" for name, number in counts.items()]
    COUNTS.write_text("\n".join([f"# {tools()}", *lines, ""]), encoding="utf-8")


def change(recorded, counted):
    return f"{recorded:,} to {counted:,} ({counted / recorded - 1:+.1%})"


def complaints(recorded, counts):
    for name in sorted(recorded.keys() - counts.keys()):
        yield f"{name} is recorded and was not counted"
    for name, counted in counts.items():
        before = recorded.get(name)
        if before is None:
            yield f"{name} takes {counted:,} instructions, which are not recorded"
        elif counted > before * (1 + TOLERANCE):
            yield f"{name} has grown from {change(before, counted)}"
        elif counted < before * (1 - TOLERANCE):
            yield f"{name} has shrunk from {change(before, counted)}, and the record is stale"


def renew(recorded, counts):
    def is_noise(name):
        return name in recorded and abs(counts[name] / recorded[name] - 1) < NOISE

    write({name: recorded[name] if is_noise(name) else counted for name, counted in counts.items()})


def check(counted_with, recorded, counts):
    for name, counted in counts.items():
        print(f"{name}: {change(recorded[name], counted) if name in recorded else f'{counted:,}'}")
    complaint = "\n".join(complaints(recorded, counts))
    if not complaint:
        return
    if counted_with != tools():
        complaint += f"\nRecorded with {counted_with}, and counted with {tools()}: is it the code that counts otherwise?"
    sys.exit(f"{complaint}\nWhere that is meant: {RENEW}, in the same commit, which says why.")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--renew", action="store_true", help="write down what was counted")
    is_renewing = parser.parse_args().renew
    (counted_with, recorded), counts = read(), count()
    if is_renewing:
        renew(recorded, counts)
    else:
        check(counted_with, recorded, counts)


if __name__ == "__main__":
    main()
