"""Breadth-first search of every interleaving of a few actors over one shared store.

An actor is an object with a name, an initial private state (`start`) and a method `steps(private, store)` that yields
`(text, private, store)` for every atomic step it could take now.  A state of the system is the store and one private state per
actor.  Stores and private states are numbered as they are found, a system state is one integer made of these numbers, and what an
actor can do is worked out once per (store, private state) and kept as differences between such integers.  That makes a million
states a matter of seconds in plain Python.

An actor that crashes takes no further step.  The search never forces an actor to move, so every run in which any actors crash at
any points is a prefix of, or interleaved in, the runs explored; no crash needs to be modelled to find what a crash can do.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol as Interface

PRIVATE_BITS = 10
PRIVATE_MASK = (1 << PRIVATE_BITS) - 1


class Actor(Interface):
    name: str
    start: Hashable

    def steps(self, private: Hashable, store: Hashable) -> Iterator[tuple[str, Hashable, Hashable]]: ...


@dataclass
class Result:
    """What a search found.  `broken` and `trace` are set when some reachable store breaks the invariant."""

    states: int = 0
    broken: str | None = None
    trace: list[str] = field(default_factory=list)
    stores: list[Hashable] = field(default_factory=list)
    privates: dict[str, set] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)  # every step that some actor took

    @property
    def is_safe(self) -> bool:
        return self.broken is None


class Numbering:
    """Small numbers for hashable values, in the order in which they are first met."""

    def __init__(self) -> None:
        self.number: dict[Hashable, int] = {}
        self.value: list[Hashable] = []

    def of(self, value: Hashable) -> int:
        n = self.number.setdefault(value, len(self.value))
        if n == len(self.value):
            self.value.append(value)
        return n


class Search:
    def __init__(self, actors: Sequence[Actor], store: Hashable, invariant: Callable[[Hashable], str | None]) -> None:
        self.actors = actors
        self.invariant = invariant
        self.stores = Numbering()
        self.privates = [Numbering() for _ in actors]
        self.differences: list[dict[int, tuple[int, ...]]] = [{} for _ in actors]
        self.texts: list[set[str]] = [set() for _ in actors]
        self.store_shift = PRIVATE_BITS * len(actors)
        self.stores.of(store)
        for actor, numbers in zip(actors, self.privates):
            numbers.of(actor.start)

    def steps_of(self, a: int, key: int) -> Iterator[tuple[str, int, str | None]]:
        """The steps of actor `a` in the store and private state that `key` numbers: text, difference, broken invariant."""
        store = self.stores.value[key >> PRIVATE_BITS]
        private = self.privates[a].value[key & PRIVATE_MASK]
        for text, private_after, store_after in self.actors[a].steps(private, store):
            broken = None if store_after in self.stores.number else self.invariant(store_after)
            p = self.privates[a].of(private_after)
            assert p <= PRIVATE_MASK, f"{self.actors[a].name} has too many private states"
            self.texts[a].add(text)
            moved = p - (key & PRIVATE_MASK) << PRIVATE_BITS * a
            yield text, moved + (self.stores.of(store_after) - (key >> PRIVATE_BITS) << self.store_shift), broken

    def key(self, a: int, state: int) -> int:
        return state >> self.store_shift << PRIVATE_BITS | state >> PRIVATE_BITS * a & PRIVATE_MASK

    def run(self) -> Result:
        seen = {0}
        levels = [[0]]
        columns = [(a, PRIVATE_BITS * a, known) for a, known in enumerate(self.differences)]
        while levels[-1]:
            found: list[int] = []
            for state in levels[-1]:
                store = state >> self.store_shift << PRIVATE_BITS
                for a, shift, known in columns:
                    key = store | state >> shift & PRIVATE_MASK
                    moves = known.get(key)
                    if moves is None:
                        steps = list(self.steps_of(a, key))
                        for _, move, broken in steps:
                            if broken:
                                return self.failure(levels, state + move, broken, len(seen))
                        moves = known[key] = tuple(move for _, move, _ in steps)
                    for move in moves:
                        after = state + move
                        if after not in seen:
                            seen.add(after)
                            found.append(after)
            levels.append(found)
        return self.result(len(seen))

    def result(self, states: int) -> Result:
        reached = {actor.name: set(numbers.value) for actor, numbers in zip(self.actors, self.privates)}
        texts = {f"{actor.name} {text}" for actor, taken in zip(self.actors, self.texts) for text in taken}
        return Result(states, stores=self.stores.value, privates=reached, texts=texts)

    def failure(self, levels: list[list[int]], last: int, broken: str, states: int) -> Result:
        """Walk back from the broken state: some state of each earlier level leads to the one we came from."""
        trace: list[str] = []
        for level in reversed(levels):
            last, text = next(self.predecessors(level, last))
            trace.insert(0, text)
        result = self.result(states)
        result.broken, result.trace = broken, trace
        return result

    def predecessors(self, level: list[int], after: int) -> Iterator[tuple[int, str]]:
        for state in level:
            for a, actor in enumerate(self.actors):
                for text, move, _ in self.steps_of(a, self.key(a, state)):
                    if state + move == after:
                        yield state, f"{actor.name} {text}"
