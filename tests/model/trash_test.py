"""Search the protocol with a trash: collectors move packs instead of removing them.  With --full also larger setups."""

import sys
from collections.abc import Iterator
from dataclasses import replace

from collector import COPIES, DISCARDED, GONE, NEVER, RENAMES, Protocol, Setup, Store, search
from collector_test import Case, safe_cases, verdict

RULES = Protocol()

TRASH = Setup(trash=True)
MENDING = Setup(collectors=2, repacks=False, trash=True, mends=COPIES)
NAMING = replace(MENDING, mends=RENAMES)

SAFE: list[tuple[str, Protocol, Setup]] = [
    ("a writer that uploads, two collectors", RULES, replace(TRASH, collectors=2, repacks=False)),
    ("a writer, a shortcut and a collector that repacks", RULES, replace(TRASH, writers=("plain", "shortcut"), uploads=0)),
    ("a writer, two copies and two collectors", RULES, replace(TRASH, uploads=0, collectors=2, copies=2, repacks=False)),
    ("chunks copied from the trash to new packs, two collectors", RULES, MENDING),
    ("packs that get their names back, no list ever removed by others", replace(RULES, others_remove_list=NEVER), NAMING),
]

FULL: list[tuple[str, Protocol, Setup]] = [
    ("a writer that uploads, two collectors that repack", RULES, replace(TRASH, collectors=2)),
    ("a shortcut, an undo and two collectors", RULES, replace(TRASH, writers=("shortcut", "undo"), uploads=0, collectors=2, repacks=False)),
]


def name_cases() -> Iterator[Case]:
    """Why the chunks of a pack in the trash are copied: its name must not come back."""
    result = search(RULES, NAMING)
    yield not result.is_safe, f"packs that get their names back from the trash: unsafe in {len(result.trace)} steps: {result.broken}"


def reach_cases() -> Iterator[Case]:
    result = search(RULES, replace(MENDING, collectors=1))
    stores = result.stores
    yield any(p & DISCARDED for s in stores for p in s.packs), "a pack stands in the trash"
    yield all(p & GONE for s in stores for p in s.packs if p & DISCARDED), "nobody counts what stands in the trash"
    yield "emptier removes a pack of the trash" in result.texts, "the trash is emptied"
    yield "mender copies what a pack of the trash holds" in result.texts, "chunks come back from the trash"
    plain = search(RULES, Setup(collectors=1))
    moved = search(RULES, replace(TRASH, collectors=1))
    yield {hide(s) for s in moved.stores} == {hide(s) for s in plain.stores}, "nobody can tell a move from a removal"


def hide(store: Store) -> Store:
    """What everybody sees of a store: packs that are there."""
    return store._replace(packs=tuple(p for p in store.packs if not p & GONE))


if __name__ == "__main__":
    sources = [safe_cases(SAFE), name_cases(), reach_cases()]
    if "--full" in sys.argv[1:]:
        sources.append(safe_cases(FULL))
    sys.exit(verdict(sources))
