// What differs between two snapshots of a set: files with their sizes, tables with their rows.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { Problem, api, lines, path } from '../api';
import { absoluteText, bytesText, numberText, visibleText } from '../format';
import type { PageProps, PageRow } from '../pages';
import { Bytes, Name } from '../parts/figures';
import { Trouble, Waiting, problemFrom, problemText, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { go, href } from '../router';
import { texts } from '../texts';
import type { Change, Page, Snapshot, StoredTable } from '../types';

const SHOWN_MS = 300; // between two looks at what has come
const CHOICES = 200; // snapshots that stand in a choice

interface Found<T> {
    items: T[];
    isWhole: boolean;
    problem: Problem | null;
}

const NONE: Found<never> = { items: [], isWhole: false, problem: null };

// Lines of a list as they come, of those that are wanted; never those of another address.
export function useLines<T>(address: string, keep: (line: T) => boolean): Found<T> {
    const [found, setFound] = useState<Found<T> & { of: string }>({ of: address, ...NONE });
    useEffect(() => {
        const control = new AbortController();
        const all: T[] = [];
        let shown = 0;
        const show = (isWhole: boolean, problem: Problem | null): void => { if (!control.signal.aborted) setFound({ of: address, items: [...all], isWhole, problem }); };
        lines<T>(address, (some) => {
            for (const line of some) if (keep(line)) all.push(line);
            if (Date.now() - shown < SHOWN_MS) return;
            shown = Date.now();
            show(false, null);
        }, control.signal).then(() => show(true, null), (error: unknown) => show(false, problemFrom(error)));
        return () => control.abort();
    }, [address]);
    return found.of === address ? found : NONE;
}

const TONES = { '+': 'good', '-': 'bad', M: 'warn', T: 'warn', U: 'calm' };

function SizeChange({ before, after, text }: { before: number | undefined; after: number | undefined; text: (n: number) => string }) {
    if (before === undefined && after === undefined) return <>–</>;
    const by = (after ?? 0) - (before ?? 0);
    return <span class="number">{by === 0 ? '±0' : `${by > 0 ? '+' : '−'}${text(Math.abs(by))}`}</span>;
}

function Files({ set, from, to }: { set: string; from: string; to: string }) {
    const t = texts.value;
    const [filter, setFilter] = useState('');
    const [kind, setKind] = useState('');
    const found = useLines<Change>(path`/api/v1/sets/${set}/diff?from=${from}&to=${to}`, (line) => line.message_type === 'change');
    const word = filter.toLowerCase();
    const rows = useMemo(() => word === '' && kind === '' ? found.items
        : found.items.filter((one) => (kind === '' || one.modifier === kind) && one.path.toLowerCase().includes(word)), [found.items, word, kind]);
    const sum = useMemo(() => {
        const count = { '+': 0, '-': 0, M: 0, T: 0, U: 0 };
        for (const one of found.items) count[one.modifier]++;
        return count;
    }, [found.items]);
    const by = (one: Change): number => (one.size_after ?? 0) - (one.size_before ?? 0);
    const columns: Column<Change>[] = [
        { title: t.look.path, kind: 'main', cell: (one) => <Name text={one.path} />, sort: (a, b) => (a.path < b.path ? -1 : 1) },
        { title: t.look.change, cell: (one) => <span class={`chip ${TONES[one.modifier]}`}>{t.look.modifiers[one.modifier]}</span> },
        { title: t.look.before, kind: 'wide', cell: (one) => one.size_before === undefined ? '–' : <Bytes n={one.size_before} />, sort: (a, b) => (a.size_before ?? -1) - (b.size_before ?? -1) },
        { title: t.look.after, kind: 'wide', cell: (one) => one.size_after === undefined ? '–' : <Bytes n={one.size_after} />, sort: (a, b) => (a.size_after ?? -1) - (b.size_after ?? -1) },
        { title: t.look.by, kind: 'number', cell: (one) => <SizeChange before={one.size_before} after={one.size_after} text={bytesText} />, sort: (a, b) => by(a) - by(b) },
    ];
    return (
        <section>
            <h2>{t.look.files}</h2>
            {found.problem && <div class="trouble" role="alert"><p>{problemText(found.problem)} {found.items.length > 0 && t.snapshot.notWhole}</p></div>}
            {!found.isWhole && !found.problem && <Waiting />}
            {(found.isWhole || found.items.length > 0) && (
                <>
                    <p>{t.look.changes(numberText(sum['+']), numberText(sum['-']), numberText(sum.M + sum.T))}</p>
                    <div class="choices">
                        <label class="filter">{t.look.filter}<input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} /></label>
                        <label class="filter">{t.look.change}
                            <select value={kind} onChange={(event) => setKind(event.currentTarget.value)}>
                                <option value="">{t.jobs.all}</option>
                                {(['+', '-', 'M', 'T'] as const).map((one) => <option key={one} value={one}>{t.look.modifiers[one]}</option>)}
                            </select>
                        </label>
                    </div>
                    <Table label={t.look.files} columns={columns} rows={rows} rowKey={(one) => one.path_b64 ?? one.path} empty={found.items.length === 0 ? t.look.same : t.snapshots.noMatch} />
                </>
            )}
        </section>
    );
}

interface TablePair {
    name: string;
    change: '+' | '-' | 'M' | '=';
    before: number | undefined;
    after: number | undefined;
}

export const tableName = (table: StoredTable): string => (table.schema === undefined ? table.name : `${table.schema}.${table.name}`);

