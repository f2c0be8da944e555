"""Search the model of the collector's protocol with deltas.  With --full also searches that take minutes."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

from collector import GONE, PARENT, Setup, Store, kinds_of
from collector_test import RULES, Case, found, safe_cases, unsafe_cases, verdict
from kinds import BASE, BASE_DELTA, DELTA, PLAIN, THE_BASE

STORED = Setup(kinds=(DELTA, BASE))
NEW = Setup(kinds=(BASE,), parent_needs=THE_BASE)  # the writer finds the base of its new chunk in the parent
PAIR = Setup(writers=(), collectors=2, forget=False, kinds=(PLAIN, DELTA, BASE))
TWO_BASES = replace(PAIR, kinds=(DELTA, BASE, BASE_DELTA))
ALONE = replace(STORED, writers=(), forget=False)

SAFE = [
    ("a writer that finds or uploads a delta, a collector that repacks", RULES, STORED),
    ("a writer that uploads a delta on the parent's chunk, a collector that repacks", RULES, NEW),
    ("such a writer and two collectors", RULES, replace(NEW, collectors=2, repacks=False)),
    ("a writer that finds a delta, two collectors", RULES, replace(STORED, uploads=0, collectors=2, repacks=False)),
    ("a shortcut to a delta", RULES, replace(STORED, writers=("shortcut",))),
    ("a writer, the base plain and in a delta", RULES, replace(NEW, kinds=(BASE, BASE_DELTA))),
    ("a writer, a delta beside a plain copy", RULES, replace(STORED, kinds=(PLAIN, DELTA, BASE))),
    ("two collectors that repack, a delta beside a plain copy", RULES, PAIR),
    ("two collectors that repack, the base plain and in a delta", RULES, TWO_BASES),
    ("a writer, a delta beside a plain copy, two collectors", RULES, replace(STORED, kinds=(PLAIN, DELTA, BASE), uploads=0, collectors=2, repacks=False)),
    ("a writer that finds or uploads a delta, two collectors", RULES, replace(STORED, collectors=2, repacks=False)),
]

FULL = [
    ("a writer that finds a delta, two collectors that repack", RULES, replace(STORED, uploads=0, collectors=2)),
    ("three collectors, a delta beside a plain copy", RULES, replace(PAIR, collectors=3, repacks=False)),
]

UNSAFE = [
    ("a writer that does not note the pack of the base", replace(RULES, base_is_noted=False), replace(NEW, repacks=False)),
    ("the same where the delta was there before", replace(RULES, base_is_noted=False), replace(STORED, uploads=0)),
    ("a collector that does not mark bases", replace(RULES, bases_are_marked=False), ALONE),
    ("a rescue in which a delta stands for a plain base", replace(RULES, any_copy_stands=True), replace(ALONE, kinds=(DELTA, BASE, BASE_DELTA))),
    ("a marked delta that counts although others condemn its base", replace(RULES, delta_falls_with_base=False), replace(PAIR, repacks=False)),
    ("a rescue of deltas without their bases", replace(RULES, bases_are_rescued=False), replace(PAIR, repacks=False)),
]


def reach_cases() -> Iterator[Case]:
    """What deltas are for does happen."""

    def there(store: Store) -> set[int]:
        return set(kinds_of(p for p in store.packs if not p & GONE))

    def store(setup: Setup, holds: Callable[[Store], bool]) -> bool:
        return any(holds(s) for s in found(RULES, setup).stores)

    def steps(setup: Setup, *texts: str) -> bool:
        return all(text in found(RULES, setup).texts for text in texts)

    new = PARENT << 1
    pair = replace(PAIR, repacks=False)
    yield store(NEW, lambda s: s.promised == s.objects == new and there(s) == {DELTA, BASE} and not s.lists), (
        "a delta and its base outlive the snapshot that the base came from")
    yield steps(STORED, "writer 1 (plain) uploads X as a delta again"), "a writer uploads a delta again whose base was condemned"
    yield steps(replace(ALONE), "collector 1 uploads a copy of the base", "collector 1 uploads a copy of X as a delta",
                "collector 1 removes a pack"), "a repack removes an old pack of a delta or of its base"
    yield store(NEW, lambda s: not s.objects and not there(s)), "a prune removes a base with its delta"
    yield store(pair, lambda s: there(s) == {PLAIN}), "two collectors leave the plain copy only"
    yield store(pair, lambda s: there(s) == {DELTA, BASE}), "two collectors leave the delta and its base only"


def main() -> int:
    sources = [safe_cases(SAFE), unsafe_cases(UNSAFE), reach_cases()]
    if "--full" in sys.argv[1:]:
        sources.append(safe_cases(FULL))
    return verdict(sources)


if __name__ == "__main__":
    sys.exit(main())
