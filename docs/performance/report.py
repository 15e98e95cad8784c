"""Makes the numbers and pictures of docs/PERFORMANCE.md, and those of README.md, out of `run.json`.

    python docs/performance/report.py            the numbers, in place, and the pictures beside this file
    python docs/performance/report.py --check    are the numbers those of `run.json`? Needs Python 3.11 and nothing else

The pages are written by hand. What is made of numbers stands in them between two comments, the first of which names a function:

    <!-- made by docs/performance/report.py: targets -->
    <!-- end -->

The pictures need `pip install -r docs/performance/requirements.txt`.
"""

import argparse
import re
import sys
from collections.abc import Callable

import sizing
import survey
import tables
import targets
from survey import HERE, Survey

PAGES = [HERE.parent / "PERFORMANCE.md", HERE.parent.parent / "README.md"]

PARTS: dict[str, Callable[[Survey], str]] = {
    "conditions": tables.conditions,
    "targets": targets.table,
    "overview": tables.overview,
    "floors": tables.floors,
    "rates": tables.rates,
    "large_files": tables.large_files,
    "peers": tables.peers,
    "costs": sizing.costs,
    "places": sizing.places,
    "limits": sizing.limits,
    "carried": sizing.carried,
    "in_short": tables.in_short,
}

PART = re.compile(r"(<!-- made by docs/performance/report\.py: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled_in(page: str, found: Survey) -> str:
    """A page with its numbers."""
    return PART.sub(lambda part: f"{part[1]}\n{PARTS[part[2]](found)}\n\n{part[3]}", page)


def main() -> int:
    """Makes them, or checks whether they are current."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing; fail where the numbers are others")
    is_check = parser.parse_args().check
    found = survey.read()
    stale = []
    for path in PAGES:
        page = path.read_text(encoding="utf-8")
        current = filled_in(page, found)
        if current != page:
            stale.append(path)
        if not is_check:
            path.write_text(current, encoding="utf-8")
    if is_check:
        for path in stale:
            print(f"{path.name} is not what run.json says: python docs/performance/report.py", file=sys.stderr)
        return 1 if stale else 0
    # Only pictures need a library.
    import pictures

    pictures.draw_all(found, HERE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
