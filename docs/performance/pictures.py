"""The pictures of docs/PERFORMANCE.md.

Each says one thing, which is its title. Lines are labelled where they end; bands and bars reach from the lowest round to the
highest; what is grey is a floor, the least that the same work takes. Text stays text, and the same numbers make the same bytes.
"""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

import targets
import text
from survey import Result, Spread, Survey

OURS, SLOWEST, FLOOR, INK, GROUND = "#0b61a4", "#b3470b", "#767676", "#24292f", "#ffffff"

# Units: inches. A page is about 830 pixels wide, and a pixel is a 96th of an inch.
WIDTH, HEIGHT = 8.6, 4.3

matplotlib.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "chinwag",
        "font.family": "sans-serif",
        "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
        "font.size": 10.5,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": "#8c959f",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 11.5,
        "axes.titleweight": "bold",
        "axes.titlepad": 12,
        "xtick.color": INK,
        "ytick.color": INK,
        "axes.grid": True,
        "grid.color": "#e6e8eb",
        "grid.linewidth": 0.8,
        "lines.linewidth": 2,
        "lines.markersize": 4.5,
        "figure.facecolor": GROUND,
    }
)

Points = list[tuple[float, Spread]]


def draw_all(survey: Survey, directory: Path) -> None:
    """Draws those for which there is something to be drawn."""
    for name, draw in {"latency": latency, "groups": groups, "messages": messages, "memory": memory}.items():
        figure = draw(survey)
        if figure:
            figure.savefig(directory / f"{name}.svg", metadata={"Date": None, "Creator": None})


def sheet(panels: int = 1) -> tuple[Figure, Sequence[Axes]]:
    """An empty picture."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    return figure, axes


def points(series: list[tuple[float, Result]], figure: str) -> Points:
    """A figure of those results that have it."""
    return [(x, found) for x, result in series if (found := result.get(figure))]


def line(axes: Axes, values: Points, label: str, color: str, *, is_floor: bool = False, at_start: bool = False) -> None:
    """A line with its spread, and with its name at one of its ends."""
    if not values:
        return
    xs, spreads = [x for x, _ in values], [spread for _, spread in values]
    medians = [spread.median for spread in spreads]
    lows, highs = [spread.low for spread in spreads], [spread.high for spread in spreads]
    if is_floor:
        axes.plot(xs, medians, color=color, linewidth=1.1)
    else:
        axes.fill_between(xs, lows, highs, color=color, alpha=0.16, linewidth=0)
        axes.plot(xs, medians, color=color, marker="o")
    above = (0, -7) if is_floor else (0, 7)
    place, offset = ((xs[0], lows[0] if is_floor else highs[0]), above) if at_start else ((xs[-1], medians[-1]), (8, 0))
    axes.annotate(
        label,
        place,
        xytext=offset,
        textcoords="offset points",
        va="center" if not at_start else "top" if is_floor else "bottom",
        color=color,
        annotation_clip=False,
    )


def logarithmic(axes: Axes, which: str, ticks: Sequence[float], show: text.Show) -> None:
    """Makes an axis logarithmic, with these numbers on it; a vertical one ends at the outer ones."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis.set_major_locator(matplotlib.ticker.FixedLocator(list(ticks)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: text.on_axis(show)(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    if which == "y":
        axes.set_ylim(ticks[0], ticks[-1])


def decades(low: float, high: float, steps: Sequence[float] = (1, 2, 5)) -> list[float]:
    """Round numbers from the last below to the first above."""
    numbers = [step * 10.0**power for power in range(-3, 13) for step in steps]
    below = [number for number in numbers if number <= low]
    above = [number for number in numbers if number >= high]
    return [number for number in numbers if below[-1] <= number <= above[0]]


def latency(survey: Survey) -> Figure | None:
    """How long a whisper takes, at growing rates."""
    series = survey.series("whisper", "rate_per_s")
    half = targets.half_of_saturation(survey)
    if not series or not half:
        return None
    figure, (axes,) = sheet()
    slowest = points(series, "receipt_p99_ns")
    line(axes, points(series, "receipt_p50_ns"), "half received within (p50)", OURS, at_start=True)
    line(axes, slowest, "99 of 100 within (p99)", SLOWEST, at_start=True)
    line(axes, floor_of_latency(series), "floor of p50: loopback + file", FLOOR, is_floor=True, at_start=True)
    lowest = min(spread.median for _, spread in floor_of_latency(series) or slowest)
    logarithmic(axes, "x", decades(series[0][0], series[-1][0]), text.count)
    logarithmic(axes, "y", decades(lowest / 1.5, max(spread.high for _, spread in slowest)), text.duration)
    axes.set_xlabel("whispers a second, sent in time whatever becomes of earlier ones")
    axes.set_ylabel("from when it was due to its receipt")
    saturated = survey.find("whisper")
    at_most = saturated and saturated.median("messages_per_s")
    if at_most:
        axes.axvline(at_most, color=INK, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            f"saturated:\n{text.count(at_most)}",
            (at_most, 1),
            xycoords=("data", "axes fraction"),
            xytext=(5, 0),
            textcoords="offset points",
            va="top",
            annotation_clip=False,
        )
    p50, p99 = half.median("receipt_p50_ns") or 0, half.median("receipt_p99_ns") or 0
    axes.set_title(
        f"At half of saturation, whispers arrive within {text.duration(p50)} (p50) and {text.duration(p99)} (p99)"
    )
    return figure


