"""What script/bench makes of what it measured: tables, ratios, bars, and whether a ratio got worse.

Nothing here runs anything.  A record is what was measured of one set:

    about       a sentence
    tools       {name: {what: value}}: seconds of a step, its processor seconds ("STEP cpu"), bytes
    primitives  {step: [bytes, processor seconds]} of tests/bench/primitives, if it was there
    changed     bytes that differ between the versions, where the set knows that
"""

from collections import namedtuple

STEPS = ["first", "no change", "changed", "nights", "verify", "restore", "restore first"]
SIZES = ["stored", "added", "peak"]
# What a first backup has to do with each byte; tests/bench/primitives measures more.
OF_FIRST = ["list", "read", "cut", "hash", "index", "compress", "seal", "name", "parity", "write"]
PEERS = ["restic", "borg", "tar", "cp -a"]
MIB = 1 << 20

# Worse is what is more than a tenth worse, and by more than two runs of a short program differ.
TOLERANCE = 1.1
SLACK = {"seconds": 0.02, "bytes": 16384}

# value: peer / ours ("times": more is better) or ours / peer ("part": less is better).
Figure = namedtuple("Figure", "value ours peer kind unit")

RATIO = "{}, times {}"
PART = "{}, part of {}"
CPU = PART.format("processor time of first", "its primitives")
IN_PLACE = PART.format("added", "the changed bytes")
LAST_NIGHT = PART.format("restore of the last night", "that of the first")
PEAK = "peak, MiB"

# (set, figure, what it has to be at least or at most)
BARS = [
    ("kernel", RATIO.format("first", "restic"), 5), ("dump", RATIO.format("first", "restic"), 3),
    ("random", RATIO.format("first", "restic"), 3.5),
    *((name, RATIO.format("no change", "restic"), 15) for name in ("kernel", "dump", "random", "million")),
    *((name, RATIO.format("no change with a passphrase", "restic"), 3) for name in ("kernel", "dump", "random")),
    ("kernel", RATIO.format("changed", "restic"), 6),
    *((name, RATIO.format("changed", "restic"), 4) for name in ("dump", "random")),
    *((name, RATIO.format("verify", "restic"), 3) for name in ("kernel", "dump", "random")),
    ("kernel", RATIO.format("restore", "restic"), 1.5), ("dump", RATIO.format("restore", "restic"), 2),
    ("random", RATIO.format("restore", "restic"), 1.8), ("kernel", RATIO.format("restore", "tar"), 1 / 1.2),
    *((name, RATIO.format("restore", "cp -a"), 1) for name in ("kernel", "dump", "random")),
    ("nights", LAST_NIGHT, 1.2),
    *((name, PART.format("stored", "restic"), 0.9) for name in ("kernel", "dump")),
    ("kernel", PART.format("added", "restic"), 0.06), ("sqlite", PART.format("added", "restic"), 0.05),
    ("nights", PART.format("added", "restic"), 0.1), ("random", IN_PLACE, 1.3),
    *((name, CPU, 1.1) for name in ("kernel", "dump", "random")),
    *((name, PEAK, 256) for name in ("kernel", "dump", "random", "sqlite", "nights")),
    ("million", PEAK, 400),
]


def times(ours, peer):
    return Figure(peer / ours, ours, peer, "times", "seconds")


def part(ours, peer, unit="bytes"):
    return Figure(ours / peer, ours, peer, "part", unit)


def peer_figures(ours, with_passphrase, peer, found):
    for what in STEPS:
        if found.get(what) and ours.get(what):
            yield RATIO.format(what, peer), times(ours[what], found[what])
        if found.get(what) and with_passphrase.get(what):
            yield RATIO.format(what + " with a passphrase", peer), times(with_passphrase[what], found[what])
    for what in SIZES if peer in ("restic", "borg") else ():
        if found.get(what) and ours.get(what):
            yield PART.format(what, peer), part(ours[what], found[what])


