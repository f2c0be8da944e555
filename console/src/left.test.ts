// @ts-expect-error the types of Node are not installed for two imports
import { test } from 'node:test';
// @ts-expect-error as above
import assert from 'node:assert';
import { hasLeft, opens, percentOf, totalOf } from './left';
import type { Epoch, KeySlot, KeysLeft, Store } from './types';

const left = (packs: number, bytes: number, newest: number, indexes = 0): KeysLeft => ({
    measured_at: '2026-11-23T05:00:00Z', epoch: 2, packs_left: packs, bytes_left: bytes, index_objects_left: indexes, records_left: 0, snapshots_left: 0,
    packs_left_in_trash: 0, bytes_left_in_trash: 0, unreadable: 0, keys_past: 0, keys_unfinished: 0,
    epochs: [{ epoch: 1, pack_bytes: bytes } as Epoch, { epoch: 2, pack_bytes: newest } as Epoch],
});

test('the share is that of the bytes of packs, and whole only when nothing is left', () => {
    assert.equal(totalOf(left(3, 37, 63)), 100);
    assert.deepEqual([left(3, 37, 63), left(3, 37, 0), left(1, 1, 1e9), left(0, 0, 63, 1), left(0, 0, 63), left(0, 0, 0)].map(percentOf), [63, 0, 99, 99, 100, 100]);
});

test('what was never measured has nothing that is known to be left', () => {
    assert.deepEqual([undefined, { keys: null }, { keys: left(0, 0, 5) }, { keys: left(0, 0, 5, 1) }, { keys: left(2, 9, 5) }].map((one) => hasLeft(one as Store)),
        [false, false, false, true, true]);
});

test('a key opens the repository unless it is said that it does not', () => {
    assert.deepEqual([undefined, 'valid', 'past', 'unfinished', 'damaged', 'other'].map((state) => opens({ state } as KeySlot)), [true, true, false, false, false, false]);
});