def floor_of_latency(series: list[tuple[float, Result]]) -> Points:
    """A round trip of the loopback and a synced append, in the same rounds."""
    floor = []
    for rate, result in series:
        round_trip, sync = result.median("loopback_receipt_p50_ns"), result.median("file_sync_p50_ns")
        if round_trip and sync:
            floor.append((rate, Spread(*[round_trip + sync] * 3)))
    return floor


def groups(survey: Survey) -> Figure | None:
    """What a delivery costs, by the size of the group."""
    series = survey.series("group", "members")
    if len(series) < 2:
        return None
    figure, (axes,) = sheet()
    ours, floor = points(series, "server_cpu_ns_per_delivery"), floor_of_delivery(series)
    line(axes, ours, "chinwag", OURS)
    line(axes, floor, "floor: loopback", FLOOR, is_floor=True)
    logarithmic(axes, "x", [members for members, _ in series], text.count)
    logarithmic(
        axes,
        "y",
        decades(min(spread.median for _, spread in floor or ours), max(spread.high for _, spread in ours)),
        text.duration,
    )
    axes.set_xlabel("members of the group, all of whom listen; 32 messages under way")
    axes.set_ylabel("server CPU for each delivery")
    (few, of_few), (many, of_many) = ours[0], ours[-1]
    axes.set_title(
        f"A delivery costs {text.duration(of_few.median)} of CPU in a group of {text.count(few)},"
        f" {text.duration(of_many.median)} in one of {text.count(many)}"
    )
    return figure


def floor_of_delivery(series: list[tuple[float, Result]]) -> Points:
    """CPU of the loopback for each receiver; the sender is one of them."""
    floor = []
    for members, result in series:
        of_message = result.median("loopback_cpu_ns_per_message")
        if of_message:
            floor.append((members, Spread(*[of_message / members] * 3)))
    return floor


def messages(survey: Survey) -> Figure | None:
    """What a large file changes."""
    counts = [0.0, *(count for count, _ in survey.series("whisper", "preloaded_messages"))]
    if len(counts) < 2:
        return None
    figure, (rates, tails) = sheet(panels=2)
    for scenario, label, color in (("whisper", "whispers", OURS), ("group", "group of 100", SLOWEST)):
        found = [survey.find(scenario, **({"preloaded_messages": count} if count else {})) for count in counts]
        series = [(float(place), result) for place, result in enumerate(found) if result]
        line(rates, points(series, "deliveries_per_s"), label, color)
        line(tails, points(series, "receipt_p99_ns"), label, color)
    for axes, what in ((rates, "deliveries a second, saturated"), (tails, "99 of 100 received within, saturated")):
        axes.set_xticks(range(len(counts)), [text.on_axis(text.count)(count) for count in counts])
        axes.set_xlim(-0.2, len(counts) - 0.55)
        axes.set_xlabel("messages in the file")
        axes.set_title(what, fontweight="normal", fontsize=10.5)
    low, high = rates.dataLim.intervaly
    logarithmic(rates, "y", decades(low, high), text.count)
    low, high = tails.dataLim.intervaly
    logarithmic(tails, "y", decades(low, high), text.duration)
    full = survey.find("whisper", preloaded_messages=counts[-1])
    ratio = full and full.median("messages_x_empty_file")
    quick = f"{text.times(ratio)} as quick" if ratio else "about as quick"
    figure.suptitle(
        f"With {text.on_axis(text.count)(counts[-1])} messages in the file the server is {quick} at whispers as with none",
        x=0.01,
        ha="left",
        fontsize=11.5,
        fontweight="bold",
    )
    return figure


def memory(survey: Survey) -> Figure | None:
    """What connections take that do nothing."""
    series = survey.series("idle", "connections")
    ours = points(series, "resident_bytes")
    each = dict(points(series, "memory_bytes_per_connection"))
    if len(ours) < 2 or not each:
        return None
    figure, (axes,) = sheet()
    most, _ = ours[-1]
    line(axes, ours, "", OURS)
    for connections, spread in ours[1:]:
        if connections in each:
            axes.annotate(
                f"{text.size(each[connections].median)} each",
                (connections, spread.median),
                xytext=(-8, 8) if connections == most else (8, -14),
                textcoords="offset points",
                ha="right" if connections == most else "left",
                color=OURS,
            )
    axes.set_xticks([connections for connections, _ in ours], [text.count(connections) for connections, _ in ours])
    axes.set_xlim(0, 1.02 * most)
    axes.set_ylim(0, 1.15 * max(spread.high for _, spread in ours))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / text.MIB:.0f} MiB"))
    axes.yaxis.set_major_locator(matplotlib.ticker.MultipleLocator(nice_step(axes.get_ylim()[1])))
    axes.set_xlabel("idle connections, each logged in")
    axes.set_ylabel("memory of the server")
    axes.set_title(
        f"{text.count(most)} idle connections take {text.size(ours[-1][1].median)} of memory, {text.size(each[most].median)} each"
    )
    return figure


def nice_step(most: float) -> float:
    """A round number of MiB, of which there are some on the axis."""
    return next(step * text.MIB for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if most / (step * text.MIB) <= 7)
