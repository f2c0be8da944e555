"""What packs hold once chunks can be deltas, and what a collector may remove then.

A delta of X is of no use without a plain copy of its base, a chunk of its own.  That may be stored as a delta too, on bytes that
nobody removes; such a copy holds the base for a snapshot that needs it, but no delta can rest on it.
"""

from collections.abc import Iterator
from typing import Protocol as Interface

X, THE_BASE = "X", "the base"  # the chunks

# What a pack holds, as facts of it.  More in one pack would only tie together what may go or stay apart here.
PLAIN, DELTA, BASE, BASE_DELTA = 0, 1 << 5, 1 << 6, 1 << 7
KIND = DELTA | BASE | BASE_DELTA
COPIES = {X: {PLAIN, DELTA}, THE_BASE: {BASE, BASE_DELTA}}
WORDS = {PLAIN: "X", DELTA: "X as a delta", BASE: "the base"}

Kinds = set[int] | frozenset[int]


class Rules(Interface):
    base_is_noted: bool
    bases_are_marked: bool
    any_copy_stands: bool
    delta_falls_with_base: bool
    bases_are_rescued: bool


def can_be_read(chunk: str, kinds: Kinds) -> bool:
    if chunk == X:
        return PLAIN in kinds or {DELTA, BASE} <= kinds
    return bool(COPIES[THE_BASE] & kinds)


def suffices(rules: Rules, kinds: Kinds) -> bool:
    """Whether a writer that saw these, and no list that names them, takes X for safe."""
    return can_be_read(X, kinds if rules.base_is_noted else kinds | {BASE})


def markings(rules: Rules, needed: set[str]) -> Iterator[set[int]]:
    """Every way to mark copies of what roots need.  The program has a preference; all of its choices are here."""
    for copy in sorted(COPIES[X]) if X in needed else (None,):
        for base_copy in sorted(COPIES[THE_BASE]) if THE_BASE in needed else (None,):
            marked = {copy, base_copy}
            if copy == DELTA and rules.bases_are_marked:
                marked.add(BASE)
            yield marked - {None}


def is_settled(rules: Rules, kind: int, marked: set[int], stays: Kinds) -> bool:
    """Whether something that stays can stand for a marked copy."""
    if rules.any_copy_stands:
        return any(kind in copies and copies & stays for copies in COPIES.values())
    if kind in (PLAIN, BASE):
        return kind in stays
    if kind == BASE_DELTA:
        return bool(COPIES[THE_BASE] & stays)
    has_base = BASE in stays or BASE not in marked or not rules.delta_falls_with_base
    return PLAIN in stays or (DELTA in stays and has_base)


def may_remove(rules: Rules, needed: set[str], stays: Kinds, removed: Kinds) -> bool:
    """The second look: for each marked copy something stays, or all candidates that hold the chunk are rescued."""
    return any(not rescued(rules, marked, stays) & removed for marked in markings(rules, needed))


def rescued(rules: Rules, marked: set[int], stays: Kinds) -> set[int]:
    found: set[int] = set()
    for kind in marked:
        if not is_settled(rules, kind, marked, stays):
            found |= COPIES[X if kind in COPIES[X] else THE_BASE]
            if kind in COPIES[X] and rules.bases_are_rescued:
                found.add(BASE)
    return found
