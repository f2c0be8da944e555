"""What script/bench makes of its figures: ratios, bars, the gate, and the section of the page."""

import copy
import os
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, TOP + "/script")
sys.dont_write_bytecode = True

import bench_table  # noqa: E402
import bench_tools  # noqa: E402

RECORD = {
    "about": "kernel: 3 files, 1 MB", "machine": ["one core"], "changed": None,
    "tools": {
        "holdfast": {"first": 2.0, "first cpu": 3.3, "no change": 0.2, "restore": 1.0, "stored": 90e6,
                     "added": 5e6, "peak": 100 << 20},
        "holdfast, passphrase": {"first": 2.5, "no change": 0.5},
        "restic": {"first": 10.0, "no change": 2.0, "restore": 2.0, "stored": 100e6, "added": 100e6, "peak": 200 << 20},
        "cp -a": {"restore": 0.5},
    },
    "primitives": {step: [10**9, 0.3] for step in [*bench_table.OF_FIRST, "open", "expand"]},
}


def changed(tool, **values):
    record = copy.deepcopy(RECORD)
    record["tools"][tool].update({name.replace("_", " "): value for name, value in values.items()})
    return record


class Figures(unittest.TestCase):
    def test_times_are_the_peers_by_ours_and_parts_ours_by_the_peers(self):
        found = bench_table.ratios(RECORD)
        self.assertEqual(found["first, times restic"], 5)
        self.assertEqual(found["no change with a passphrase, times restic"], 4)
        self.assertEqual(found["stored, part of restic"], 0.9)
        self.assertEqual(found["restore, times cp -a"], 0.5)
        self.assertEqual(found["peak, MiB"], 100)

    def test_the_processor_time_is_compared_with_the_primitives_of_a_first_backup_only(self):
        self.assertAlmostEqual(bench_table.ratios(RECORD)["processor time of first, part of its primitives"], 1.1)

    def test_what_was_not_measured_has_no_figure(self):
        record = {"tools": {"holdfast": {"first": 1.0}, "restic": {"restore": 1.0}}}
        self.assertEqual(bench_table.ratios(record), {})

    def test_added_bytes_are_compared_with_those_that_changed(self):
        record = {**RECORD, "changed": 4e6}
        self.assertEqual(bench_table.ratios(record)["added, part of the changed bytes"], 1.25)

    def test_the_last_night_is_compared_with_the_first(self):
        found = bench_table.ratios(changed("holdfast", restore_first=0.8))
        self.assertEqual(found["restore of the last night, part of that of the first"], 1.25)


class Gate(unittest.TestCase):
    def setUp(self):
        self.then = bench_table.ratios(RECORD)

    def worse(self, record):
        return [line.split(":")[0] for line in bench_table.compare(record, self.then)[0]]

    def test_the_same_is_not_worse(self):
        self.assertEqual(bench_table.compare(RECORD, self.then), ([], []))

    def test_up_to_a_tenth_is_not_worse(self):
        self.assertEqual(self.worse(changed("holdfast", first=2.19)), [])

    def test_a_time_more_than_a_tenth_worse_is_named_for_each_peer(self):
        self.assertEqual(self.worse(changed("holdfast", first=2.25)), ["first, times restic"])
        self.assertEqual(self.worse(changed("holdfast", restore=1.2)), ["restore, times restic", "restore, times cp -a"])

    def test_a_quicker_peer_makes_the_ratio_worse(self):
        self.assertIn("first, times restic", self.worse(changed("restic", first=8.0)))

    def test_a_slower_machine_changes_no_ratio(self):
        record = changed("holdfast", first=4.0)
        record["tools"]["restic"]["first"] = 20.0
        record["tools"]["holdfast, passphrase"]["first"] = 5.0
        self.assertEqual(self.worse(record), [])

    def test_more_bytes_and_more_processor_time_are_worse(self):
        self.assertEqual(self.worse(changed("holdfast", stored=101e6)), ["stored, part of restic"])
        self.assertEqual(self.worse(changed("holdfast", first_cpu=3.8)),
                         ["processor time of first, part of its primitives"])

    def test_hundredths_of_a_second_are_not_worse(self):
        then = {"no change, times restic": 20}
        record = {"tools": {"holdfast": {"no change": 0.045}, "restic": {"no change": 0.6}}}
        self.assertEqual(bench_table.compare(record, then)[0], [])
        record["tools"]["holdfast"]["no change"] = 0.06
        self.assertEqual(len(bench_table.compare(record, then)[0]), 1)

    def test_what_was_recorded_and_is_not_measured_is_lost_unless_its_peer_is_missing(self):
        record = copy.deepcopy(RECORD)
        del record["tools"]["holdfast"]["restore"]
        self.assertEqual(bench_table.lost(record, self.then, set(record["tools"])),
                         ["restore, times restic", "restore, times cp -a"])
        record = copy.deepcopy(RECORD)
        del record["tools"]["restic"]
        self.assertEqual(bench_table.lost(record, self.then, set(record["tools"])), [])


