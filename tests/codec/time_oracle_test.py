#!/usr/bin/python3
"""Zones against Python's zoneinfo, cron expressions against croniter, and against trying every minute.

croniter has rules of its own where the clocks are changed, so it is asked in UTC; there a search by
minutes with zoneinfo tells what the rule of codec/cron.h gives.
"""

import datetime
import random
import subprocess
import sys
import unittest
import zoneinfo

from croniter import croniter

TABLE = sys.argv.pop(1)
UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1)


def ask(questions):
    lines = "".join(question + "\n" for question in questions)
    done = subprocess.run([TABLE], input=lines, stdout=subprocess.PIPE, text=True, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(questions)
    return answers


def seconds(naive):
    return int((naive - EPOCH).total_seconds())


def local_of(zone, moment):
    return datetime.datetime.fromtimestamp(moment, zone).replace(tzinfo=None)


class Zones(unittest.TestCase):
    def names(self):
        return sorted(name for name in zoneinfo.available_timezones()
                      if not name.startswith(("right/", "posix/")) and "." not in name
                      and name not in ("Factory", "localtime", "posixrules"))

    def test_every_zone_shows_the_local_time_that_zoneinfo_shows(self):
        chance = random.Random(1)
        cases = []
        for name in self.names():
            for _ in range(20):
                cases.append((name, chance.randrange(-2840140800, 4102444800)))
            cases.append((name, chance.randrange(4102444800, 16725225600)))
        answers = ask([f"local {moment} {name}" for name, moment in cases])
        for (name, moment), answer in zip(cases, answers):
            wanted = seconds(local_of(zoneinfo.ZoneInfo(name), moment))
            self.assertEqual(int(answer), wanted, (name, moment))

    def test_local_times_come_when_zoneinfo_says_also_near_changes(self):
        chance = random.Random(2)
        cases = []
        for name in chance.sample(self.names(), 80):
            zone = zoneinfo.ZoneInfo(name)
            near = [moment for moment in range(0, 4102444800, 86400 * 3)
                    if zone.utcoffset(local_of(zone, moment)) !=
                    zone.utcoffset(local_of(zone, moment + 86400 * 3))]
            for moment in chance.sample(near, min(len(near), 12)):
                for _ in range(12):
                    cases.append((name, moment + chance.randrange(86400 * 3) // 900 * 900))
        answers = ask([f"utc {local} {name}" for name, local in cases])
        for (name, local), answer in zip(cases, answers):
            zone = zoneinfo.ZoneInfo(name)
            wall = EPOCH + datetime.timedelta(seconds=local)
            both = [int(wall.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (0, 1)]
            real = sorted({moment for moment in both if local_of(zone, moment) == wall})
            first, last = map(int, answer.split())
            if real:
                self.assertEqual([first, last], [real[0], real[-1]], (name, local))
            else:
                self.assertEqual(first, last)
                self.assertGreater(seconds(local_of(zone, first)), local, (name, local))
                self.assertLess(seconds(local_of(zone, first - 1)), local, (name, local))


def random_field(chance, low, high):
    kind = chance.randrange(6)
    if kind <= 1:
        return "*"
    if kind == 2:
        return f"*/{chance.randrange(2, max(3, (high - low) // 2))}"
    if kind == 3:
        first = chance.randrange(low, high)
        return f"{first}-{chance.randrange(first + 1, high + 1)}"
    return ",".join(str(chance.randrange(low, high + 1)) for _ in range(chance.randrange(1, 4)))


def random_expression(chance):
    limits = [(0, 59), (0, 23), (1, 28), (1, 12), (0, 6)]
    return " ".join(random_field(chance, *limit) for limit in limits)


class Expressions(unittest.TestCase):
    def test_expressions_come_in_utc_when_croniter_says(self):
        chance = random.Random(3)
        cases = []
        while len(cases) < 1000:
            text = random_expression(chance)
            fields = text.split()
            # croniter takes "*/2" for a restriction and "0-6" for none; Vixie's cron sees the star.
            if any(field.startswith("*/") for field in (fields[2], fields[4])) or fields[4] == "0-6":
                continue
            cases.append((text, chance.randrange(946684800, 4102444800)))
        following = ask([f"next {moment} UTC {text}" for text, moment in cases])
        former = ask([f"previous {moment} UTC {text}" for text, moment in cases])
        for (text, moment), later, earlier in zip(cases, following, former):
            start = datetime.datetime.fromtimestamp(moment, UTC)
            self.assertEqual(int(later), croniter(text, start).get_next(), (text, moment))
            before = croniter(text, start).get_prev()
            if before < int(earlier) < moment:  # croniter 1.3.5 passes over a 29 February backwards
                again = datetime.datetime.fromtimestamp(int(earlier) - 1, UTC)
                self.assertIn((again.month, again.day), ((2, 28), (2, 29)), (text, moment))
                before = croniter(text, again).get_next()
            self.assertEqual(int(earlier), before, (text, moment))

    def test_texts_that_croniter_refuses_in_five_fields_are_refused(self):
        texts = ["", "* * * *", "61 * * * *", "* 25 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8",
                 "a * * * *", "*/0 * * * *", "1-0 * * * *", "0 0 31 2 *", "0 0 30 2 *"]
        for text, answer in zip(texts, ask([f"parse 0 - {text}" for text in texts])):
            self.assertEqual(answer, "-", text)

    def test_expressions_come_near_changes_of_clocks_as_a_search_by_minutes_says(self):
        chance = random.Random(4)
        places = {"Europe/Berlin": (1774746000, 1792890000), "America/New_York": (1772953200, 1793512800),
                  "Australia/Lord_Howe": (1775314800, 1791039600), "Africa/Casablanca": (1771120800, 1774144800)}
        cases = []
        for name, changes in places.items():
            for change in changes:
                for _ in range(15):
                    hour = chance.choice(["*", "*/2", "1", "2", "3", "0-5", "1,2,3"])
                    minute = chance.choice(["*/15", "0", "30", "0,30", "10-50/20", "*"])
                    text = f"{minute} {hour} * * *"
                    cases.append((name, text, change + chance.randrange(-14400, 7200)))
        following = ask([f"next {moment} {name} {text}" for name, text, moment in cases])
        former = ask([f"previous {moment} {name} {text}" for name, text, moment in cases])
        for (name, text, moment), later, earlier in zip(cases, following, former):
            fires = sorted(self.search(zoneinfo.ZoneInfo(name), text, moment))
            self.assertEqual(int(later), min(f for f in fires if f > moment), (name, text, moment))
            self.assertEqual(int(earlier), max(f for f in fires if f < moment), (name, text, moment))

    def search(self, zone, text, moment):
        """All moments within three days; hours and minutes only."""
        minute, hour = text.split()[:2]

        def fits(wall):
            return wall.minute in croniter_values(minute, 60) and wall.hour in croniter_values(hour, 24)

        begin = moment // 60 * 60 - 86400 * 3
        minutes = range(begin, begin + 86400 * 6, 60)
        walls = [local_of(zone, m) for m in minutes]
        if "*" in (minute[0], hour[0]):
            return {m for m, wall in zip(minutes, walls) if fits(wall)}
        found, seen = set(), set()
        for i, (m, wall) in enumerate(zip(minutes, walls)):
            if fits(wall) and wall not in seen:
                found.add(m)
            seen.add(wall)
            if i > 0 and (wall - walls[i - 1]).total_seconds() > 60:
                missing = walls[i - 1] + datetime.timedelta(minutes=1)
                while missing < wall:
                    if fits(missing):
                        found.add(m)
                    missing += datetime.timedelta(minutes=1)
        return found


def croniter_values(field, count):
    values = set()
    for item in field.split(","):
        item, _, step = item.partition("/")
        first, _, last = item.partition("-")
        low = 0 if first == "*" else int(first)
        high = count - 1 if first == "*" else int(last or first)
        values.update(range(low, high + 1, int(step or 1)))
    return values


if __name__ == "__main__":
    unittest.main()
