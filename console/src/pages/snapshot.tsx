// A snapshot: what it is, and its files, which can be walked through and downloaded.
import { useEffect, useState } from 'preact/hooks';
import { Problem, api, isAdmin, lines, path, readSession, session } from '../api';
import { exactText, visibleText } from '../format';
import { OrderButton } from '../orders';
import type { PageProps, PageRow } from '../pages';
import { At, Bytes, Name } from '../parts/figures';
import { askProof } from '../parts/proof';
import { Trouble, Waiting, problemFrom, problemText, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { tell, tellProblem } from '../parts/toast';
import { href } from '../router';
import { texts } from '../texts';
import type { Entry, Run, Session, Snapshot } from '../types';
import { Verdict } from './snapshots';

const PROOF_MS = 4 * 60 * 1000; // the service wants one that is not older than five minutes

// The browser takes it to the disk as it comes; the service asks for a proof, which has to be there before.
async function download(set: string, snapshot: string, file: string): Promise<void> {
    try {
        if (!(await readSession())) return;
        const proved = (session.value as Session & { proved_at: string | null }).proved_at;
        if ((proved === null || Date.now() - Date.parse(proved) > PROOF_MS) && !(await askProof())) return;
        const link = document.createElement('a');
        link.href = path`/api/v1/sets/${set}/snapshots/${snapshot}/content?path=${file}`;
        link.download = '';
        link.click();
        tell(texts.value.snapshot.begun(visibleText(file)));
    } catch (error) {
        tellProblem(error);
    }
}

interface Folder {
    entries: Entry[];
    isWhole: boolean;
    problem: Problem | null;
}

// Directories first; else as the snapshot has them.
function useFolder(set: string, snapshot: string, at: string): Folder {
    const [folder, setFolder] = useState<Folder>({ entries: [], isWhole: false, problem: null });
    useEffect(() => {
        const control = new AbortController();
        const directories: Entry[] = [];
        const others: Entry[] = [];
        let shown = 0;
        setFolder({ entries: [], isWhole: false, problem: null });
        const show = (isWhole: boolean, problem: Problem | null): void => setFolder({ entries: [...directories, ...others], isWhole, problem });
        lines<Entry & { struct_type: string }>(path`/api/v1/sets/${set}/snapshots/${snapshot}/files?path=${at}`, (some) => {
            for (const entry of some) {
                if (entry.struct_type !== 'node' || entry.path === at) continue;
                (entry.type === 'dir' ? directories : others).push(entry);
            }
            if (Date.now() - shown < 300) return;
            shown = Date.now();
            show(false, null);
        }, control.signal).then(
            () => show(true, null),
            (error: unknown) => { if (!control.signal.aborted) show(false, problemFrom(error)); });
        return () => control.abort();
    }, [set, snapshot, at]);
    return folder;
}

// What a path may not have when it is asked for (docs/api.md): such things come with their directory only.
const canBeAsked = (entry: Entry): boolean => entry.path_b64 === undefined && !/[\u0000-\u001f\u007f]/.test(entry.path);

function Crumbs({ set, snapshot, at }: { set: string; snapshot: string; at: string }) {
    const parts = at.split('/').filter((part) => part !== '');
    return (
        <nav class="crumbs" aria-label={texts.value.snapshot.where}>
            <a href={href`/snapshots/${set}/${snapshot}`} aria-label={texts.value.snapshot.root}>/</a>
            {parts.map((part, i) => {
                const to = '/' + parts.slice(0, i + 1).join('/');
                return i + 1 === parts.length ? <span key={to} aria-current="page"><Name text={part} /></span>
                    : <span key={to}><a href={href`/snapshots/${set}/${snapshot}?path=${to}`}><Name text={part} /></a> / </span>;
            })}
        </nav>
    );
}

function SnapshotPage({ values, query }: PageProps) {
    const set = values['set']!;
    const snapshot = values['snapshot']!;
    const at = query.get('path') ?? '/';
    const t = texts.value;
    const [filter, setFilter] = useState('');
    const head = useRead((signal) => api<Snapshot>(path`/api/v1/sets/${set}/snapshots/${snapshot}`, { signal }), [set, snapshot]);
    const drills = useRead((signal) => api<{ runs: Run[] }>(path`/api/v1/runs?kind=drill&ended=1&limit=1&snapshot=${snapshot}`, { signal }), [snapshot]);
    const folder = useFolder(set, snapshot, at);
    useEffect(() => setFilter(''), [at]);
    const word = filter.toLowerCase();
    const rows = word === '' ? folder.entries : folder.entries.filter((entry) => entry.name.toLowerCase().includes(word));
    const columns: Column<Entry>[] = [
        { title: t.snapshot.name, kind: 'main', cell: (entry) => entry.type === 'dir' && canBeAsked(entry)
            ? <a class="folder" href={href`/snapshots/${set}/${snapshot}?path=${entry.path}`}><Name text={entry.name} />/</a>
            : <span title={entry.linktarget === undefined ? undefined : `→ ${visibleText(entry.linktarget)}`}><Name text={entry.name} />{entry.type === 'symlink' && <span class="faint"> → <Name text={entry.linktarget ?? ''} /></span>}</span> },
        { title: t.overview.size, kind: 'number', cell: (entry) => entry.size === undefined ? '' : <Bytes n={entry.size} />, sort: (a, b) => (a.size ?? -1) - (b.size ?? -1) },
        { title: t.snapshot.changed, kind: 'wide', cell: (entry) => <span title={exactText(entry.mtime)}><At time={entry.mtime} /></span>, sort: (a, b) => (a.mtime < b.mtime ? -1 : 1) },
        { title: t.snapshot.mode, kind: 'wide', cell: (entry) => <code>{entry.permissions}</code> },
        { title: t.snapshot.get, cell: (entry) => {
            if (!isAdmin() || (entry.type !== 'file' && entry.type !== 'dir')) return '';
            if (!canBeAsked(entry)) return <span class="faint" title={t.snapshot.cannotWhy}>{t.snapshot.cannot}</span>;
            const word = entry.type === 'dir' ? t.snapshot.getTar : t.snapshot.get;
            return <button type="button" aria-label={`${word}: ${visibleText(entry.name)}`} onClick={() => void download(set, snapshot, entry.path)}>{word}</button>;
        } },
    ];
    return (
        <>
            <p class="crumbs"><a href="#/snapshots">{t.snapshots.title}</a> / <a href={href`/snapshots/${set}`}><Name text={set} /></a></p>
            <div class="title">
                <h1>{head.value ? <At time={head.value.time} /> : t.snapshot.title}</h1>
                <div class="buttons"><OrderButton set={set} kind="drill" options={{ snapshot }} /></div>
            </div>
            <Trouble reading={head} />
            {head.value && (
                <dl class="facts">
                    <dt>{t.snapshots.id}</dt><dd><code title={head.value.id}>{head.value.short_id}</code></dd>
                    <dt>{t.snapshots.host}</dt><dd><Name text={head.value.hostname} /></dd>
                    <dt>{t.snapshots.proof}</dt><dd>{drills.value ? <Verdict snapshot={head.value} run={drills.value.runs[0]} /> : '–'}</dd>
                    {head.value.summary?.total_bytes_processed !== undefined && <><dt>{t.overview.size}</dt><dd><Bytes n={head.value.summary.total_bytes_processed} /></dd></>}
                </dl>
            )}
            <Crumbs set={set} snapshot={snapshot} at={at} />
            {folder.problem && <div class="trouble" role="alert"><p>{problemText(folder.problem)} {folder.entries.length > 0 && t.snapshot.notWhole}</p></div>}
            {!folder.isWhole && !folder.problem && <Waiting />}
            {(folder.isWhole || folder.entries.length > 0) && (
                <>
                    <label class="filter">{t.snapshot.filter}<input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} /></label>
                    <Table label={t.snapshot.filesOf(visibleText(at))} columns={columns} rows={rows} rowKey={(entry) => entry.path_b64 ?? entry.path} empty={word === '' ? t.snapshot.empty : t.snapshots.noMatch} />
                    <p class="faint">{t.snapshot.entries(folder.entries.length)}</p>
                </>
            )}
        </>
    );
}

export const snapshotPage: PageRow = { path: '/snapshots/:set/:snapshot', title: (t, values) => `${values['set']} · ${t.snapshot.title}`, view: SnapshotPage };
