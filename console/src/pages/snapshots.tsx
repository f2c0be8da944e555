// Sets, and the snapshots of one: along time, filtered, with what drills said of them.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { api, isAdmin, path } from '../api';
import { changes } from '../events';
import { absoluteText, bytesText, durationText, numberText, secondsBetween, visibleText } from '../format';
import { CheckOfSet, OrderButton } from '../orders';
import type { PageProps, PageRow } from '../pages';
import { Chart } from '../parts/chart';
import { At, Bytes, Name, When } from '../parts/figures';
import { MoreButton, usePaged } from '../parts/paged';
import { Trouble, Waiting, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { href } from '../router';
import { language, texts } from '../texts';
import type { BackupSet, Page, Run, Snapshot } from '../types';

const PAGE = 200;
const MORE = 1000; // of later pages
const MARKS = 300; // places on the line of time
const DENSE = 60; // marks that touch each other

function Sets() {
    const t = texts.value;
    const reading = useRead((signal) => api<{ sets: BackupSet[] }>('/api/v1/sets', { signal }), [], changes.value);
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

// With what a list of thousands would else work out again for each look at it.
interface Listed extends Snapshot {
    at: number; // its time in milliseconds
    words: string; // what a filter looks through
}

function listed(one: Snapshot): Listed {
    return { ...one, at: Date.parse(one.time), words: [one.id, one.hostname, absoluteText(one.time), ...(one.tags ?? [])].join('\n').toLowerCase() };
}

interface Mark {
    one: Listed; // the newest there, or one that is incomplete
    count: number;
    place: number; // 0 to 1
}

// At most so many marks, however many snapshots there are.
function marksOf(snapshots: Listed[], first: number, last: number): Mark[] {
    const marks = new Map<number, Mark>();
    for (const one of snapshots) {
        const place = (one.at - first) / (last - first);
        const mark = marks.get(Math.round(place * MARKS));
        if (mark === undefined) marks.set(Math.round(place * MARKS), { one, count: 1, place });
        else {
            mark.count++;
            if (one.incomplete && !mark.one.incomplete) mark.one = one;
        }
    }
    return [...marks.values()];
}

// Where snapshots, newest first, lie between the first and the last, as marks on a line.
function Timeline({ set, snapshots }: { set: string; snapshots: Listed[] }) {
    const t = texts.value.snapshots;
    const first = snapshots.at(-1)?.at ?? 0;
    const last = snapshots[0]?.at ?? 0;
    const marks = useMemo(() => (last > first ? marksOf(snapshots, first, last) : []), [snapshots]);
    if (marks.length === 0) return null;
    return (
        <div class="timeline">
            <p class="unseen">{t.timeline(snapshots.length, absoluteText(snapshots.at(-1)!.time), absoluteText(snapshots[0]!.time))}</p>
            <div class={marks.length > DENSE ? 'line dense' : 'line'} aria-hidden="true">
                {marks.map(({ one, count, place }) => (
                    <a key={one.id} class={one.incomplete ? 'mark warn' : 'mark'} style={{ left: `${place * 100}%` }}
                        href={href`/snapshots/${set}/${one.id}`} title={`${one.short_id} · ${absoluteText(one.time)}${count > 1 ? ` · ${t.andMore(count - 1)}` : ''}`} tabIndex={-1} />
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
    const [chosen, setChosen] = useState<Listed | null>(null);
    const list = usePaged<Listed>(async (after, signal) => {
        const page = path`/api/v1/sets/${set}/snapshots?limit=${after === null ? PAGE : MORE}` + (after === null ? '' : path`&after=${after}`);
        const { snapshots, next } = await api<Page & { snapshots: Snapshot[] }>(page, { signal });
        return { items: snapshots.map(listed), next };
    }, (one) => one.id, [set, language.value]);
    const drills = useRead((signal) => api<Page & { runs: Run[] }>(path`/api/v1/runs?kind=drill&ended=1&limit=1000&set=${set}`, { signal }), [], changes.value);
    const backups = useRead((signal) => api<{ runs: Run[] }>(path`/api/v1/runs?kind=backup&ended=1&limit=100&set=${set}`, { signal }), [], changes.value);
    const whole = useRead((signal) => api<BackupSet>(path`/api/v1/sets/${set}`, { signal }), [set]);
    const zone = whole.value?.time_zone;
    const all = list.value ?? [];
    const word = filter.toLowerCase();
    const rows = useMemo(() => word === '' ? all : all.filter((one) => one.words.includes(word)), [list.value, word]);
    const verdictOf = useMemo(() => verdicts(drills.value), [drills.value]);
    // What is filtered is all that there is.
    useEffect(() => {
        if (word !== '' && !list.isWhole && !list.isBusy && !list.problem) list.more();
    });
    const columns: Column<Listed>[] = [
        { title: t.snapshots.time, kind: 'main', cell: (one) => <a href={href`/snapshots/${set}/${one.id}`}><At time={one.time} zone={zone} /></a>, sort: (a, b) => a.at - b.at },
        { title: t.snapshots.id, kind: 'wide', cell: (one) => <code>{one.short_id}</code> },
        { title: t.snapshots.proof, cell: (one) => <Verdict snapshot={one} run={verdictOf(one)} /> },
        { title: t.overview.size, kind: 'number', cell: (one) => one.summary?.total_bytes_processed === undefined ? '–' : <Bytes n={one.summary.total_bytes_processed} />,
            sort: (a, b) => (a.summary?.total_bytes_processed ?? 0) - (b.summary?.total_bytes_processed ?? 0) },
        { title: t.snapshots.host, kind: 'wide', cell: (one) => <Name text={one.hostname} /> },
        { title: t.snapshots.tags, kind: 'wide', cell: (one) => (one.tags ?? []).map((tag) => <span key={tag} class="chip calm"><Name text={tag} /></span>) },
        { title: t.look.compare, kind: 'wide', cell: (one) => <Choose one={one} chosen={chosen} choose={setChosen} set={set} /> },
    ];

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
                    <p class="faint" role="status">
                        {word !== '' && (list.isWhole ? t.snapshots.found : t.snapshots.foundSoFar)(numberText(rows.length), numberText(all.length))}
                        {chosen !== null && <> {t.snapshots.chosen(absoluteText(chosen.time))}</>}
                    </p>
                    <Table label={t.snapshots.of(visibleText(set))} columns={columns} rows={rows} rowKey={(one) => one.id}
                        empty={word === '' ? t.snapshots.none : list.isWhole ? t.snapshots.noMatch : texts.value.waiting} />
                    <MoreButton list={list} text={t.snapshots.more(all.length)} />
                </>
            )}
            <Trouble reading={backups} />
            {backups.value && <Trend runs={backups.value.runs} />}
        </>
    );
}

// Two of a list to be compared: the first that is chosen stays marked, and with it there all others lead to what differs.
function Choose({ one, chosen, choose, set }: { one: Listed; chosen: Listed | null; choose: (one: Listed | null) => void; set: string }) {
    const t = texts.value;
    if (chosen === null || chosen.id === one.id)
        return <button type="button" aria-pressed={chosen !== null} aria-label={`${t.look.compare}: ${absoluteText(one.time)}`} onClick={() => choose(chosen ? null : one)}>{t.look.compare}</button>;
    const [from, to] = one.at < chosen.at ? [one, chosen] : [chosen, one];
    return <a href={href`/snapshots/${set}/diff?from=${from.id}&to=${to.id}`} aria-label={t.snapshots.compareWith(absoluteText(one.time))}>{t.snapshots.withThis}</a>;
}

// The newest drill of each snapshot, of those that were read; null where that does not tell whether there was one.
function verdicts(drills: (Page & { runs: Run[] }) | undefined): (one: Listed) => Run | undefined | null {
    if (drills === undefined) return () => null;
    const newest = new Map(drills.runs.filter((run) => run.snapshot !== null).reverse().map((run) => [run.snapshot, run]));
    const since = drills.next === null ? 0 : Date.parse(drills.runs.at(-1)!.created_at);
    return (one) => newest.get(one.id) ?? (one.at >= since ? undefined : null);
}

// The newest drill of one snapshot; null where it is not known (yet) whether there was one.
export function useDrill(snapshot: Snapshot | undefined): Run | undefined | null {
    const drills = useRead(async (signal) => snapshot ? api<{ runs: Run[] }>(path`/api/v1/runs?kind=drill&ended=1&limit=1&snapshot=${snapshot.id}`, { signal }) : null, [snapshot?.id], changes.value);
    return drills.value ? drills.value.runs[0] : null;
}

// What the newest drill of a snapshot said; null: that is not known.
export function Verdict({ snapshot, run }: { snapshot: Snapshot; run: Run | undefined | null }) {
    const t = texts.value.snapshots;
    return (
        <>
            {snapshot.incomplete ? <span class="chip warn">{t.incomplete(snapshot.incomplete)}</span> : null}
            {run === null ? <span class="faint">–</span> : run === undefined ? <span class="faint">{t.notProven}</span>
                : <a href={href`/runs/${run.id}`}><span class={`chip ${run.state === 'success' ? 'good' : 'bad'}`}>{run.state === 'success' && run.verdict === 'proven' ? t.proven : run.state === 'success' ? run.verdict ?? texts.value.states.success : texts.value.states[run.state]}</span></a>}
        </>
    );
}

export const snapshotsPage: PageRow = { path: '/snapshots', title: (t) => t.snapshots.title, view: Sets, isInMenu: true };
export const setPage: PageRow = { path: '/snapshots/:set', title: (_, values) => values['set']!, view: SetPage };