def primitives_of_first(record):
    """Processor seconds of what a first backup cannot do without; None when they were not measured."""
    steps = record.get("primitives")
    return sum(steps[step][1] for step in OF_FIRST) if steps else None


def figures(record):
    """{name: Figure} of one record, whatever of it was measured."""
    tools = record["tools"]
    ours = tools.get("holdfast", {})
    found = {}
    for peer in PEERS:
        found.update(peer_figures(ours, tools.get("holdfast, passphrase", {}), peer, tools.get(peer, {})))
    if ours.get("restore first"):
        found[LAST_NIGHT] = part(ours["restore"], ours["restore first"], "seconds")
    if record.get("changed") and ours.get("added"):
        found[IN_PLACE] = part(ours["added"], record["changed"])
    if ours.get("first cpu") and primitives_of_first(record):
        found[CPU] = part(ours["first cpu"], primitives_of_first(record), "seconds")
    if ours.get("peak"):
        found[PEAK] = part(ours["peak"], MIB)
    return found


def ratios(record):
    return {name: round(figure.value, 4) for name, figure in figures(record).items()}


def is_worse(now, then):
    """Whether a figure is worse than the value that was recorded of it."""
    allowed = now.peer / then if now.kind == "times" else now.peer * then
    return now.ours > allowed * TOLERANCE + SLACK[now.unit]


def compare(now, then):
    """([what got worse], [what was recorded and cannot be compared]) of a record and the ratios recorded."""
    found = figures(now)
    worse = [f"{name}: {found[name].value:.2f}, recorded {value:.2f}"
             for name, value in then.items() if name in found and is_worse(found[name], value)]
    return worse, [name for name in then if name not in found]


def lost(now, then, peers):
    """Of what cannot be compared, what no missing peer explains: ours was not measured."""
    missing = compare(now, then)[1]
    return [name for name in missing if not any(name.endswith(" " + p) for p in PEERS if p not in peers)]


def cell(what, value):
    if value is None:
        return "-"
    if what.split(" cpu")[0] in STEPS:
        return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
    return f"{value / 1e6:.0f}" if value >= 1e8 else f"{value / 1e6:.1f}"


def columns_of(tools):
    return [what for what in [*STEPS, *SIZES] if any(what in found for found in tools.values())]


def rows(record):
    """Heading, one row for each tool, and one for each peer that says how holdfast compares."""
    tools = record["tools"]
    columns = columns_of(tools)
    yield ["", *(f"{c} s" if c in STEPS else f"{c} MB" for c in columns)]
    for name, found in tools.items():
        yield [name, *(cell(c, found.get(c)) for c in columns)]
    ours = tools.get("holdfast")
    for name, found in tools.items():
        if ours is None or name.startswith("holdfast"):
            continue
        yield [f"against {name}", *(
            "-" if not found.get(c) or not ours.get(c) else
            f"{found[c] / ours[c]:.1f}x" if c in STEPS else f"{ours[c] / found[c]:.2f}" for c in columns)]


def cpu_rows(record):
    """Processor seconds, user and system, of each step."""
    tools = record["tools"]
    columns = [what for what in STEPS if any(what + " cpu" in found for found in tools.values())]
    yield ["processor seconds", *columns]
    for name, found in tools.items():
        yield [name, *(cell(c, found.get(c + " cpu")) for c in columns)]


def primitive_rows(record):
    """How quick each primitive is, and what it takes of a first backup."""
    steps = record["primitives"]
    total = primitives_of_first(record)
    yield ["primitive", "GB/s", "s", "part of a first backup"]
    for step, (size, seconds) in steps.items():
        share = f"{100 * seconds / total:.0f} %" if step in OF_FIRST else "-"
        yield [step, f"{size / seconds / 1e9:.2f}" if seconds else "-", f"{seconds:.3f}", share]
    yield ["sum of those of a first backup", "", f"{total:.3f}", "100 %"]
    ours = record["tools"].get("holdfast", {}).get("first cpu")
    if ours:
        yield ["processor time of holdfast's", "", f"{ours:.3f}", f"{100 * ours / total:.0f} %"]


