// Restores: those that ran, and one from its order to what came of it, its safety snapshot and the way back.
import { useRef, useState } from 'preact/hooks';
import { api, isAdmin, path } from '../api';
import { changes } from '../events';
import { bytesText, numberText, visibleText } from '../format';
import type { PageProps, PageRow } from '../pages';
import { Confirm } from '../parts/confirm';
import { Dialog } from '../parts/dialog';
import { At, Name, State, When } from '../parts/figures';
import { UnderWay, isOpen, useJob } from '../parts/follow';
import { MoreButton, pageQuery, usePaged } from '../parts/paged';
import type { Part } from '../parts/paged';
import { Trouble, Waiting, useRead } from '../parts/read';
import type { Reading } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { tellProblem } from '../parts/toast';
import { go, href } from '../router';
import { texts } from '../texts';
import type { BackupSet, JobSeen, Page, RestoreArguments, RestoreDetails, RestorePoint, Run, Snapshot } from '../types';

const PAGE = 25; // restores that are asked for one by one

type Restore = JobSeen<RestoreDetails, RestoreArguments>;
type What = 'place' | 'folder' | 'base' | 'undo' | 'discard' | 'plan' | 'other';

// The order tells, which only administrators see; else what came of it.
function whatOf(job: Restore): What {
    const told = job.arguments;
    const said = job.result.details;
    if (told?.plan || told?.dry_run || said?.sources || said?.way || said?.dry_run) return 'plan';
    if (told?.discard || said?.phase === 'discarded') return 'discard';
    if (told?.restore || said?.phase) return 'undo';
    if (told?.into !== undefined || told?.tables || told?.schemas || said?.into !== undefined) return 'base';
    if (told?.in_place || said?.restored) return 'place';
    return told?.target !== undefined || said?.total_files !== undefined ? 'folder' : 'other';
}

// Asks for restores with what they told; those that have ended do not change any more and are asked for once.
function useReader(): (query: string, signal: AbortSignal) => Promise<Part<Restore>> {
    const known = useRef(new Map<string, Restore>());
    return async (query, signal) => {
        const { runs, next } = await api<Page & { runs: Run[] }>(`/api/v1/runs${query}`, { signal });
        const ids = runs.flatMap((run) => (run.job === null ? [] : [run.job]));
        const items = await Promise.all(ids.map(async (id) => {
            const job = known.current.get(id) ?? await api<Restore>(path`/api/v1/jobs/${id}`, { signal });
            if (!isOpen(job)) known.current.set(id, job);
            return job;
        }));
        return { items, next };
    };
}

async function* pagesOf(read: (query: string, signal: AbortSignal) => Promise<Part<Restore>>, query: string, signal: AbortSignal): AsyncGenerator<Restore[]> {
    for (let after: string | null = ''; after !== null;) {
        const part: Part<Restore> = await read(path`?kind=restore&limit=${PAGE}` + query + (after === '' ? '' : path`&after=${after}`), signal);
        yield part.items;
        after = part.next;
    }
}

// All restores of the set of one, from that one on: what was done since stands among them.
function useSince(job: Restore): Reading<Restore[]> {
    const read = useReader();
    return useRead(async (signal) => {
        const all: Restore[] = [];
        for await (const some of pagesOf(read, path`&set=${job.result.set}&from=${job.result.created_at}`, signal)) all.push(...some);
        return all;
    }, [job.id], changes.value);
}

// The restore that an undo is about, which came before it; null: it is not known here.
function useFormer(undo: Restore | null): Restore | null {
    const read = useReader();
    return useRead(async (signal) => {
        if (undo === null) return null;
        for await (const some of pagesOf(read, path`&set=${undo.result.set}&until=${undo.result.created_at}`, signal)) {
            const former = some.find((one) => one.result.details?.restored && one.result.details.restore_id === undo.result.details?.restore_id);
            if (former) return former;
        }
        return null;
    }, [undo?.id]).value ?? null;
}

function undoOf(id: string | undefined, all: Restore[] | undefined): Restore | undefined {
    return id === undefined ? undefined : all?.find((one) => one.result.details?.phase !== undefined && one.result.details.restore_id === id && one.state === 'success');
}

function doneText(undo: Restore): string {
    const phase = undo.result.details?.phase ?? '';
    return (texts.value.restores.marks as Record<string, string>)[phase] ?? phase;
}

