// A job that was ordered on a page, from its place in the queue to its end.
import { api, path } from '../api';
import { changes, progress } from '../events';
import { CancelButton } from '../orders';
import { texts } from '../texts';
import type { JobSeen } from '../types';
import { Progress } from './figures';
import { useRead } from './read';
import type { Reading } from './read';

export function useJob<D, A extends object = object>(id: string | null): Reading<JobSeen<D, A> | null> {
    return useRead(async (signal) => (id === null ? null : api<JobSeen<D, A>>(path`/api/v1/jobs/${id}`, { signal })), [id], changes.value);
}

export const isOpen = (job: JobSeen<unknown>): boolean => job.state === 'queued' || job.state === 'running';

export function UnderWay({ job, label }: { job: JobSeen<unknown>; label: string }) {
    const t = texts.value;
    return (
        <div class="card" role="status">
            <p><b>{label}</b></p>
            {job.state === 'queued' ? <p>{t.jobs.waits}</p> : <Progress status={progress.value.get(job.id) ?? job.result.progress ?? undefined} label={label} />}
            {job.cancelled ? <p>{t.jobs.stopping}</p> : <div class="buttons"><CancelButton job={job.id} /></div>}
        </div>
    );
}
