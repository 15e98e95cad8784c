"""What a survey has found: `run.json`, read and written.

Shape: `{"date", "chinwag", "machine", "timing", "missing", "results": [RESULT], "peers": {PEER: {RUN: {FIGURE: SPREAD}}}}`. A
result is one scenario of `chinwag bench --json`, with the load that it was given; each of its figures is a spread,
`[median, min, max]` over the rounds, or null. The unit is in the name of a figure. A peer's figures are those of another load.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
RUN = HERE / "run.json"

# What `chinwag bench` does where nothing is said, as far as a survey says something else anywhere.
USUAL = {
    "members": 100,
    "connections": None,
    "messages": 10_000,
    "conversations": 1,
    "rate_per_s": None,
    "preloaded_messages": None,
}


class Spread(NamedTuple):
    """A figure over all rounds."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Result:
    """What came of one scenario."""

    scenario: str
    setting: str
    load: dict[str, float | None]
    account: dict[str, int]
    figures: dict[str, Spread | None]

    def get(self, figure: str) -> Spread | None:
        """A figure; nothing where it cannot be known."""
        return self.figures.get(figure)

    def median(self, figure: str) -> float | None:
        """The middle of a figure."""
        spread = self.get(figure)
        return spread and spread.median

    @property
    def is_right(self) -> bool:
        """Whether every message came once and in order."""
        return not any(self.account[wrong] for wrong in ("lost", "doubled", "out_of_order", "unknown"))

    def is_of(self, scenario: str, load: dict[str, float | None]) -> bool:
        """Whether it is of a scenario with this load, and as usual in everything else."""
        return self.scenario == scenario and all(self.load.get(key) == load.get(key, USUAL[key]) for key in USUAL)


@dataclass
class Survey:
    """All results of one machine and one program."""

    date: str
    chinwag: str
    machine: dict[str, Any]
    timing: dict[str, float]
    missing: list[str] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    peers: dict[str, dict[str, dict[str, Spread]]] = field(default_factory=dict)

    def find(self, scenario: str, **load: float | None) -> Result | None:
        """The result of a scenario with this load; nothing where it was not measured."""
        return next((result for result in self.results if result.is_of(scenario, load)), None)

    def series(self, scenario: str, key: str) -> list[tuple[float, Result]]:
        """All results of a scenario that differ in nothing but one key of the load, by its value."""
        of_key = [
            (value, result)
            for result in self.results
            if (value := result.load.get(key)) is not None and result.is_of(scenario, {key: value})
        ]
        return sorted(of_key, key=lambda point: point[0])

    def peer(self, name: str, run: str, figure: str) -> Spread | None:
        """A figure of a peer; nothing where it was not measured."""
        return self.peers.get(name, {}).get(run, {}).get(figure)


def read(path: Path = RUN) -> Survey:
    """Reads a survey."""
    survey = json.loads(path.read_text(encoding="utf-8"))
    survey["results"] = [read_result(result) for result in survey["results"]]
    survey["peers"] = {
        peer: {run: {name: Spread(*figure) for name, figure in figures.items()} for run, figures in runs.items()}
        for peer, runs in survey["peers"].items()
    }
    return Survey(**survey)


def read_result(result: dict[str, Any]) -> Result:
    """Reads one result of a survey."""
    figures = {name: figure and Spread(*figure) for name, figure in result.pop("figures").items()}
    return Result(**result, figures=figures)


def write(survey: Survey, path: Path = RUN) -> None:
    """Writes a survey, a figure on a line: what has changed from one to the next can be read in a diff."""
    document = asdict(survey)
    results = ",\n".join(result_lines(result) for result in document.pop("results"))
    peers = document.pop("peers")
    head = "\n".join(f"{json.dumps(key)}: {json.dumps(value)}," for key, value in document.items())
    text = f'{{\n{head}\n"results": [\n{results}\n],\n"peers": {{{peer_lines(peers)}}}\n}}\n'
    path.write_text(text, encoding="utf-8")


def result_lines(result: dict[str, Any]) -> str:
    """One result, its figures on lines of their own."""
    figures = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in result.pop("figures").items())
    head = "\n ".join(f"{json.dumps(key)}: {json.dumps(value)}," for key, value in result.items())
    return f'{{{head}\n "figures": {{\n{figures}}}}}'


def peer_lines(peers: dict[str, Any]) -> str:
    """All peers, a run of one on each line."""
    of_peer = [
        f"{json.dumps(peer)}: {{\n"
        + ",\n".join(f"  {json.dumps(run)}: {json.dumps(figures)}" for run, figures in runs.items())
        + "}"
        for peer, runs in peers.items()
    ]
    return "\n" + ",\n".join(of_peer) + "\n" if of_peer else ""