function Restores() {
    const t = texts.value;
    const read = useReader();
    const list = usePaged<Restore>((after, signal) => read(path`?kind=restore&limit=${PAGE}` + (after === null ? '' : path`&after=${after}`), signal), (job) => job.id, []);
    const rows = list.value?.filter((job) => whatOf(job) !== 'plan');
    const columns: Column<Restore>[] = [
        { title: t.restores.what, kind: 'main', cell: (job) => <a href={href`/restores/${job.id}`}>{t.restores.kinds[whatOf(job)]} <Name text={job.result.set} /></a> },
        { title: t.jobs.state, cell: (job) => <State state={job.state} /> },
        { title: t.jobs.ended, cell: (job) => <When time={job.result.ended_at} /> },
        { title: t.restores.since, cell: (job) => { const undone = undoOf(job.result.details?.restored ? job.result.details.restore_id : undefined, list.value); return undone ? <a href={href`/restores/${undone.id}`}>{doneText(undone)}</a> : ''; } },
        { title: t.restores.by, kind: 'wide', cell: (job) => <Name text={job.requested_by} /> },
    ];
    return (
        <>
            <div class="title"><h1>{t.restores.title}</h1><a class="button main" href="#/snapshots">{t.restores.choose}</a></div>
            <Trouble reading={list} />
            {rows === undefined ? !list.problem && <Waiting /> : <Table label={t.restores.title} columns={columns} rows={rows} rowKey={(job) => job.id} empty={list.isWhole ? t.restores.none : t.restores.noneNew} />}
            <MoreButton list={list} />
            {isAdmin() && <Uploads />}
            <Points />
        </>
    );
}

function Uploads() {
    const t = texts.value;
    const sets = useRead((signal) => api<{ sets: BackupSet[] }>('/api/v1/sets', { signal }), []);
    return (
        <section>
            <h2>{t.upload.title}</h2>
            <p class="faint">{t.upload.why}</p>
            <Trouble reading={sets} />
            <div class="buttons">{sets.value?.sets.filter((set) => set.origin !== 'history').map((set) => <a key={set.name} class="button" href={href`/import/${set.name}`}>{t.upload.into} <Name text={set.name} /></a>)}</div>
        </section>
    );
}

function Points() {
    const t = texts.value;
    const [asked, setAsked] = useState<RestorePoint | null>(null);
    const [isBusy, setBusy] = useState(false);
    const list = usePaged<RestorePoint>(async (after, signal) => {
        const { restore_points, next } = await api<Page & { restore_points: RestorePoint[] }>(`/api/v1/restore-points${pageQuery(after)}`, { signal });
        return { items: restore_points, next };
    }, (one) => one.id, []);
    const columns: Column<RestorePoint>[] = [
        { title: t.points.about, kind: 'main', cell: (one) => <span title={one.snapshot ?? ''}><Name text={one.description === '' ? (one.snapshot ?? one.id).slice(0, 8) : one.description} /></span> },
        { title: t.points.made, cell: (one) => <When time={one.created_at} /> },
        { title: t.points.expires, kind: 'wide', cell: (one) => <When time={one.expires_at} never={t.points.never} /> },
        { title: t.points.verified, cell: (one) => one.verified ? t.points.yes : t.points.no },
        { title: t.jobs.one, kind: 'wide', cell: (one) => one.run === null ? '' : <a href={href`/runs/${one.run}`}>{t.points.run}</a> },
        { title: t.points.drop, cell: (one) => isAdmin() && <button type="button" aria-label={`${t.points.drop}: ${one.description}`} onClick={() => setAsked(one)}>{t.points.drop}</button> },
    ];
    async function drop(point: RestorePoint): Promise<void> {
        setBusy(true);
        try {
            await api(path`/api/v1/restore-points/${point.id}`, { method: 'DELETE' });
            list.again();
        } catch (error) {
            tellProblem(error);
        }
        setBusy(false);
        setAsked(null);
    }
    return (
        <section>
            <h2>{t.points.title}</h2>
            <p class="faint">{t.points.why}</p>
            <Trouble reading={list} />
            {list.value && <Table label={t.points.title} columns={isAdmin() ? columns : columns.slice(0, -1)} rows={list.value} rowKey={(one) => one.id} empty={t.points.none} />}
            <MoreButton list={list} />
            {asked && (
                <Dialog title={t.points.dropTitle} onClose={() => setAsked(null)}>
                    <p><Name text={asked.description} /></p><p>{t.points.dropWhy}</p>
                    <div class="buttons"><button type="button" autofocus onClick={() => setAsked(null)}>{t.cancel}</button>
                        <button type="button" class="danger" disabled={isBusy} onClick={() => void drop(asked)}>{t.points.drop}</button></div>
                </Dialog>
            )}
        </section>
    );
}