class Page(unittest.TestCase):
    def test_each_bar_of_a_measured_set_says_whether_it_is_met(self):
        rows = {row[0]: row[1:] for row in bench_table.bar_rows({"kernel": RECORD})}
        self.assertEqual(rows["kernel: first, times restic"], [">= 5", "5", "met"])
        self.assertEqual(rows["kernel: stored, part of restic"], ["<= 0.9", "0.9", "met"])
        self.assertEqual(rows["kernel: restore, times cp -a"], [">= 1", "0.5", "**not met**"])
        self.assertEqual(rows["kernel: verify, times restic"], ["", "-", "not measured"])
        self.assertNotIn("dump: first, times restic", rows)

    def test_each_missed_bar_has_its_reason_or_says_that_none_is_known(self):
        name = "kernel: restore, times cp -a"
        self.assertEqual(bench_table.bar_reasons({"kernel": RECORD}, {name: "it decrypts"}),
                         ["kernel: no change, times restic: no reason is known", name + ": it decrypts"])
        self.assertIn(name + ": no reason is known", bench_table.bars({"kernel": RECORD}, {}, True))

    def test_every_bar_names_a_figure_that_can_be_measured(self):
        tools = {name: {what: 1.0 for what in [*bench_table.STEPS, *bench_table.SIZES, "first cpu"]}
                 for name in ["holdfast", "holdfast, passphrase", *bench_table.PEERS]}
        known = bench_table.figures({**RECORD, "tools": tools, "changed": 1})
        for _, figure, _ in bench_table.BARS:
            self.assertIn(figure, known)

    def test_only_what_stands_between_the_marks_is_replaced(self):
        page = f"before\n{bench_table.BEGIN}\nold\n{bench_table.END}\nbehind\n"
        once = bench_table.page_with(page, "new\n")
        self.assertEqual(once, f"before\n{bench_table.BEGIN}\n\nnew\n\n{bench_table.END}\nbehind\n")
        self.assertEqual(bench_table.page_with(once, "new\n"), once)

    def test_a_page_without_the_marks_is_refused(self):
        for page in ("", bench_table.BEGIN, bench_table.END, bench_table.END + bench_table.BEGIN):
            with self.assertRaises(ValueError):
                bench_table.page_with(page, "new")

    def test_recording_a_set_keeps_the_others_and_the_reasons(self):
        recorded = {"reasons": {"a": "b"}, "quick": {"dump": 1}, "full": {"dump": 2}}
        found = bench_table.with_record(recorded, "full", "kernel", RECORD)
        self.assertEqual(found["full"]["kernel"]["ratios"], bench_table.ratios(RECORD))
        self.assertEqual((found["reasons"], found["quick"], found["full"]["dump"]), ({"a": "b"}, {"dump": 1}, 2))

    def test_the_section_shows_full_data_rather_than_quick(self):
        other = {**RECORD, "about": "kernel: quick"}
        section = bench_table.recorded_section({"quick": {"kernel": other}, "full": {"kernel": RECORD}})
        self.assertIn("kernel: 3 files", section)
        self.assertNotIn("kernel: quick", section)
        self.assertIn("quick", bench_table.recorded_section({"quick": {"kernel": other}}))
        self.assertEqual(bench_table.recorded_section({}), "Nothing is recorded yet.\n")

    def test_the_page_of_the_project_has_a_place_for_it(self):
        with open(TOP + "/docs/benchmarks.md") as file:
            bench_table.page_with(file.read(), "")


class Snapshots(unittest.TestCase):
    def test_the_oldest_is_found_in_a_list_and_in_lines(self):
        self.assertEqual(bench_tools.oldest('[{"id": "b", "time": "2026-02"}, {"id": "a", "time": "2026-01"}]'), "a")
        self.assertEqual(bench_tools.oldest('{"id": "b", "time": "2026-02"}\n{"id": "a", "time": "2026-01"}\n'), "a")


if __name__ == "__main__":
    unittest.main()
