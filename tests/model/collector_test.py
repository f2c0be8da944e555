"""Search the model of the collector's protocol.  With --full also searches that take ten minutes and 8 GB of memory."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import permutations

from collector import ALWAYS, GONE, NEVER, PARENT, Protocol, Setup, Store, listed, search
from explore import Result

RULES = Protocol()
TAKE_BACK = Protocol(list_names_snapshots=True)

MARKING = Setup(marks=True)
SHORTCUT = Setup(writers=("shortcut",), marks=True)
NO_WRITER = Setup(writers=(), collectors=2, forget=False, marks=True)
TWO_COPIES = replace(NO_WRITER, copies=2, repacks=False)
TAKING_BACK = Setup(writers=(), marks=True, takes_back=True)
EXPIRING = Setup(expire=True)
RESENDING = Setup(collectors=2, repacks=False, resends=True)

SAFE: list[tuple[str, Protocol, Setup]] = [
    ("two writers, two collectors that repack", RULES, Setup(writers=("plain", "shortcut"), uploads=0, collectors=2)),
    ("a writer that uploads, two collectors that repack", RULES, Setup(collectors=2)),
    ("a writer, a shortcut, an undo and a collector", RULES, Setup(writers=("plain", "shortcut", "undo"))),
    ("a writer, two copies and two collectors", RULES, Setup(collectors=2, copies=2, repacks=False)),
    ("an undo and two collectors", RULES, Setup(writers=("undo",), collectors=2)),
    ("a prepared snapshot that expires", RULES, EXPIRING),
    ("a writer that withdraws its prepared snapshot first", replace(RULES, prepared_stays_while_uploading=False), Setup(uploads=2)),
    ("an undo that takes the tombstone back, lists that name snapshots", TAKE_BACK, replace(TAKING_BACK, collectors=2, marks=False)),
    ("a shortcut beside such an undo", TAKE_BACK, Setup(writers=("shortcut",), takes_back=True)),
    ("an undo that takes the tombstone back, no list ever removed by others", replace(RULES, others_remove_list=NEVER),
     replace(TAKING_BACK, collectors=2, marks=False)),
    ("packs put again after their removal, no list ever removed by others", replace(RULES, others_remove_list=NEVER), RESENDING),
]

FULL: list[tuple[str, Protocol, Setup]] = [
    ("two writers that upload, two collectors", RULES, Setup(writers=("plain", "shortcut"), collectors=2, repacks=False)),
    ("a shortcut, an undo and two collectors", RULES, Setup(writers=("shortcut", "undo"), uploads=0, collectors=2)),
    ("a prepared snapshot that expires and two collectors", RULES, Setup(expire=True, forget=False, collectors=2)),
    ("two writers that upload, two collectors that repack", RULES, Setup(writers=("plain", "shortcut"), collectors=2)),
]

UNSAFE: list[tuple[str, Protocol, Setup]] = [
    ("naive mark and sweep", replace(RULES, list_is_published=False, second_look=()), replace(MARKING, repacks=False)),
    ("no second look", replace(RULES, second_look=()), MARKING),
    ("a second look that ignores prepared snapshots", replace(RULES, prepared_is_root=False), MARKING),
    ("two copies, a second look that reads no lists", replace(RULES, second_look=("packs", "tombstones", "objects")), TWO_COPIES),
    ("repack, a second look that reads no lists", replace(RULES, second_look=("packs", "tombstones", "objects")), NO_WRITER),
    ("rescuing one of several packs that others condemn too", replace(RULES, rescued_counts_although_condemned=True), replace(NO_WRITER, copies=2)),
    ("a check before the prepared snapshot", replace(RULES, check_follows_put=False), MARKING),
    ("a commit in one stage", replace(RULES, commit_is_separate=False), MARKING),
    ("a check that reads packs before lists", replace(RULES, writer_check=("packs", "lists")), MARKING),
    ("a check that reads lists only", replace(RULES, writer_check=("lists",)), MARKING),
    ("a check that reads packs only", replace(RULES, writer_check=("packs",)), MARKING),
    ("no check of what the writer uploaded itself", replace(RULES, uploads_are_checked=False), MARKING),
    ("a list removed before the packs", replace(RULES, cleanup=("commits", "objects", "list", "packs", "tombstones")), MARKING),
    ("a list removed by others while its packs exist", replace(RULES, others_remove_list=ALWAYS), MARKING),
    ("a shortcut that reads no lists", replace(RULES, shortcut_check=("parent", "packs")), SHORTCUT),
    ("a shortcut that reads lists only", replace(RULES, shortcut_check=("lists",)), SHORTCUT),
    ("a shortcut that reads the parent before the lists", replace(RULES, shortcut_check=("parent", "lists", "packs")), SHORTCUT),
    ("a forgotten parent removed after its packs", replace(RULES, cleanup=("packs", "commits", "objects", "tombstones", "list")), SHORTCUT),
    ("no read back after the commit when prepared snapshots expire", replace(RULES, read_back=()), EXPIRING),
    ("reading the snapshot back before its tombstone", replace(RULES, read_back=("object", "tombstone")), EXPIRING),
    ("a tombstone removed before its snapshot", replace(RULES, cleanup=("tombstones", "commits", "objects", "packs", "list")), EXPIRING),
    ("packs put again after their removal", RULES, RESENDING),
    ("an undo that takes the tombstone back, lists that name packs only", RULES, replace(TAKING_BACK, collectors=2)),
    ("such an undo without any check", replace(TAKE_BACK, undo_check=()), TAKING_BACK),
    ("such an undo that reads no lists", replace(TAKE_BACK, undo_check=("commit", "object")), TAKING_BACK),
    ("such an undo that reads the lists last", replace(TAKE_BACK, undo_check=("commit", "object", "lists")), TAKING_BACK),
    ("no root where a list names too few snapshots", replace(TAKE_BACK, unnamed_is_root=False), replace(TAKING_BACK, marks=False)),
]

# The protocol that must be safe where the weakened one is not, so that the weakening is to blame.
REMEDIES = {
    "packs put again after their removal": replace(RULES, others_remove_list=NEVER),
    "an undo that takes the tombstone back, lists that name packs only": TAKE_BACK,
}

Case = tuple[bool, str]
Plan = tuple[str, Protocol, Setup]

# A sweep takes each EVERYth of its cases from FIRST on (as test_every() of tests/support/test.h).
EVERY = int(os.environ.get("TEST_EVERY", "1"))
FIRST = int(os.environ.get("TEST_FIRST", "0")) % EVERY


@cache
def found(rules: Protocol, setup: Setup) -> Result:
    return search(rules, setup)


def safe_cases(cases: list[Plan]) -> Iterator[Case]:
    for name, rules, setup in cases[FIRST::EVERY]:
        result = search(rules, setup)
        yield report(result.is_safe, f"{name}: safe in all {result.states:,} states", result)


def report(is_fine: bool, sentence: str, result: Result) -> Case:
    return is_fine, sentence if is_fine else "\n    ".join([sentence, *result.trace, str(result.broken)])


def unsafe_cases(cases: list[Plan]) -> Iterator[Case]:
    for name, rules, setup in cases[FIRST::EVERY]:
        result = search(rules, setup)
        remedy = REMEDIES.get(name, TAKE_BACK if rules.list_names_snapshots else RULES)
        control = found(remedy, setup)
        yield report(control.is_safe, f"control of: {name}", control) if not control.is_safe else (
            not result.is_safe, f"{name}: unsafe in {len(result.trace)} steps: {result.broken}")


def order_cases() -> Iterator[Case]:
    """Every order of the second look's reads and of the cleanup: exactly those that keep a few precedences are safe."""
    looks = list(permutations(RULES.second_look))
    setups = (replace(NO_WRITER, marks=False), replace(SHORTCUT, marks=False), EXPIRING)
    safe = {o for o in looks if all(search(replace(RULES, second_look=o), s).is_safe for s in setups)}
    yield safe == {o for o in looks if keeps(o, [("lists", "packs")])}, (
        f"of the {len(looks)} orders of the second look the {len(safe)} that read the lists before the packs are safe")
    ends = list(permutations(RULES.cleanup))
    setups = (Setup(), Setup(writers=("shortcut",)), EXPIRING)
    safe = {o for o in ends if all(search(replace(RULES, cleanup=o), s).is_safe for s in setups)}
    needed = [("objects", "packs"), ("objects", "tombstones"), ("packs", "list")]
    yield safe == {o for o in ends if keeps(o, needed)}, (
        f"of the {len(ends)} orders of the cleanup the {len(safe)} with snapshot before packs and tombstone, packs before list are safe")