function Places({ title, places }: { title: string; places: string[] | undefined }) {
    if (!places?.length) return null;
    return <><dt>{title}</dt><dd class="stores">{places.map((one) => <span key={one} class="chip calm"><Name text={one} /></span>)}</dd></>;
}

// Of a restore that failed the safety snapshot is not told; it is the one that was made meanwhile.
function MadeMeanwhile({ job }: { job: Restore }) {
    const t = texts.value;
    const run = job.result;
    const list = useRead((signal) => api<{ snapshots: Snapshot[] }>(path`/api/v1/sets/${run.set}/snapshots?tag=safety&limit=10`, { signal }), [run.set]);
    const made = list.value?.snapshots.find((one) => run.started_at !== null && run.ended_at !== null && Date.parse(one.time) >= Date.parse(run.started_at) - 1000 && Date.parse(one.time) <= Date.parse(run.ended_at));
    return made ? <p>{t.restores.safetyMade} <a href={href`/snapshots/${run.set}/${made.id}`}><code>{made.short_id}</code></a></p> : null;
}

function BackButtons({ job, all }: { job: Restore; all: Restore[] }) {
    const t = texts.value;
    const [asked, setAsked] = useState<'undo' | 'discard' | null>(null);
    const id = job.result.details!.restore_id!;
    const undone = undoOf(id, all);
    const phase = undone?.result.details?.phase;
    return (
        <>
            {undone && <p class="note warn">{t.restores.later} <a href={href`/restores/${undone.id}`}>{doneText(undone)}</a>, <When time={undone.result.ended_at} /></p>}
            {isAdmin() && phase !== 'discarded' && (
                <div class="buttons">
                    {undone === undefined && <button type="button" class="danger" onClick={() => setAsked('undo')}>{t.restores.undo}</button>}
                    <button type="button" onClick={() => setAsked('discard')}>{t.restores.discard}</button>
                </div>
            )}
            {asked && (
                <Dialog title={asked === 'undo' ? t.restores.undoTitle : t.restores.discardTitle} onClose={() => setAsked(null)}>
                    <p>{asked === 'undo' ? t.restores.undoWhy : t.restores.discardWhy}</p>
                    <Confirm to={path`/api/v1/sets/${job.result.set}/undo`} body={{ restore: id, ...(asked === 'discard' ? { discard: true } : {}) }} word={job.result.set} isDanger
                        label={asked === 'undo' ? t.restores.undo : t.restores.discard} onCancel={() => setAsked(null)} onGiven={(order) => go(href`/restores/${order}`)} />
                </Dialog>
            )}
        </>
    );
}