def table(lines, is_markdown):
    lines = list(lines)
    widths = [max(len(row[i]) for row in lines) for i in range(len(lines[0]))]
    edge, gap = ("| ", " | ") if is_markdown else ("", "  ")
    out = []
    for n, row in enumerate(lines):
        cells = [text.ljust(width) if i == 0 else text.rjust(width)
                 for i, (text, width) in enumerate(zip(row, widths))]
        out.append((edge + gap.join(cells) + edge.rstrip(" ").rjust(2 if edge else 0)).rstrip())
        if n == 0 and is_markdown:
            out.append("|" + "|".join("-" * (w + 1) + (":" if i else "-") for i, w in enumerate(widths)) + "|")
    return "\n".join(out) + "\n"


def judged(sets):
    """(bar's name, figure or None, bar, whether it is met) of each bar of a set that was measured."""
    for name, figure, bar in BARS:
        if name not in sets:
            continue
        found = figures(sets[name]).get(figure)
        is_met = found is not None and (found.value >= bar if found.kind == "times" else found.value <= bar)
        yield f"{name}: {figure}", found, bar, is_met


def bar_rows(sets):
    yield ["bar", "wanted", "measured", ""]
    for name, found, bar, is_met in judged(sets):
        if found is None:
            yield [name, "", "-", "not measured"]
        else:
            sign = ">=" if found.kind == "times" else "<="
            yield [name, f"{sign} {bar:.3g}", f"{found.value:.3g}", "met" if is_met else "**not met**"]


def bar_reasons(sets, reasons):
    """A line for each bar that is missed; reasons are {"SET: FIGURE": why}."""
    return [f"{name}: {reasons.get(name, 'no reason is known')}"
            for name, found, _, is_met in judged(sets) if found is not None and not is_met]


def bars(sets, reasons, is_markdown):
    missed = bar_reasons(sets, reasons)
    return table(bar_rows(sets), is_markdown) + \
        ("\nNot met:\n\n" + "".join(f"- {line}\n" for line in missed) if missed else "")


BEGIN = "<!-- what script/bench --record wrote begins here -->"
END = "<!-- and ends here -->"
# Of the sizes, the page shows the first that is there.
SIZES_OF_DATA = ["full", "quick", "smoke"]


def recorded_section(recorded):
    """The part of docs/benchmarks.md that comes from the file of what was recorded."""
    size = next((size for size in SIZES_OF_DATA if recorded.get(size)), None)
    if size is None:
        return "Nothing is recorded yet.\n"
    sets = recorded[size]
    out = ["A ratio \"times\" a peer says how many times faster holdfast is, \"part of\" a peer what holdfast takes of its bytes. "
           "Bars are for data of full size; "
           f"this is {size}.\n", bars(sets, recorded.get("reasons", {}), True)]
    for name, record in sets.items():
        out.append(f"### {record['about']}\n")
        out.append("\n".join("- " + line for line in record["machine"]) + "\n")
        out.append(table(rows(record), True))
        out.append(table(cpu_rows(record), True))
        if record.get("primitives"):
            out.append(table(primitive_rows(record), True))
        if record.get("index"):
            out.append(index_line(record["index"]) + "\n")
    return "\n".join(out)


def index_line(found):
    return f"Index of a million chunks: {found['add']:.0f} ns to add one, {found['find']:.0f} ns to find it."


def page_with(page, section):
    """The page with another section between its two marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for what is recorded: " + BEGIN)
    return f"{before}{BEGIN}\n\n{section}\n{END}{after}"


def with_record(recorded, size, name, record):
    """What is recorded, with one set measured again; reasons and other sets stay."""
    sets = {**recorded.get(size, {}), name: {**record, "ratios": ratios(record)}}
    return {**recorded, size: sets}