def keeps(order: tuple[str, ...], pairs: list[tuple[str, str]]) -> bool:
    return all(order.index(first) < order.index(second) for first, second in pairs)


def reach_cases() -> Iterator[Case]:
    """What the protocol is for does happen, so that safe is not a word for stuck."""
    first, second = PARENT << 1, PARENT << 2

    def exists(store: Store) -> bool:
        return any(not p & GONE for p in store.packs)

    def in_both_lists(store: Store) -> bool:
        return any(p & listed(0) and p & listed(1) and not p & GONE for p in store.packs)

    def steps(setup: Setup, *texts: str) -> bool:
        return all(text in found(RULES, setup).texts for text in texts)

    def store(setup: Setup, holds: Callable[[Store], bool]) -> bool:
        return any(holds(s) for s in found(RULES, setup).stores)

    one, two = Setup(), Setup(writers=("plain", "shortcut"))
    keep = Setup(writers=(), forget=False)
    pair = Setup(writers=(), collectors=2)
    undo = Setup(writers=("undo",))
    yield store(two, lambda s: s.promised == s.objects == first | second and not s.lists), "two writers commit beside a prune that ends"
    yield steps(one, "writer 1 (plain) reads the packs: X is safe"), "a writer trusts a copy that it found"
    yield steps(one, "writer 1 (plain) uploads X again"), "a writer uploads again what it missed"
    yield steps(two, "writer 2 (shortcut) reads the parent: X is safe"), "a shortcut trusts its parent without looking at packs"
    yield steps(two, "writer 2 (shortcut) reads the packs: X is safe"), "a shortcut falls back to looking at packs"
    yield steps(one, "collector 1 lists the objects; will remove 0 packs"), "a collector rescues all that it condemned"
    yield steps(keep, "collector 1 removes a pack"), "a repack removes an old pack of a snapshot that stays"
    yield store(one, lambda s: not exists(s) and not s.objects), "a prune empties the repository"
    yield store(one, lambda s: not exists(s) and s.objects == first and not s.commits & first), "a prepared snapshot loses its data"
    yield store(undo, lambda s: s.promised == s.objects == first and not s.lists), "an undo outlives the prune of what it undoes"
    yield store(pair, in_both_lists), "two collectors condemn the same pack"
    yield steps(pair, "anyone removes the list of collector 1"), "a list whose packs are gone is removed by somebody else"


def other_cases() -> Iterator[Case]:
    calm, mortal = (search(RULES, Setup(writers=("plain", "undo"), crashes=crashes)) for crashes in (False, True))
    yield mortal.is_safe and set(calm.stores) == set(mortal.stores), (
        f"explicit crashes add {mortal.states - calm.states:,} states of actors and not one state of the store")
    reading = search(RULES, Setup(writers=(), collectors=2, forget=False, reader=True))
    reloads = max(count for _, count in reading.privates["reader"])
    yield reloads == 2, "a reader loads the index again at most once per prune that ran meanwhile, here twice"


def verdict(sources: list[Iterator[Case]]) -> int:
    """Print what each case says; the exit status of a test."""
    failed = 0
    for source in sources:
        for is_fine, sentence in source:
            print("ok" if is_fine else "FAILED", sentence, flush=True)
            failed += not is_fine
    return 1 if failed else 0


def main() -> int:
    sources = [safe_cases(SAFE), unsafe_cases(UNSAFE), order_cases(), reach_cases(), other_cases()]
    if "--full" in sys.argv[1:]:
        sources.append(safe_cases(FULL))
    return verdict(sources)


if __name__ == "__main__":
    sys.exit(main())