function Done({ job }: { job: Restore }) {
    const t = texts.value;
    const said = job.result.details ?? {};
    const what = whatOf(job);
    const isBack = what === 'undo' || what === 'discard';
    const former = useFormer(isBack ? job : null);
    const all = useSince(former ?? job);
    if (isBack) {
        const phases: Record<string, string> = t.restores.phases;
        return (
            <>
                <p class="verdict good">{phases[said.phase ?? ''] ?? said.phase}</p>
                {former && <p><a href={href`/restores/${former.id}`}>{t.restores.former}</a></p>}
                {former && said.phase === 'undone' && (all.value ? <BackButtons job={former} all={all.value} /> : <Trouble reading={all} />)}
            </>
        );
    }
    if (what === 'folder') {
        return (
            <>
                <p class={said.error_count || said.warning_count ? 'verdict warn' : 'verdict good'}>{t.restores.inFolder(numberText(said.files_restored ?? 0), bytesText(said.bytes_restored ?? 0))} {job.arguments?.target !== undefined && <Name text={job.arguments.target} />}</p>
                <dl class="facts">
                    <dt>{t.restore.verifyShort}</dt><dd>{said.files_verified ? t.restores.verified(numberText(said.files_verified)) : t.restores.notVerified}</dd>
                    {!!said.warning_count && <><dt>{t.restores.warnings}</dt><dd>{numberText(said.warning_count)}</dd></>}
                </dl>
            </>
        );
    }
    if (what === 'base') {
        return (
            <>
                <p class="verdict good">{texts.value.base.done(t.restore.tables(said.tables ?? 0, numberText(said.tables ?? 0), numberText(said.rows ?? 0)))} <Name text={said.into ?? ''} /></p>
                <p class="faint">{job.arguments?.data_only ? texts.value.base.notCompared : texts.value.base.compared}</p>
            </>
        );
    }
    if (what !== 'place') return <p><State state={job.state} /></p>;
    if (all.value === undefined) return all.problem ? <Trouble reading={all} /> : <Waiting />;
    const isUndone = all.value.some((one) => one.state === 'success' && one.result.details?.restore_id === said.restore_id && one.result.details?.phase === 'undone');
    return (
        <>
            <Trouble reading={all} />
            {isUndone ? <p class="verdict calm">{t.restores.wasRestored}</p>
                : <p class={said.stays?.length ? 'verdict warn' : 'verdict good'}>{said.stays?.length ? t.restores.partly : t.restores.restored}</p>}
            <dl class="facts">
                <Places title={t.restores.isBack} places={said.restored} />
                <Places title={t.restores.stays} places={said.stays} />
                <dt>{t.restores.health}</dt><dd>{said.health_checks ? t.restores.healthy(said.health_checks) : t.restores.noHealth}</dd>
                <dt>{t.restores.safety}</dt><dd>{said.safety_snapshot_id ? <><a href={href`/snapshots/${job.result.set}/${said.safety_snapshot_id}`}><code>{said.safety_snapshot_id.slice(0, 8)}</code></a> {t.restores.safetyWhat}</> : t.restores.noSafety}</dd>
                {said.snapshot_id && <><dt>{t.restore.from}</dt><dd><a href={href`/snapshots/${job.result.set}/${said.snapshot_id}`}><code>{said.snapshot_id.slice(0, 8)}</code></a></dd></>}
            </dl>
            <BackButtons job={job} all={all.value} />
        </>
    );
}

// Which state a restore that did not succeed has left, as far as its own last words say so.
function stateAfter(job: Restore): string {
    const t = texts.value.restores;
    const said = job.result.error ?? '';
    if (/; the state before is back(, and start has run)?$/.test(said)) return t.isBefore;
    if (/; nothing was changed(, and start has run)?$/.test(said)) return t.isUntouched;
    return job.state === 'failed' ? t.sentence : t.stopped;
}

function againAt(set: string, what: string): string {
    const end = what.indexOf(':');
    return href`/restore/${set}/${end < 0 ? what : what.slice(0, end)}?path=${end < 0 ? '/' : what.slice(end + 1)}`;
}

function RestoredPage({ values }: PageProps) {
    const t = texts.value;
    const reading = useJob<RestoreDetails, RestoreArguments>(values['job']!);
    const job = reading.value;
    const what = job ? whatOf(job) : 'other';
    return (
        <>
            <p class="crumbs"><a href="#/restores">{t.restores.title}</a></p>
            <h1>{t.restores.kinds[what]} {job && <Name text={job.result.set} />}</h1>
            <Trouble reading={reading} />
            {!job ? !reading.problem && <Waiting /> : isOpen(job) ? (
                <>
                    <UnderWay job={job} label={`${t.restores.kinds[what]} ${visibleText(job.result.set)}`} />
                    {what === 'place' && <p class="note">{t.restores.meanwhile}</p>}
                </>
            ) : job.state === 'success' ? <Done job={job} /> : (
                <>
                    <div class="verdict bad" role="alert"><p>{t.restores.ended[what]} <State state={job.state} /></p>{job.result.error !== null && <p class="said"><Name text={job.result.error} /></p>}</div>
                    {what === 'place' && <p class="note"><b>{stateAfter(job)}</b></p>}
                    {what === 'base' && <p class="note"><b>{texts.value.base.allOrNothing}</b></p>}
                    {what === 'place' && <MadeMeanwhile job={job} />}
                    {isAdmin() && (what === 'place' || what === 'folder' || what === 'base') && job.arguments?.snapshot !== undefined && <p><a class="button" href={againAt(job.result.set, job.arguments.snapshot)}>{t.restores.again}</a></p>}
                </>
            )}
            {job && <p class="faint">{t.restores.ordered} <At time={job.result.created_at} />, <Name text={job.requested_by} /> · <a href={href`/jobs/${job.id}`}>{t.restores.all}</a></p>}
        </>
    );
}

export const restoresPage: PageRow = { path: '/restores', title: (t) => t.restores.title, view: Restores, isInMenu: true, inMenu: (t) => t.restores.inMenu };
export const restoredPage: PageRow = { path: '/restores/:job', title: (t) => t.restores.one, view: RestoredPage };
