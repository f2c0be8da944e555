// A job that was just ordered, until it has ended, and what came of it.
import { api, path } from '../api';
import { changes } from '../events';
import { visibleText } from '../format';
import { href } from '../router';
import { texts } from '../texts';
import type { Job } from '../types';
import { Name, State } from './figures';
import { Trouble, Waiting, useRead } from './read';

export function JobOutcome({ job }: { job: string }) {
    const t = texts.value;
    const reading = useRead((signal) => api<Job>(path`/api/v1/jobs/${job}`, { signal }), [job], changes.value);
    const run = reading.value?.result;
    return (
        <section class="card" aria-live="polite" aria-label={t.jobs.one}>
            <Trouble reading={reading} />
            {!reading.value ? !reading.problem && <Waiting /> : (
                <>
                    <p><a href={href`/jobs/${job}`}>{t.settings.tested}</a> <State state={run?.state ?? reading.value.state} /></p>
                    {run?.error && <p class="wrong"><Name text={run.error} /></p>}
                    {run?.details !== null && run?.details !== undefined && (
                        <pre tabIndex={0} aria-label={t.jobs.details}>{JSON.stringify(run.details, null, 2).split('\n').map(visibleText).join('\n')}</pre>
                    )}
                </>
            )}
        </section>
    );
}
