// What may be said of all sets at once.  Every alarm is something that needs a person; a sentence that all is well is
// given only when none is left and each set has both a backup and a proof.
import type { BackupSet, Job, Store, Time } from './types';

export type Alarm =
    | { kind: 'never'; set: string; failures: number }
    | { kind: 'failing'; set: string; failures: number; since: Time }
    | { kind: 'late'; set: string; due: Time }
    | { kind: 'drill'; set: string; at: Time | null }
    | { kind: 'paused'; set: string; reason: string }
    | { kind: 'unproven'; set: string }
    | { kind: 'store'; store: string; error: string | null };

export type Verdict =
    | { kind: 'nothing' }
    | { kind: 'alarms'; alarms: Alarm[] }
    | { kind: 'proven'; sets: number; backup: Time; proof: Time };

const LATE_MS = 10 * 60 * 1000; // after what was planned, before it counts as late
function oldest(times: Time[]): Time {
    return times.reduce((a, b) => (a < b ? a : b));
}

export function alarmsOf(set: BackupSet, jobs: Job[], now: number): Alarm[] {
    const alarms: Alarm[] = [];
    const isBusy = jobs.some((job) => job.set === set.name && job.kind === 'backup');
    if (set.last_success_at === null) alarms.push({ kind: 'never', set: set.name, failures: set.failures });
    else if (set.failures > 0) alarms.push({ kind: 'failing', set: set.name, failures: set.failures, since: set.last_success_at });
    if (set.last_drill && set.last_drill.state !== 'success') alarms.push({ kind: 'drill', set: set.name, at: set.last_drill.ended_at });
    if (set.state === 'paused') alarms.push({ kind: 'paused', set: set.name, reason: set.pause_reason ?? '' });
    else if (set.next_at !== null && !isBusy && Date.parse(set.next_at) + LATE_MS < now)
        alarms.push({ kind: 'late', set: set.name, due: set.next_at });
    if (set.last_success_at !== null && set.proven_at === null) alarms.push({ kind: 'unproven', set: set.name });
    return alarms;
}

// What is configured no more is not counted.
export function presentSets(sets: BackupSet[]): BackupSet[] {
    return sets.filter((set) => set.origin !== 'history');
}

export function verdictOf(all: BackupSet[], stores: Store[], jobs: Job[], now: number): Verdict {
    const sets = presentSets(all);
    if (sets.length === 0) return { kind: 'nothing' };
    const order = ['failing', 'never', 'drill', 'store', 'late', 'paused', 'unproven'];
    const used = new Set(sets.flatMap((set) => set.repositories));
    const alarms = [
        ...sets.flatMap((set) => alarmsOf(set, jobs, now)),
        ...stores.filter((store) => store.state === 'down' && used.has(store.name)).map(
            (store): Alarm => ({ kind: 'store', store: store.name, error: store.error })),
    ].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
    if (alarms.length > 0) return { kind: 'alarms', alarms };
    return { kind: 'proven', sets: sets.length, backup: oldest(sets.map((set) => set.last_success_at!)), proof: oldest(sets.map((set) => set.proven_at!)) };
}
