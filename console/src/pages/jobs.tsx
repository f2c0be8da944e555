// What runs, waits and ran; one job as it goes on, and one run as it ended.
import { useState } from 'preact/hooks';
import { api, path } from '../api';
import { changes, progress } from '../events';
import { durationText, numberText, secondsBetween, visibleText } from '../format';
import { CancelButton, CheckOfSet, OrderButton } from '../orders';
import type { PageProps, PageRow } from '../pages';
import { At, Bytes, Name, Progress, State, When, workText } from '../parts/figures';
import { RunLog } from '../parts/log';
import { MoreButton, pageQuery, usePaged } from '../parts/paged';
import { Trouble, Waiting, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { href } from '../router';
import { texts } from '../texts';
import type { Job, Page, Run, RunKind } from '../types';

const KINDS: RunKind[] = ['backup', 'drill', 'restore', 'verify', 'check', 'copy', 'retention', 'prune', 'import', 'export', 'push'];

// Runs beside which the orders for their set stand.
const AGAIN: RunKind[] = ['backup', 'drill', 'verify', 'check'];

function UnderWay() {
    const t = texts.value;
    const reading = useRead((signal) => api<{ jobs: Job[] }>('/api/v1/jobs', { signal }), [], changes.value);
    return (
        <section>
            <h2>{t.jobs.underWay}</h2>
            <Trouble reading={reading} />
            {reading.value === undefined ? !reading.problem && <Waiting /> : reading.value.jobs.length === 0 ? <p class="empty">{t.jobs.nothing}</p> : (
                <div class="cards">
                    {reading.value.jobs.map((job) => (
                        <article key={job.id} class="card" aria-label={`${workText(job)} ${job.set ?? ''}`}>
                            <h3><a href={href`/jobs/${job.id}`}>{workText(job)} {job.set !== null && <Name text={job.set} />}</a> <State state={job.state} /></h3>
                            <p class="faint">{t.causes[job.cause]} · <Name text={job.requested_by} />{job.cancelled && ` · ${t.jobs.stopping}`}</p>
                            {job.state === 'running' && <Progress status={progress.value.get(job.id)} label={t.progressOf(workText(job), job.set ?? '')} />}
                            {!job.cancelled && <div class="buttons"><CancelButton job={job.id} /></div>}
                        </article>
                    ))}
                </div>
            )}
        </section>
    );
}

function Jobs() {
    const t = texts.value;
    const [kind, setKind] = useState('');
    const list = usePaged<Run>(async (after, signal) => {
        const { runs, next } = await api<Page & { runs: Run[] }>('/api/v1/runs' + pageQuery(after) + '&ended=1' + (kind === '' ? '' : path`&kind=${kind}`), { signal });
        return { items: runs, next };
    }, (run) => run.id, [kind]);
    const columns: Column<Run>[] = [
        { title: t.jobs.what, kind: 'main', cell: (run) => <a href={href`/runs/${run.id}`}>{workText(run)} <Name text={run.set} /></a> },
        { title: t.jobs.state, cell: (run) => <State state={run.state} /> },
        { title: t.jobs.ended, cell: (run) => <When time={run.ended_at} /> },
        { title: t.jobs.lasted, kind: 'number', cell: (run) => <Lasted run={run} /> },
        { title: t.jobs.why, kind: 'wide', cell: (run) => t.causes[run.cause] },
        { title: t.jobs.said, kind: 'wide', cell: (run) => run.error === null ? run.bytes > 0 && <Bytes n={run.bytes} /> : <span class="cut"><Name text={run.error} /></span> },
    ];
    return (
        <>
            <h1>{t.jobs.title}</h1>
            <UnderWay />
            <section>
                <div class="title">
                    <h2>{t.jobs.ran}</h2>
                    <label class="filter">{t.jobs.kind}
                        <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
                            <option value="">{t.jobs.all}</option>
                            {KINDS.map((one) => <option key={one} value={one}>{t.kinds[one]}</option>)}
                        </select>
                    </label>
                </div>
                <Trouble reading={list} />
                {list.value ? <Table label={t.jobs.ran} columns={columns} rows={list.value} rowKey={(run) => run.id} empty={t.jobs.none} /> : !list.problem && <Waiting />}
                <MoreButton list={list} />
            </section>
        </>
    );
}

function Lasted({ run }: { run: Run }) {
    const seconds = secondsBetween(run.started_at, run.ended_at);
    return <>{seconds === null ? '–' : durationText(seconds)}</>;
}

// All that is known of a run; what its command told is shown as it is.
function RunFacts({ run }: { run: Run }) {
    const t = texts.value;
    return (
        <>
            {run.error !== null && <div class="trouble" role="alert"><p><Name text={run.error} /></p></div>}
            <dl class="facts">
                <dt>{t.jobs.state}</dt><dd><State state={run.state} />{run.verdict !== null && <> <Name text={run.verdict} /></>}</dd>
                <dt>{t.set}</dt><dd><a href={href`/snapshots/${run.set}`}><Name text={run.set} /></a></dd>
                {run.snapshot !== null && <><dt>{t.snapshot.title}</dt><dd><a href={href`/snapshots/${run.set}/${run.snapshot}`}><code>{run.snapshot.slice(0, 8)}</code></a></dd></>}
                <dt>{t.jobs.why}</dt><dd>{t.causes[run.cause]}, <Name text={run.requested_by} />{run.attempt > 1 && `, ${t.jobs.attempt(run.attempt)}`}</dd>
                <dt>{t.jobs.began}</dt><dd>{run.started_at === null ? '–' : <At time={run.started_at} />}</dd>
                <dt>{t.jobs.ended}</dt><dd>{run.ended_at === null ? '–' : <At time={run.ended_at} />}</dd>
                <dt>{t.jobs.lasted}</dt><dd><Lasted run={run} /></dd>
                {run.files > 0 && <><dt>{t.jobs.files}</dt><dd>{numberText(run.files)}</dd></>}
                {run.bytes > 0 && <><dt>{t.overview.size}</dt><dd><Bytes n={run.bytes} /></dd></>}
                {run.bytes > 0 && <><dt>{t.snapshots.added}</dt><dd><Bytes n={run.bytes_added} /></dd></>}
            </dl>
            {run.details !== null && run.details !== undefined && (
                <details open={run.state === 'failed'}>
                    <summary>{t.jobs.details}</summary>
                    <pre tabIndex={0} aria-label={t.jobs.details}>{JSON.stringify(run.details, null, 2).split('\n').map(visibleText).join('\n')}</pre>
                </details>
            )}
            <RunLog run={run} />
        </>
    );
}

function Head({ run }: { run: Run | undefined }) {
    const t = texts.value;
    return (
        <>
            <p class="crumbs"><a href="#/jobs">{t.jobs.title}</a></p>
            <div class="title">
                <h1>{run ? <>{workText(run)} <Name text={run.set} /></> : t.jobs.one}</h1>
                {run && run.ended_at !== null && AGAIN.includes(run.kind) && (
                    <div class="buttons"><OrderButton set={run.set} kind="backup" /><OrderButton set={run.set} kind="drill" /><CheckOfSet set={run.set} /></div>
                )}
            </div>
        </>
    );
}

function JobPage({ values }: PageProps) {
    const id = values['job']!;
    const reading = useRead((signal) => api<Job & { result: Run }>(path`/api/v1/jobs/${id}`, { signal }), [], changes.value);
    const job = reading.value;
    const isOpen = job?.state === 'queued' || job?.state === 'running';
    return (
        <>
            <Head run={job?.result} />
            <Trouble reading={reading} />
            {job === undefined ? !reading.problem && <Waiting /> : (
                <>
                    {isOpen && (
                        <div class="card">
                            {job.state === 'running' ? <Progress status={progress.value.get(id) ?? job.result.progress ?? undefined} label={texts.value.progressOf(workText(job.result), job.set ?? '')} />
                                : <p>{texts.value.jobs.waits}</p>}
                            {job.cancelled ? <p>{texts.value.jobs.stopping}</p> : <div class="buttons"><CancelButton job={id} /></div>}
                        </div>
                    )}
                    <RunFacts run={job.result} />
                </>
            )}
        </>
    );
}

function RunPage({ values }: PageProps) {
    const reading = useRead((signal) => api<Run>(path`/api/v1/runs/${values['run']!}`, { signal }), [], changes.value);
    return (
        <>
            <Head run={reading.value} />
            <Trouble reading={reading} />
            {reading.value ? <RunFacts run={reading.value} /> : !reading.problem && <Waiting />}
        </>
    );
}

export const jobsPage: PageRow = { path: '/jobs', title: (t) => t.jobs.title, view: Jobs, isInMenu: true };
export const jobPage: PageRow = { path: '/jobs/:job', title: (t) => t.jobs.one, view: JobPage };
export const runPage: PageRow = { path: '/runs/:run', title: (t) => t.jobs.one, view: RunPage };
