#!/usr/bin/python3
"""The same of a set with a PostgreSQL database beside the others: one of two states, whatever happens.

A restore or undo is killed at, and met by a failure of, each call by which its journal or a place
changes; so it dies on either side of the server's transaction that renames the databases.
"""

import errno
import os
import sys

import in_place_test as in_place
import rig

sys.path.insert(0, os.path.join(rig.HERE, "../support"))
import service_rig  # noqa: E402, where the path above leads


def main():
    with rig.scratch_folder() as folder, service_rig.Postgres("shop") as server:
        world = in_place.World(folder, server)
        for kind in ("fsync", "link"):
            in_place.sweep(in_place.kill_restore, world, kind)
            in_place.sweep(in_place.kill_undo, world, kind)
            in_place.sweep(in_place.fail_restore, world, kind, errno.EIO)
        with in_place.verdicts.case("after all of that the repository is sound") as complaints:
            complaints += rig.check_complaints(world.program)
    in_place.verdicts.finish()


if __name__ == "__main__":
    sys.exit(main())
