// Whether everything is safe: one sentence, what needs somebody, and a card for each set.
import { api } from '../api';
import { changes, progress } from '../events';
import { durationText, relativeText, secondsBetween, visibleText } from '../format';
import { CheckButton, OrderButton } from '../orders';
import type { PageRow } from '../pages';
import { Bytes, Name, Progress, State, When, workText } from '../parts/figures';
import { Trouble, Waiting, useRead } from '../parts/read';
import { Spark } from '../parts/spark';
import { href } from '../router';
import { texts } from '../texts';
import type { Texts } from '../texts';
import type { BackupSet, Job, Run, Store } from '../types';
import { alarmsOf, presentSets, verdictOf } from '../verdict';
import type { Alarm } from '../verdict';

interface Whole {
    sets: BackupSet[];
    stores: Store[];
    jobs: Job[];
    backups: Run[];
    at: number;
}

async function readState(signal: AbortSignal): Promise<Whole> {
    const [sets, stores, jobs, backups] = await Promise.all([
        api<{ sets: BackupSet[] }>('/api/v1/sets', { signal }),
        api<{ stores: Store[] }>('/api/v1/stores', { signal }),
        api<{ jobs: Job[] }>('/api/v1/jobs', { signal }),
        api<{ runs: Run[] }>('/api/v1/runs?kind=backup&ended=1&limit=500', { signal }),
    ]);
    return { sets: sets.sets, stores: stores.stores, jobs: jobs.jobs, backups: backups.runs, at: Date.now() };
}

function alarmText(t: Texts, alarm: Alarm, now: number): string {
    const a = t.overview.alarms;
    switch (alarm.kind) {
        case 'never': return a.never(visibleText(alarm.set), alarm.failures);
        case 'failing': return a.failing(visibleText(alarm.set), relativeText(alarm.since, now), alarm.failures);
        case 'late': return a.late(visibleText(alarm.set), relativeText(alarm.due, now));
        case 'drill': return a.drill(visibleText(alarm.set), alarm.at === null ? '–' : relativeText(alarm.at, now));
        case 'paused': return a.paused(visibleText(alarm.set), visibleText(alarm.reason));
        case 'unproven': return a.unproven(visibleText(alarm.set));
        case 'store': return a.store(visibleText(alarm.store), visibleText(alarm.error ?? ''));
    }
}

const MILD = ['paused', 'unproven'];

function Sentence({ state }: { state: Whole }) {
    const t = texts.value;
    const verdict = verdictOf(state.sets, state.stores, state.jobs, state.at);
    if (verdict.kind === 'nothing') return <p class="verdict calm">{t.overview.nothing}</p>;
    if (verdict.kind === 'proven') {
        return (
            <p class="verdict good">
                {t.overview.proven(verdict.sets, relativeText(verdict.backup, state.at), relativeText(verdict.proof, state.at))}
            </p>
        );
    }
    const [worst, ...others] = verdict.alarms;
    return (
        <section class={MILD.includes(worst!.kind) ? 'verdict warn' : 'verdict bad'}>
            <p>{alarmText(t, worst!, state.at)}</p>
            {others.length > 0 && <ul>{others.map((alarm, i) => <li key={i}>{alarmText(t, alarm, state.at)}</li>)}</ul>}
        </section>
    );
}

function Card({ set, state }: { set: BackupSet; state: Whole }) {
    const t = texts.value.overview;
    const alarms = alarmsOf(set, state.jobs, state.at);
    const jobs = state.jobs.filter((job) => job.set === set.name);
    const backups = state.backups.filter((run) => run.set === set.name);
    const last = backups[0];
    const made = backups.filter((run) => run.snapshot !== null).slice(0, 30);
    const drill = set.last_drill;
    const lasted = made.map((run) => secondsBetween(run.started_at, run.ended_at)).filter((seconds) => seconds !== null);
    const tone = alarms.length === 0 ? 'good' : alarms.every((alarm) => MILD.includes(alarm.kind)) ? 'warn' : 'bad';
    return (
        <article class={`card set ${tone}`} aria-label={visibleText(set.name)}>
            <h2><a href={href`/snapshots/${set.name}`}><Name text={set.name} /></a></h2>
            <dl>
                <dt>{t.lastBackup}</dt><dd><When time={set.last_success_at} never={t.never} zone={set.time_zone} /></dd>
                <dt>{t.lastProof}</dt>
                <dd>
                    <When time={set.proven_at} never={t.never} zone={set.time_zone} />
                    {drill && drill.state !== 'success' && <> <a href={href`/runs/${drill.run}`}><State state={drill.state} /></a></>}
                </dd>
                <dt>{t.nextRun}</dt>
                <dd>{set.state === 'paused' ? t.paused : <When time={set.next_at} never={t.noPlan} zone={set.time_zone} />}</dd>
                <dt>{t.lastRun}</dt>
                <dd>{last ? <a href={href`/runs/${last.id}`}><State state={last.state} /></a> : '–'}{set.failures > 0 && ` ${t.failures(set.failures)}`}</dd>
                <dt>{t.size}</dt>
                <dd>{made[0] ? <><Bytes n={made[0].bytes} /> <Spark label={t.sizes(made.length)} values={made.map((run) => run.bytes).reverse()} /></> : '–'}</dd>
                <dt>{t.took}</dt>
                <dd>{lasted[0] !== undefined ? <>{durationText(lasted[0])} <Spark label={t.durations(lasted.length)} values={lasted.reverse()} /></> : '–'}</dd>
                <dt>{t.stores}</dt>
                <dd class="stores">
                    {set.repositories.length === 0 ? '–' : set.repositories.map((name) => {
                        const store = state.stores.find((one) => one.name === name);
                        const tone = store === undefined ? 'calm' : store.state === 'up' ? 'good' : 'bad';
                        const word = store === undefined ? t.unknown : store.state === 'up' ? t.up : t.down;
                        return <span key={name} class={`chip ${tone}`} title={store?.error ?? undefined}><Name text={name} />: {word}</span>;
                    })}
                </dd>
            </dl>
            {jobs.map((job) => (
                <div key={job.id} class="under-way">
                    <div><a href={href`/jobs/${job.id}`}>{workText(job)}</a> <State state={job.state} /></div>
                    {job.state === 'running' && <Progress status={progress.value.get(job.id)} label={texts.value.progressOf(workText(job), set.name)} />}
                </div>
            ))}
            {set.origin !== 'history' && (
                <div class="buttons"><OrderButton set={set.name} kind="backup" /><OrderButton set={set.name} kind="drill" /><CheckButton set={set.name} repositories={set.repositories} /></div>
            )}
        </article>
    );
}

function Overview() {
    const t = texts.value.overview;
    const reading = useRead(readState, [], changes.value);
    const state = reading.value;
    if (state === undefined) return <><h1>{t.title}</h1>{reading.problem ? <Trouble reading={reading} /> : <Waiting />}</>;
    const weight = (set: BackupSet): number => alarmsOf(set, state.jobs, state.at).length;
    const sets = presentSets(state.sets).sort((a, b) => weight(b) - weight(a));
    return (
        <>
            <h1>{t.title}</h1>
            <Trouble reading={reading} />
            <Sentence state={state} />
            <div class="cards">{sets.map((set) => <Card key={set.name} set={set} state={state} />)}</div>
        </>
    );
}

export const overviewPage: PageRow = { path: '/', title: (t) => t.overview.title, view: Overview, isInMenu: true };
