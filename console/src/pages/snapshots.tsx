// Sets, and the snapshots of one: along time, filtered, with what drills said of them.
import { useMemo, useState } from 'preact/hooks';
import { api, isAdmin, path } from '../api';
import { changes } from '../events';
import { absoluteText, bytesText, durationText, secondsBetween, visibleText } from '../format';
import { CheckOfSet, OrderButton } from '../orders';
import type { PageProps, PageRow } from '../pages';
import { Chart } from '../parts/chart';
import { At, Bytes, Name, When } from '../parts/figures';
import { Trouble, Waiting, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { tellProblem } from '../parts/toast';
import { href } from '../router';
import { texts } from '../texts';
import type { BackupSet, Page, Run, Snapshot } from '../types';

const PAGE = 200;
const MORE = 1000; // of later pages

function Sets() {
    const t = texts.value;
    const reading = useRead((signal) => api<{ sets: BackupSet[] }>('/api/v1/sets', { signal }), [changes.value]);
    const columns: Column<BackupSet>[] = [
        { title: t.set, kind: 'main', cell: (set) => <a href={href`/snapshots/${set.name}`}><Name text={set.name} /></a> },
        { title: t.overview.lastBackup, cell: (set) => <When time={set.last_success_at} never={t.overview.never} zone={set.time_zone} /> },
        { title: t.overview.lastProof, cell: (set) => <When time={set.proven_at} never={t.overview.never} zone={set.time_zone} /> },
        { title: t.overview.stores, kind: 'wide', cell: (set) => set.origin === 'history' ? t.snapshots.history : set.repositories.join(', ') },
    ];
    return (
        <>
            <h1>{t.snapshots.title}</h1>
            <Trouble reading={reading} />
            {reading.value ? <Table label={t.snapshots.sets} columns={columns} rows={reading.value.sets} rowKey={(set) => set.name} empty={t.overview.nothing} />
                : !reading.problem && <Waiting />}
        </>
    );
}

interface Listed extends Page {
    snapshots: Snapshot[];
}

// Where each snapshot lies between the first and the last, as marks on a line.
function Timeline({ set, snapshots }: { set: string; snapshots: Snapshot[] }) {
    const t = texts.value.snapshots;
    const times = snapshots.map((one) => Date.parse(one.time));
    const first = Math.min(...times);
    const last = Math.max(...times);
    if (snapshots.length < 2 || last === first) return null;
    return (
        <div class="timeline">
            <p class="unseen">{t.timeline(snapshots.length, absoluteText(snapshots.at(-1)!.time), absoluteText(snapshots[0]!.time))}</p>
            <div class="line" aria-hidden="true">
                {snapshots.slice(0, 500).map((one, i) => (
                    <a key={one.id} class={one.incomplete ? 'mark warn' : 'mark'} style={{ left: `${((times[i]! - first) / (last - first)) * 100}%` }}
                        href={href`/snapshots/${set}/${one.id}`} title={`${one.short_id} · ${absoluteText(one.time)}`} tabIndex={-1} />
                ))}
            </div>
            <div class="ends" aria-hidden="true"><span>{absoluteText(snapshots.at(-1)!.time)}</span><span>{absoluteText(snapshots[0]!.time)}</span></div>
        </div>
    );
}

// Size and time of backups that made a snapshot.
function Trend({ runs }: { runs: Run[] }) {
    const t = texts.value.snapshots;
    const language = texts.value;
    const [times, sizes, lasted] = useMemo(() => {
        const made = runs.filter((run) => run.snapshot !== null && run.ended_at !== null).reverse();
        return [
            made.map((run) => Date.parse(run.ended_at!) / 1000),
            [{ label: t.stored, color: '--accent', values: made.map((run) => run.bytes) }, { label: t.added, color: '--warn', values: made.map((run) => run.bytes_added) }],
            [{ label: t.lasted, color: '--accent', values: made.map((run) => secondsBetween(run.started_at, run.ended_at)) }],
        ] as const;
    }, [runs, language]);
    if (times.length < 2) return null;
    return (
        <div class="charts">
            <figure><figcaption>{t.sizeChart}</figcaption><Chart label={t.chartOf(t.sizeChart, times.length)} times={times} series={[...sizes]} text={bytesText} isBytes /></figure>
            <figure><figcaption>{t.timeChart}</figcaption><Chart label={t.chartOf(t.timeChart, times.length)} times={times} series={[...lasted]} text={durationText} /></figure>
        </div>
    );
}

function SetPage({ values }: PageProps) {
    const set = values['set']!;
    const t = texts.value;
    const [filter, setFilter] = useState('');
    const [more, setMore] = useState<Listed | null>(null);
    const [isBusy, setBusy] = useState(false);
    const list = useRead(async (signal) => {
        setMore(null);
        return api<Listed>(path`/api/v1/sets/${set}/snapshots?limit=${PAGE}`, { signal });
    }, [changes.value]);
    const drills = useRead((signal) => api<{ runs: Run[] }>(path`/api/v1/runs?kind=drill&ended=1&limit=1000&set=${set}`, { signal }), [changes.value]);
    const backups = useRead((signal) => api<{ runs: Run[] }>(path`/api/v1/runs?kind=backup&ended=1&limit=100&set=${set}`, { signal }), [changes.value]);
    const whole = useRead((signal) => api<BackupSet>(path`/api/v1/sets/${set}`, { signal }), [set]);
    const zone = whole.value?.time_zone;
    const all = useMemo(() => [...(list.value?.snapshots ?? []), ...(more?.snapshots ?? [])], [list.value, more]);
    const next = more ? more.next : list.value?.next ?? null;
    const word = filter.toLowerCase();
    const rows = useMemo(() => word === '' ? all : all.filter((one) => [one.id, one.hostname, absoluteText(one.time), ...(one.tags ?? [])].some((text) => text.toLowerCase().includes(word))), [all, word]);
    const verdicts = new Map((drills.value?.runs ?? []).filter((run) => run.snapshot !== null).reverse().map((run) => [run.snapshot, run]));
    const columns: Column<Snapshot>[] = [
        { title: t.snapshots.time, kind: 'main', cell: (one) => <a href={href`/snapshots/${set}/${one.id}`}><At time={one.time} zone={zone} /></a>, sort: (a, b) => Date.parse(a.time) - Date.parse(b.time) },
        { title: t.snapshots.id, kind: 'wide', cell: (one) => <code>{one.short_id}</code> },
        { title: t.snapshots.proof, cell: (one) => <Verdict snapshot={one} run={verdicts.get(one.id)} /> },
        { title: t.overview.size, kind: 'number', cell: (one) => one.summary?.total_bytes_processed === undefined ? '–' : <Bytes n={one.summary.total_bytes_processed} />,
            sort: (a, b) => (a.summary?.total_bytes_processed ?? 0) - (b.summary?.total_bytes_processed ?? 0) },
        { title: t.snapshots.host, kind: 'wide', cell: (one) => <Name text={one.hostname} /> },
        { title: t.snapshots.tags, kind: 'wide', cell: (one) => (one.tags ?? []).map((tag) => <span key={tag} class="chip calm"><Name text={tag} /></span>) },
    ];

    async function readMore(): Promise<void> {
        setBusy(true);
        try {
            const page = await api<Listed>(path`/api/v1/sets/${set}/snapshots?limit=${MORE}&after=${next!}`);
            setMore({ snapshots: [...(more?.snapshots ?? []), ...page.snapshots], next: page.next });
        } catch (error) {
            tellProblem(error);
        }
        setBusy(false);
    }
    return (
        <>
            <p class="crumbs"><a href="#/snapshots">{t.snapshots.title}</a></p>
            <div class="title">
                <h1><Name text={set} /></h1>
                <div class="buttons">
                    <a class="button" href={href`/snapshots/${set}/search`}>{t.look.search}</a>
                    <a class="button" href={href`/snapshots/${set}/diff`}>{t.look.compare}</a>
                    <OrderButton set={set} kind="backup" /><OrderButton set={set} kind="drill" /><CheckOfSet set={set} />
                    {isAdmin() && <a class="button" href={href`/import/${set}`}>{t.upload.open}</a>}
                </div>
            </div>
            <Trouble reading={list} />
            {list.value === undefined ? !list.problem && <Waiting /> : (
                <>
                    <Timeline set={set} snapshots={all} />
                    <label class="filter">{t.snapshots.filter}<input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} /></label>
                    <Table label={t.snapshots.of(visibleText(set))} columns={columns} rows={rows} rowKey={(one) => one.id} empty={word === '' ? t.snapshots.none : t.snapshots.noMatch} />
                    {next !== null && <p><button type="button" disabled={isBusy} onClick={() => void readMore()}>{t.snapshots.more(all.length)}</button></p>}
                </>
            )}
            <Trouble reading={backups} />
            {backups.value && <Trend runs={backups.value.runs} />}
        </>
    );
}

// What the newest drill of a snapshot said.
export function Verdict({ snapshot, run }: { snapshot: Snapshot; run: Run | undefined }) {
    const t = texts.value.snapshots;
    return (
        <>
            {snapshot.incomplete ? <span class="chip warn">{t.incomplete(snapshot.incomplete)}</span> : null}
            {run === undefined ? <span class="faint">{t.notProven}</span>
                : <a href={href`/runs/${run.id}`}><span class={`chip ${run.state === 'success' ? 'good' : 'bad'}`}>{run.state === 'success' && run.verdict === 'proven' ? t.proven : run.state === 'success' ? run.verdict ?? texts.value.states.success : texts.value.states[run.state]}</span></a>}
        </>
    );
}

export const snapshotsPage: PageRow = { path: '/snapshots', title: (t) => t.snapshots.title, view: Sets, isInMenu: true };
export const setPage: PageRow = { path: '/snapshots/:set', title: (_, values) => values['set']!, view: SetPage };
