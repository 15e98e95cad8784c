"""Numbers as people read them."""

import re
from collections.abc import Callable, Iterable, Sequence

from survey import Spread

Show = Callable[[float], str]

SECOND = 1e9
MILLISECOND = 1e6
KIB = 1024
MIB = 1024**2


def digits(value: float) -> str:
    """Three digits that say something."""
    size = abs(value)
    if size >= 1000:
        return f"{value:,.0f}"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 or size == 0 else f"{value:.3f}"


def count(value: float) -> str:
    """How many there are: three digits of it, and zeros."""
    if value < 1000:
        return f"{value:.0f}" if value >= 10 or value == int(value) else digits(value)
    step = 10 ** (len(str(int(value))) - 3)
    return f"{round(value / step) * step:,.0f}"


def scaled(value: float, units: Sequence[tuple[str, float]]) -> str:
    """A number in the largest unit of which there is one."""
    name, size = next((unit for unit in reversed(units) if abs(value) >= unit[1]), units[0])
    return f"{digits(value / size)} {name}"


def duration(ns: float) -> str:
    """A time."""
    return scaled(ns, [("ns", 1), ("us", 1e3), ("ms", MILLISECOND), ("s", SECOND)])


def size(count_of_bytes: float) -> str:
    """Bytes."""
    if count_of_bytes < KIB:
        return f"{count_of_bytes:.0f} bytes"
    return scaled(count_of_bytes, [("KiB", KIB), ("MiB", MIB), ("GiB", 1024**3)])


def times(value: float) -> str:
    """How many times as much."""
    return f"{digits(value)} x"


def share(value: float) -> str:
    """A part of a whole, or of a core."""
    if value < 0.001:
        return "< 0.1 %"
    return f"{value * 100:.0f} %" if value >= 0.1 else f"{value * 100:.1f} %"


def spread(figure: Spread | None, show: Show) -> str:
    """A median, and from where to where the rounds were."""
    if figure is None:
        return "-"
    middle, low, high = (show(value) for value in figure)
    if low == high:
        return middle
    unit = middle.partition(" ")[2]
    if unit and low.endswith(f" {unit}") and high.endswith(f" {unit}"):
        low, high = low.removesuffix(f" {unit}"), high.removesuffix(f" {unit}")
    return f"{middle} ({low} - {high})"


def on_axis(show: Show) -> Show:
    """The same for round numbers, without what says nothing of them."""

    def shown(value: float) -> str:
        said = f"{value / 1e6:g} million" if show is count and value >= 1e6 else show(value)
        return re.sub(r"\.0+(?= )", "", said)

    return shown


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(cells)} |".replace("|  |", "| |") for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])
