"""The protocol by which writers and collectors share a repository without locks, as a model to be searched.

There is one chunk, X, which every snapshot needs (with deltas also the base of X, see kinds.py).  One chunk is enough: each rule decides chunk by chunk whether X has a copy that
stays, and other chunks in the same packs can only make an actor keep more packs, upload more, or check again; the actors here may
do all of that at any time without a reason.  In the same spirit the collector's first look is left out of the searches that must
be safe: there it condemns any packs it likes and may upload a copy of X before, so those searches hold for every way to mark and
to choose what to repack.  `Setup.marks` adds a real first look, for searches that must show how a weakened protocol fails.

A pack has no name, it is the set of facts that somebody may still act on: which condemned lists name it, and what each actor
believes about it.  A pack that was removed stays only as long as somebody believes that it is there.  Each step is one operation
on the store; each condemned list is read by itself, so the lists are never seen all at one instant.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import NamedTuple

from explore import Actor, Result, Search
from kinds import BASE, DELTA, KIND, PLAIN, WORDS, X, can_be_read, may_remove, suffices

PARENT = 1  # snapshots are bits in masks: the one that is there from the start; writer w makes PARENT << 1 + w

COPIES, RENAMES = "copies", "renames"
NEVER, WHEN_EMPTY, ALWAYS = "never", "when empty", "always"


@dataclass(frozen=True)
class Protocol:
    """The rules that the repository follows.  Each can be weakened to see what it is good for."""

    writer_check: tuple[str, ...] = ("lists", "packs")
    shortcut_check: tuple[str, ...] = ("lists", "parent", "packs")
    check_follows_put: bool = True
    commit_is_separate: bool = True
    uploads_are_checked: bool = True
    prepared_stays_while_uploading: bool = True
    read_back: tuple[str, ...] = ("tombstone", "object")  # after the commit; matters only if prepared snapshots expire
    list_is_published: bool = True
    second_look: tuple[str, ...] = ("lists", "packs", "tombstones", "objects")
    prepared_is_root: bool = True
    rescued_counts_although_condemned: bool = False
    cleanup: tuple[str, ...] = ("commits", "objects", "packs", "tombstones", "list")
    others_remove_list: str = WHEN_EMPTY
    undo_check: tuple[str, ...] = ("lists", "commit", "object")  # of an undo that takes the tombstone back
    list_names_snapshots: bool = False  # a collector removes only snapshots named in its list, which stays until they are gone
    unnamed_is_root: bool = True  # and it keeps the data of forgotten snapshots that it may not remove
    base_is_noted: bool = True  # with a delta the writer needs a pack with a plain copy of its base
    bases_are_marked: bool = True  # a collector that marks a delta marks a plain copy of its base
    any_copy_stands: bool = False  # a delta can stand for a marked plain copy
    delta_falls_with_base: bool = True  # a marked delta counts only while a plain copy of its base stays
    bases_are_rescued: bool = True  # what rescues the copies of a chunk rescues plain copies of their bases too


@dataclass(frozen=True)
class Setup:
    """Who takes part in a search, and what the repository holds before it."""

    writers: tuple[str, ...] = ("plain",)  # each "plain", "shortcut" (content taken over from the parent) or "undo"
    uploads: int = 1  # how often a writer can upload X before it fails
    collectors: int = 1
    repacks: bool = True
    copies: int = 1  # packs that hold X at the start
    kinds: tuple[int, ...] = ()  # or what they hold; then writers and collectors make deltas, collectors bases too
    parent_needs: str = X  # or THE_BASE: then X is new
    forget: bool = True  # somebody forgets the parent at any time
    takes_back: bool = False  # and then takes the tombstone back
    expire: bool = False  # somebody forgets the first writer's snapshot before it is committed
    reader: bool = False
    marks: bool = False  # collectors look before they condemn
    resends: bool = False  # a pack may be put once more after others have seen and removed it
    trash: bool = False  # collectors move packs to the trash, which somebody empties at any time
    mends: str = ""  # what somebody does once with a pack of the trash: COPIES its chunks, or RENAMES it back
    crashes: bool = False  # explicit crashes, which do no more than never moving again


# The facts in a pack.

GONE = 1


def listed(collector: int) -> int:
    return 2 << collector


def marked(actor: int) -> int:
    """While an actor looks: it saw the pack in a list.  After a collector looked: it will remove the pack."""
    return 1 << 8 + actor


def believed(actor: int) -> int:
    """The actor saw the pack there, and in no list of others."""
    return 1 << 16 + actor


def resendable(writer: int) -> int:
    return 1 << 24 + writer


DISCARDED = 1 << 28  # with GONE: it stands in the trash, where nobody counts it
OUTLIVES_THE_PACK = -1 << 16


class Store(NamedTuple):
    packs: tuple[int, ...]  # sorted
    objects: int = PARENT  # masks of snapshots
    commits: int = PARENT
    tombstones: int = 0
    promised: int = PARENT  # somebody was told that the snapshot is safe, and nobody asked to forget it since
    lists: int = 0  # mask of collectors whose condemned list is published
    named: tuple[int, ...] = ()  # per collector, the snapshots that its list names

    def with_packs(self, packs: Iterator[int] | list[int]) -> "Store":
        return self._replace(packs=tuple(sorted(p for p in packs if not p & GONE or p & OUTLIVES_THE_PACK)))

    def without_facts(self, facts: int) -> "Store":
        return self.with_packs([p & ~facts for p in self.packs])

    def with_copy(self, facts: int = 0) -> "Store":
        return self.with_packs([*self.packs, facts])

    def without_pack(self, pack: int, mark: int, where: int = GONE) -> "Store":
        """Removed, or with DISCARDED moved: to everybody that is the same, and one step of the store."""
        packs = list(self.packs)
        packs.remove(pack)
        return self.with_packs([*packs, (pack | where) & ~mark])

    def trash(self) -> list[int]:
        return sorted({p for p in self.packs if p & DISCARDED})

    def with_change(self, pack: int, changed: int) -> "Store":
        packs = list(self.packs)
        packs.remove(pack)
        return self.with_packs([*packs, changed])

    def without_list(self, owner: int) -> "Store":
        named = tuple(0 if c == owner else mask for c, mask in enumerate(self.named))
        return self.without_facts(listed(owner))._replace(lists=self.lists & ~(1 << owner), named=named)

    def after_reading_list(self, owner: int, actor: int, packs_are_read: bool) -> "Store":
        if packs_are_read:
            return self.with_packs([p & ~believed(actor) if p & listed(owner) else p for p in self.packs])
        return self.with_packs([p | marked(actor) if p & listed(owner) else p for p in self.packs])

    def after_listing_packs(self, actor: int) -> "Store":
        seen = marked(actor) | GONE
        return self.with_packs([p & ~marked(actor) if p & seen else p | believed(actor) for p in self.packs])


def kinds_of(packs: Iterable[int]) -> frozenset[int]:
    return frozenset(p & KIND for p in packs)


def needs(snapshots: int, parent_needs: str) -> set[str]:
    found = {X} if snapshots & ~PARENT else set()
    return found | {parent_needs} if snapshots & PARENT else found


def invariant(parent_needs: str, store: Store) -> str | None:
    visible = store.objects & store.commits & ~store.tombstones
    there = kinds_of(p for p in store.packs if not p & GONE)
    for chunk in needs(visible, parent_needs):
        if not can_be_read(chunk, there):
            return f"a committed snapshot needs {chunk} and no pack holds it"
    if store.promised & ~visible:
        return "a snapshot is gone although somebody was told that it is safe"
    return None


class Op(NamedTuple):
    """One operation of an actor, and the collector or the snapshots that it is about."""

    what: str
    of: int = 0


Step = tuple[str, tuple, Store]


def ops(names: tuple[str, ...], lists: list[int], of: int = 0) -> tuple[Op, ...]:
    """The operations of a sequence of reads: each condemned list is one."""
    found: list[Op] = []
    for name in names:
        found += [Op("list", c) for c in lists] if name == "lists" else [Op(name, of)]
    return tuple(found)


class Writer:
    """Makes one snapshot.  Private: what is left to do, the uploads left, and whether a list and the parent were seen."""

    def __init__(self, rules: Protocol, setup: Setup, actor: int, index: int) -> None:
        kind = setup.writers[index]
        self.name = f"writer {index + 1} ({kind})"
        self.rules = rules
        self.actor = actor
        self.snapshot = PARENT << 1 + index
        self.is_undo = kind == "undo"
        self.resendable = resendable(index) if setup.resends else 0
        self.kinds = (PLAIN, DELTA) if setup.kinds else (PLAIN,)
        self.check = ops(rules.writer_check if kind == "plain" else rules.shortcut_check, list(range(setup.collectors)))
        self.commit = (Op("commit"),) if rules.commit_is_separate else ()
        self.commit += ops(rules.read_back, []) if setup.expire else ()
        self.start = self.at((Op("start"),), 0 if self.is_undo else setup.uploads)

    @staticmethod
    def at(todo: tuple[Op, ...], uploads: int, saw_list: bool = False, saw_parent: bool = False) -> tuple:
        return todo, uploads, saw_list, saw_parent

    def steps(self, private: tuple, store: Store) -> Iterator[Step]:
        todo, uploads, saw_list, saw_parent = private
        if not todo:
            return
        op, rest = todo[0], todo[1:]
        if op.what == "start":
            yield from self.begin(uploads, store)
        elif op.what == "upload" and uploads:
            todo = self.plan(self.own_check())
            if self.rules.prepared_stays_while_uploading and self.rules.commit_is_separate:
                todo = todo[1:]
            for kind in self.kinds:
                yield f"uploads {WORDS[kind]} again", self.at(todo, uploads - 1), store.with_copy(self.resendable | kind)
        elif op.what == "resend":
            back = [p & ~(GONE | self.resendable) if p & self.resendable else p for p in store.packs]
            yield "puts its pack once more", self.at(rest, uploads), store.with_packs(back)
        elif op.what == "put":
            yield self.put(rest, uploads, store)
        elif op.what == "withdraw":
            left = store._replace(objects=store.objects & ~self.snapshot, commits=store.commits & ~self.snapshot)
            yield "withdraws its snapshot", self.at(rest, uploads), left
        elif op.what in ("commit", "tombstone", "object"):
            yield self.finish(op, rest, uploads, store)
        elif op.what in ("list", "parent", "packs"):
            yield from self.look(op, rest, (uploads, saw_list, saw_parent), store)

    def begin(self, uploads: int, store: Store) -> Iterator[Step]:
        """The index may name any copies that ever were, so a writer may believe that X is there without looking."""
        if not self.is_undo or store.tombstones & PARENT:
            yield from self.steps(self.at(self.plan(self.check), uploads), store)
        if uploads:
            resend = (Op("resend"),) if self.resendable else ()
            plan = resend + self.plan(self.own_check())
            for kind in self.kinds:
                yield f"uploads {WORDS[kind]}", self.at(plan, uploads - 1), store.with_copy(self.resendable | kind)

    def own_check(self) -> tuple[Op, ...]:
        return self.check if self.rules.uploads_are_checked else ()

    def plan(self, check: tuple[Op, ...]) -> tuple[Op, ...]:
        put = (Op("put"),)
        return (put + check if self.rules.check_follows_put else check + put) + self.commit

    def after_check(self) -> tuple[Op, ...]:
        return self.commit if self.rules.check_follows_put else (Op("put"),) + self.commit

    def put(self, rest: tuple[Op, ...], uploads: int, store: Store) -> Step:
        after = store._replace(objects=store.objects | self.snapshot)
        if self.rules.commit_is_separate:
            return "puts its prepared snapshot", self.at(rest, uploads), self.reported(rest, after)
        after = after._replace(commits=store.commits | self.snapshot)
        return "puts its snapshot, committed at once", self.at(rest, uploads), self.reported(rest, after)

    def look(self, op: Op, rest: tuple[Op, ...], memory: tuple[int, bool, bool], store: Store) -> Iterator[Step]:
        """One read of the check, which ends when no list is left to read and what was read suffices."""
        uploads, saw_list, saw_parent = memory
        text = f"reads the {op.what}"
        if op.what == "list":
            text = f"reads the list of collector {op.of + 1}"
            saw_list = saw_list or bool(store.lists >> op.of & 1)
            store = store.after_reading_list(op.of, self.actor, Op("packs") in self.check and Op("packs") not in rest)
        elif op.what == "parent":
            saw_parent = bool(store.objects & PARENT)
        else:
            store = store.after_listing_packs(self.actor)
        if saw_list and rest[:1] == (Op("parent"),):
            rest = rest[1:]
        left = rest[: len(rest) - len(self.after_check())]
        may_trust_parent = saw_parent and not saw_list and all(later.what != "list" for later in left)
        if left and not may_trust_parent:
            yield text, self.at(rest, uploads, saw_list, saw_parent), store
            return
        is_there = not saw_list
        if Op("packs") in self.check:
            is_there = suffices(self.rules, kinds_of(p for p in store.packs if p & believed(self.actor)))
        yield from self.judge(text, may_trust_parent or is_there, uploads, store)

    def judge(self, text: str, enough: bool, uploads: int, store: Store) -> Iterator[Step]:
        """The end of the check.  It may always fail without a reason: the index may not know every copy."""
        store = store.without_facts(marked(self.actor) | believed(self.actor))
        if enough:
            todo = self.after_check()
            yield f"{text}: X is safe", self.at(todo, uploads), self.reported(todo, store)
        stays = self.rules.prepared_stays_while_uploading and self.rules.commit_is_separate
        again = (Op("upload"),) if stays else (Op("withdraw"), Op("upload"))
        yield f"{text}: X may be missing", self.at(again, uploads), store

    def finish(self, op: Op, rest: tuple[Op, ...], uploads: int, store: Store) -> Step:
        if op.what == "commit":
            after = store._replace(commits=store.commits | self.snapshot)
            return "commits", self.at(rest, uploads), self.reported(rest, after)
        if op.what == "tombstone":
            fine = not store.tombstones & self.snapshot
        else:
            fine = bool(store.objects & self.snapshot)
        left = rest if fine else ()
        return f"reads back its {op.what}", self.at(left, uploads), self.reported(left, store) if fine else store

    def reported(self, todo: tuple[Op, ...], store: Store) -> Store:
        return store if todo else store._replace(promised=store.promised | self.snapshot)


class Collector:
    """One prune.  Private: what is left to do, and the tombstones and snapshots that it saw."""

    def __init__(self, rules: Protocol, setup: Setup, actor: int, index: int) -> None:
        self.name = f"collector {index + 1}"
        self.rules = rules
        self.actor = actor
        self.index = index
        self.repacks = ((DELTA, BASE) if setup.kinds else (PLAIN,)) if setup.repacks else ()
        self.parent_needs = setup.parent_needs
        self.marks = setup.marks
        self.where = GONE | DISCARDED if setup.trash else GONE
        self.others = [c for c in range(setup.collectors) if c != index]
        look = ops(("lists", "tombstones", "objects", "packs", "choose"), self.others)
        self.start = (look if setup.marks else (Op("maybe repack"), Op("publish")), 0, 0)

    def steps(self, private: tuple, store: Store) -> Iterator[Step]:
        todo, tombstones, objects = private
        if not todo:
            return
        op, rest = todo[0], todo[1:]
        if op.what == "maybe repack":
            yield from self.steps((rest, tombstones, objects), store)
            if self.repacks:
                yield from self.steps(((Op("repack"), *rest), tombstones, objects), store)
        elif op.what == "repack":
            for kind in self.repacks:
                yield f"uploads a copy of {WORDS[kind]}", (rest, tombstones, objects), store.with_copy(kind)
        elif op.what == "publish":
            yield from self.publish(tombstones & objects, store)
        elif op.what == "remove packs":
            yield from self.remove_packs(todo, store)
        elif op.what == "remove list":
            yield "removes its list", (rest, 0, 0), store.without_list(self.index)
        elif op.what.startswith("remove "):
            field = op.what.removeprefix("remove ")
            after = store._replace(**{field: getattr(store, field) & ~op.of})
            yield f"removes the {field} of snapshot {op.of.bit_length() - 1}", (rest, 0, 0), after
        else:
            yield from self.look(op, rest, (tombstones, objects), store)

    def publish(self, forgotten: int, store: Store) -> Iterator[Step]:
        """Condemn what the first look chose, or anything."""
        look = ops(self.rules.second_look, self.others)
        todo = look + (Op("decide"),) if look else self.cleanup(forgotten)
        mine, mark = listed(self.index), marked(self.actor)
        if self.marks:
            choices = {tuple(p | mine if p & mark else p for p in store.packs)}
        else:
            choices = set(product(*((p,) if p & GONE else (p, p | mine) for p in store.packs)))
        for packs in sorted(choices):
            after = store.with_packs(list(packs))._replace(lists=store.lists | 1 << self.index)
            after = after.without_facts(mark) if look else after
            for names in {0, store.tombstones} if self.rules.list_names_snapshots else {0}:
                named = tuple(names if c == self.index else mask for c, mask in enumerate(store.named))
                count = sum(1 for p in packs if p & mine)
                yield f"condemns {count} packs", (todo, 0, 0), after._replace(named=named)

    def look(self, op: Op, rest: tuple[Op, ...], memory: tuple[int, int], store: Store) -> Iterator[Step]:
        """One read of a look, and the choice that follows the last one."""
        tombstones, objects = memory
        text = f"lists the {op.what}"
        if op.what == "list":
            text = f"reads the list of collector {op.of + 1}"
            store = store.after_reading_list(op.of, self.actor, Op("packs") not in rest)
        elif op.what == "packs":
            store = store.after_listing_packs(self.actor)
        elif op.what == "tombstones":
            tombstones = store.tombstones
        else:
            objects = store.objects if self.rules.prepared_is_root else store.objects & store.commits
        if rest == (Op("choose"),):
            yield from self.choose(text, tombstones, objects, store)
        elif rest == (Op("decide"),):
            yield from self.decide(text, tombstones, objects, store)
        else:
            yield text, (rest, tombstones, objects), store

    def choose(self, text: str, tombstones: int, objects: int, store: Store) -> Iterator[Step]:
        """The end of the first look: choose what seems to be garbage, or anything if X will be copied out."""
        todo = (Op("publish"),) if self.rules.list_is_published else self.cleanup(tombstones & objects)
        needed = needs(objects & ~tombstones, self.parent_needs)
        for packs, stays in self.choices(store, believed(self.actor)):
            after = store.with_packs(list(packs))
            if all(can_be_read(chunk, stays) for chunk in needed):
                yield text, (todo, tombstones, objects), after
            elif self.repacks:
                yield text, ((Op("repack"), *todo), tombstones, objects), after

    def decide(self, text: str, tombstones: int, objects: int, store: Store) -> Iterator[Step]:
        """The end of the second look: choose what to remove among the packs of the own list; the rest is rescued."""
        removable = roots = 0
        if self.rules.list_names_snapshots:
            removable = tombstones & store.named[self.index]
            roots = objects & ~(removable if self.rules.unnamed_is_root else tombstones)
        else:
            removable = tombstones
            roots = objects & ~tombstones
        needed = needs(roots, self.parent_needs)
        for packs, stays in self.choices(store, listed(self.index)):
            removed = [p for p in packs if p & marked(self.actor)]
            if may_remove(self.rules, needed, stays, kinds_of(removed)):
                yield f"{text}; will remove {len(removed)} packs", (self.cleanup(removable), 0, 0), store.with_packs(list(packs))

    def choices(self, store: Store, candidate: int) -> list[tuple[tuple[int, ...], frozenset[int]]]:
        """Every way to mark some candidates, and what the packs hold that stay unmarked and are believed to stay."""
        mark, counts = marked(self.actor), believed(self.actor)
        if self.rules.rescued_counts_although_condemned:
            counts |= listed(self.index)
        found = set()
        for chosen in product(*((False, True) if p & candidate else (False,) for p in store.packs)):
            stays = kinds_of(p for p, c in zip(store.packs, chosen) if p & counts and not c)
            clean = [p & ~(mark | believed(self.actor)) for p in store.packs]
            packs = (p | mark if c and not p & GONE else p for p, c in zip(clean, chosen))
            found.add((tuple(sorted(packs)), stays))
        return sorted(found, key=lambda choice: (choice[0], sorted(choice[1])))

    def cleanup(self, removable: int) -> tuple[Op, ...]:
        todo: list[Op] = []
        for what in self.rules.cleanup:
            if what in ("packs", "list"):
                todo.append(Op(f"remove {what}"))
            else:
                todo += [Op(f"remove {what}", 1 << s) for s in range(removable.bit_length()) if removable >> s & 1]
        return tuple(todo)

    def remove_packs(self, todo: tuple[Op, ...], store: Store) -> Iterator[Step]:
        doomed = {p for p in store.packs if p & marked(self.actor) and not p & GONE}
        for pack in sorted(doomed):
            yield "removes a pack", (todo, 0, 0), store.without_pack(pack, marked(self.actor), self.where)
        if not doomed:
            yield from self.steps((todo[1:], 0, 0), store)


class Anyone:
    """Removes the lists of collectors that seem dead.  They may be alive."""

    name = "anyone"
    start = ()

    def __init__(self, rules: Protocol) -> None:
        self.rule = rules.others_remove_list

    def steps(self, private: tuple, store: Store) -> Iterator[Step]:
        for c, named in enumerate(store.named):
            is_used = named & store.objects or any(p & listed(c) and not p & GONE for p in store.packs)
            if store.lists >> c & 1 and (self.rule == ALWAYS or not is_used):
                yield f"removes the list of collector {c + 1}", private, store.without_list(c)


class Emptier:
    """Empties the trash, pack by pack."""

    name = "emptier"
    start = ()

    def steps(self, private: tuple, store: Store) -> Iterator[Step]:
        for pack in store.trash():
            yield "removes a pack of the trash", private, store.with_change(pack, pack & ~DISCARDED)


class Mender:
    """Brings something back from the trash, once.  A pack that gets its name back is named by the lists as before."""

    name = "mender"
    start = ("mend",)

    def __init__(self, how: str) -> None:
        self.how = how

    def steps(self, private: tuple, store: Store) -> Iterator[Step]:
        for pack in store.trash() if private else ():
            if self.how == COPIES:
                yield "copies what a pack of the trash holds", (), store.with_copy(pack & KIND)
            else:
                yield "gives a pack of the trash its name back", (), store.with_change(pack, pack & ~(GONE | DISCARDED))


class Forgetter:
    """Puts a tombstone for one snapshot, and may take it back.  Private: what is left to do."""

    def __init__(self, name: str, snapshot: int, undo: tuple[Op, ...]) -> None:
        self.name = name
        self.snapshot = snapshot
        self.undo = undo
        self.start = (Op("forget"),)

    def steps(self, private: tuple[Op, ...], store: Store) -> Iterator[Step]:
        if not private:
            return
        op, rest = private[0], private[1:]
        bit = self.snapshot
        if op.what == "forget":
            if store.objects & bit and (bit == PARENT or not store.commits & bit):
                put = store._replace(tombstones=store.tombstones | bit, promised=store.promised & ~bit)
                yield f"puts a tombstone for snapshot {bit.bit_length() - 1}", self.undo, put
        elif op.what == "take back":
            if store.tombstones & bit:
                yield "takes the tombstone back", rest, self.reported(rest, store._replace(tombstones=store.tombstones & ~bit))
        elif op.what == "put back":
            yield "puts the tombstone back", (), store._replace(tombstones=store.tombstones | bit)
        elif op.what == "list":
            text = f"reads the list of collector {op.of + 1}"
            yield (text, (Op("put back"),), store) if store.lists >> op.of & 1 else (text, rest, self.reported(rest, store))
        else:
            fine = (store.commits if op.what == "commit" else store.objects) & bit
            yield f"reads the {op.what}", rest if fine else (Op("put back"),), self.reported(rest, store) if fine else store

    def reported(self, todo: tuple[Op, ...], store: Store) -> Store:
        return store if todo else store._replace(promised=store.promised | self.snapshot)


class Reader:
    """Restores X: loads the index, opens a pack that it names, and loads it again if none is there.  Private: phase, reloads."""

    name = "reader"
    start = ("load", 0)

    def __init__(self, actor: int) -> None:
        self.known = believed(actor)

    def steps(self, private: tuple[str, int], store: Store) -> Iterator[Step]:
        phase, reloads = private
        if phase == "load":
            known = [p if p & GONE else p | self.known for p in store.packs]
            yield "loads the index", ("open", reloads), store.with_packs(known)
        elif phase == "open":
            after = store.without_facts(self.known)
            if any(p & self.known and not p & GONE for p in store.packs):
                yield "reads X", ("done", reloads), after
            else:
                yield "finds no pack of its index", ("load", reloads + 1), after


class Mortal:
    """Another actor that may crash before any of its steps."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.name = actor.name
        self.start = actor.start

    def steps(self, private: tuple, store: Store) -> Iterator[Step]:
        if private != "crashed":
            yield from self.actor.steps(private, store)
            yield "crashes", "crashed", store


def search(rules: Protocol, setup: Setup) -> Result:
    """Explore every reachable state of the protocol in a setup, or up to the first one that breaks the invariant."""
    writers, collectors = len(setup.writers), setup.collectors
    actors: list[Actor] = [Writer(rules, setup, w, w) for w in range(writers)]
    actors += [Collector(rules, setup, writers + c, c) for c in range(collectors)]
    if rules.others_remove_list != NEVER:
        actors.append(Anyone(rules))
    if setup.forget:
        undo = (Op("take back"), *ops(rules.undo_check, list(range(collectors)))) if setup.takes_back else ()
        actors.append(Forgetter("operator", PARENT, undo))
    if setup.trash:
        actors.append(Emptier())
    if setup.mends:
        actors.append(Mender(setup.mends))
    if setup.expire:
        actors.append(Forgetter("expiry", PARENT << 1, ()))
    if setup.reader:
        actors.append(Reader(writers + collectors))
    if setup.crashes:
        actors = [Mortal(actor) for actor in actors]
    store = Store(packs=tuple(sorted(setup.kinds or (PLAIN,) * setup.copies)), named=(0,) * collectors)
    return Search(actors, store, partial(invariant, setup.parent_needs)).run()
