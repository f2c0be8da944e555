// @ts-expect-error the types of Node are not installed for two imports
import { test } from 'node:test';
// @ts-expect-error as above
import assert from 'node:assert';
import type { BackupSet, Job, Store } from './types';
import { verdictOf } from './verdict';

const NOW = Date.parse('2026-11-22T12:00:00Z');
const time = (hours: number): string => new Date(NOW - hours * 3600000).toISOString();
const set = (changes: Partial<BackupSet> = {}): BackupSet => ({
    name: 'shop', origin: 'file', state: 'ok', schedule: '0 2 * * *', time_zone: null, repositories: ['main'], next_at: time(-3), last_success_at: time(2),
    last_failure_at: null, failures: 0, verified_at: time(1), proven_at: time(1), last_drill: null, pause_reason: null, ...changes,
});
const drill = (state: 'success' | 'failed'): BackupSet['last_drill'] => ({ run: '1', state, ended_at: time(2) });
const store = (state: Store['state'], name = 'main'): Store => ({ name, state, error: 'no route' }) as Store;
const backupJob = { set: 'shop', kind: 'backup' } as Job;
const kinds = (sets: BackupSet[], stores: Store[] = [], jobs: Job[] = []): string[] => {
    const verdict = verdictOf(sets, stores, jobs, NOW);
    return verdict.kind === 'alarms' ? verdict.alarms.map((alarm) => alarm.kind) : [verdict.kind];
};

test('all is well only with a backup and a proof of every set, and the oldest of both are told', () => {
    const verdict = verdictOf([set(), set({ name: 'crm', last_success_at: time(9), proven_at: time(30) })], [store('up')], [], NOW);
    assert.deepEqual(verdict, { kind: 'proven', sets: 2, backup: time(9), proof: time(30) });
});
test('a set without a backup is never well', () => {
    assert.deepEqual(kinds([set({ state: 'new', last_success_at: null, proven_at: null })]), ['never']);
    assert.deepEqual(kinds([set({ state: 'failing', failures: 2, last_success_at: null, proven_at: null })]), ['never']);
});
test('a backup that nobody proved is told', () => assert.deepEqual(kinds([set({ proven_at: null })]), ['unproven']));
test('one failure behind a success is told', () => assert.deepEqual(kinds([set({ state: 'failing', failures: 1 })]), ['failing']));
test('a failure is told although the set is paused', () =>
    assert.deepEqual(kinds([set({ state: 'paused', failures: 1, pause_reason: 'move' })]), ['failing', 'paused']));
test('a drill that failed is told until one succeeds', () => {
    assert.deepEqual(kinds([set({ last_drill: drill('failed') })]), ['drill']);
    assert.deepEqual(kinds([set({ last_drill: drill('success') })]), ['proven']);
});
test('a plan that has passed is told, unless the backup is under way', () => {
    assert.deepEqual(kinds([set({ next_at: time(1) })]), ['late']);
    assert.deepEqual(kinds([set({ next_at: time(1) })], [], [backupJob]), ['proven']);
    assert.deepEqual(kinds([set({ next_at: time(0.1) })]), ['proven']);
});
test('a repository that is down is told when a set uses it', () => {
    assert.deepEqual(kinds([set()], [store('down')]), ['store']);
    assert.deepEqual(kinds([set()], [store('down', 'old')]), ['proven']);
});
test('what is configured no more is not counted', () => assert.deepEqual(kinds([set({ origin: 'history', failures: 3 })]), ['nothing']));
test('what is worst stands first', () =>
    assert.deepEqual(kinds([set({ proven_at: null }), set({ name: 'crm', failures: 1 })], [store('down')]), ['failing', 'store', 'unproven']));
