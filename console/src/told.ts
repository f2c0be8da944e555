// What jobs told last of one repository.  A run names its set; which of the set's repositories it was about stands in the
// arguments of its job, which only admins see and which are forgotten some time.  What cannot be told apart is not shown.
import { api, path } from './api';
import { presentSets } from './verdict';
import type { BackupSet, Job, Run } from './types';

export interface Told {
    check?: Run | undefined;
    parity?: Run | undefined;
    stats?: Run | undefined;
    keys?: Run | undefined;
    prune?: Run | undefined;
}

const LOOK_BACK = 100; // runs of a set
const TRIES = 10; // of one kind whose jobs are asked

export function usersOf(name: string, sets: BackupSet[]): BackupSet[] {
    return presentSets(sets).filter((set) => set.repositories.includes(name));
}

const KINDS: Record<keyof Told, (run: Run) => boolean> = {
    check: (run) => run.kind === 'check' && run.variant === null,
    parity: (run) => run.kind === 'check' && run.variant === 'parity status',
    stats: (run) => run.kind === 'check' && run.variant === 'stats',
    keys: (run) => run.kind === 'check' && run.variant === 'key list',
    prune: (run) => run.kind === 'prune' && run.variant === null,
};

async function isAbout(run: Run, name: string, sets: BackupSet[], signal: AbortSignal): Promise<boolean> {
    if (sets.find((set) => set.name === run.set)?.repositories.length === 1) return true;
    if (run.job === null) return false;
    try {
        const job = await api<Job>(path`/api/v1/jobs/${run.job}`, { signal });
        return isOf(job, name);
    } catch {
        if (signal.aborted) throw signal.reason;
        return false; // it is forgotten
    }
}

export function isOf(job: Job, store: string): boolean {
    return (job.arguments as { repository?: unknown } | null | undefined)?.repository === store;
}

// Which of the things that have the kind "prune" it is: of a job only administrators know.
export function isReencrypting(one: Job | Run): boolean {
    const named = 'variant' in one ? one.variant : (one.arguments as { command?: unknown } | null | undefined)?.command;
    return one.kind === 'prune' && named === 'key reencrypt';
}

export async function readTold(name: string, sets: BackupSet[], signal: AbortSignal): Promise<Told> {
    const lists = await Promise.all(sets.flatMap((set) => ['check', 'prune'].map(
        (kind) => api<{ runs: Run[] }>(path`/api/v1/runs?ended=1&limit=${LOOK_BACK}&set=${set.name}&kind=${kind}`, { signal }))));
    const runs = lists.flatMap((list) => list.runs).sort((a, b) => Date.parse(b.created_at) - Date.parse(a.created_at));
    const told: Told = {};
    await Promise.all((Object.keys(KINDS) as (keyof Told)[]).map(async (kind) => {
        for (const run of runs.filter(KINDS[kind]).slice(0, TRIES)) {
            if (!(await isAbout(run, name, sets, signal))) continue;
            told[kind] = await api<Run>(path`/api/v1/runs/${run.id}`, { signal });
            return;
        }
    }));
    return told;
}