// By database and name; rows are the same when their sums are, whatever their order.
export function pairTables(before: StoredTable[], after: StoredTable[]): TablePair[] {
    const key = (table: StoredTable): string => JSON.stringify([table.database, table.schema, table.name]);
    const former = new Map(before.map((table) => [key(table), table]));
    const pairs = after.map((table): TablePair => {
        const old = former.get(key(table));
        former.delete(key(table));
        return { name: `${table.database} ${tableName(table)}`, before: old?.rows, after: table.rows,
            change: old === undefined ? '+' : old.hash === table.hash && old.rows === table.rows ? '=' : 'M' };
    });
    for (const table of former.values()) pairs.push({ name: `${table.database} ${tableName(table)}`, before: table.rows, after: undefined, change: '-' });
    return pairs;
}

function Tables({ set, from, to }: { set: string; from: string; to: string }) {
    const t = texts.value;
    const keep = (line: StoredTable): boolean => line.struct_type === 'table';
    const before = useLines<StoredTable>(path`/api/v1/sets/${set}/snapshots/${from}/tables`, keep);
    const after = useLines<StoredTable>(path`/api/v1/sets/${set}/snapshots/${to}/tables`, keep);
    const pairs = useMemo(() => pairTables(before.items, after.items), [before.items, after.items]);
    const problem = before.problem ?? after.problem;
    const changed = useMemo(() => pairs.filter((pair) => pair.change !== '='), [pairs]);
    if (problem) return <section><h2>{t.look.tables}</h2><div class="trouble" role="alert"><p>{problemText(problem)}</p></div></section>;
    if (!before.isWhole || !after.isWhole) return <section><h2>{t.look.tables}</h2><Waiting /></section>;
    if (pairs.length === 0) return null;
    const columns: Column<TablePair>[] = [
        { title: t.look.table, kind: 'main', cell: (one) => <Name text={one.name} />, sort: (a, b) => (a.name < b.name ? -1 : 1) },
        { title: t.look.change, cell: (one) => one.change === '=' ? '' : <span class={`chip ${TONES[one.change]}`}>{t.look.modifiers[one.change]}</span> },
        { title: t.look.before, kind: 'number', cell: (one) => one.before === undefined ? '–' : numberText(one.before) },
        { title: t.look.after, kind: 'number', cell: (one) => one.after === undefined ? '–' : numberText(one.after) },
        { title: t.look.byRows, kind: 'number', cell: (one) => <SizeChange before={one.before} after={one.after} text={(n) => numberText(n)} />,
            sort: (a, b) => (a.after ?? 0) - (a.before ?? 0) - (b.after ?? 0) + (b.before ?? 0) },
    ];
    return (
        <section>
            <h2>{t.look.tables}</h2>
            <p>{t.look.tableChanges(changed.length, pairs.length)}</p>
            <Table label={t.look.tables} columns={columns} rows={changed} rowKey={(one) => one.name} empty={t.look.sameTables} />
        </section>
    );
}

// A snapshot to be chosen among the newest; one that was chosen elsewhere stands there too.
function Choice({ label, set, value, newest, choose }: { label: string; set: string; value: string | undefined; newest: Snapshot[]; choose: (id: string) => void }) {
    const isOlder = value !== undefined && !newest.some((one) => one.id === value);
    const older = useRead((signal) => (isOlder ? api<Snapshot>(path`/api/v1/sets/${set}/snapshots/${value}`, { signal }) : Promise.resolve(null)), [set, isOlder, value]);
    const text = (one: Snapshot): string => `${absoluteText(one.time)} · ${one.short_id}`;
    return (
        <label class="filter">{label}
            <select value={value ?? ''} onChange={(event) => choose(event.currentTarget.value)}>
                {value === undefined && <option value="">–</option>}
                {newest.map((one) => <option key={one.id} value={one.id}>{text(one)}</option>)}
                {isOlder && <option value={value}>{older.value ? text(older.value) : value.slice(0, 8)}</option>}
            </select>
        </label>
    );
}

function DiffPage({ values, query }: PageProps) {
    const set = values['set']!;
    const t = texts.value;
    const list = useRead((signal) => api<Page & { snapshots: Snapshot[] }>(path`/api/v1/sets/${set}/snapshots?limit=${CHOICES}`, { signal }), [set]);
    const all = list.value?.snapshots ?? [];
    const to = query.get('to') || all[0]?.id;
    const at = all.findIndex((one) => one.id === to);
    const from = query.get('from') || (at < 0 ? undefined : all[at + 1]?.id);
    const show = (first: string | undefined, second: string | undefined): void => go(href`/snapshots/${set}/diff?from=${first ?? ''}&to=${second ?? ''}`);
    return (
        <>
            <p class="crumbs"><a href="#/snapshots">{t.snapshots.title}</a> / <a href={href`/snapshots/${set}`}><Name text={set} /></a></p>
            <h1>{t.look.compareTitle}</h1>
            <Trouble reading={list} />
            {list.value === undefined ? !list.problem && <Waiting /> : all.length < 2 ? <p class="empty">{t.look.needsTwo}</p> : (
                <>
                    <div class="choices">
                        <Choice label={t.look.from} set={set} value={from} newest={all} choose={(id) => show(id, to)} />
                        <Choice label={t.look.to} set={set} value={to} newest={all} choose={(id) => show(from, id)} />
                    </div>
                    {list.value.next !== null && <p class="faint">{t.look.newestOnly(all.length)} <a href={href`/snapshots/${set}`}>{t.look.inList}</a></p>}
                    {from === undefined || to === undefined ? <p class="empty">{t.look.chooseFrom}</p> : (
                        <>
                            <Tables key={`t${from}${to}`} set={set} from={from} to={to} />
                            <Files key={`f${from}${to}`} set={set} from={from} to={to} />
                        </>
                    )}
                </>
            )}
        </>
    );
}

export const diffPage: PageRow = { path: '/snapshots/:set/diff', title: (t, values) => `${visibleText(values['set']!)} · ${t.look.compareTitle}`, view: DiffPage };
