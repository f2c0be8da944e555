// A snapshot: what it is, and its files, which can be walked through and downloaded.
import { useMemo, useState } from 'preact/hooks';
import { api, isAdmin, path } from '../api';
import { visibleText } from '../format';
import { OrderButton } from '../orders';
import type { PageProps, PageRow } from '../pages';
import { Preview } from '../parts/content';
import type { Wanted } from '../parts/content';
import { canBeAsked, contentOf, download } from '../parts/download';
import { At, Bytes, Name } from '../parts/figures';
import { Trouble, Waiting, problemText, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { href } from '../router';
import { texts } from '../texts';
import type { Entry, Snapshot } from '../types';
import { useLines } from './diff';
import { Verdict, useDrill } from './snapshots';

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
    const [filter, setFilter] = useState({ at, text: '' });
    const head = useRead((signal) => api<Snapshot>(path`/api/v1/sets/${set}/snapshots/${snapshot}`, { signal }), [set, snapshot]);
    const drill = useDrill(head.value);
    const folder = useLines<Entry & { struct_type: string }>(path`/api/v1/sets/${set}/snapshots/${snapshot}/files?path=${at}`, (line) => line.struct_type === 'node' && line.path !== at);
    // Directories first; else as the snapshot has them.
    const entries = useMemo(() => [...folder.items.filter((entry) => entry.type === 'dir'), ...folder.items.filter((entry) => entry.type !== 'dir')], [folder.items]);
    const text = filter.at === at ? filter.text : ''; // each folder has its own
    const word = text.toLowerCase();
    const rows = useMemo(() => word === '' ? entries : entries.filter((entry) => entry.name.toLowerCase().includes(word)), [entries, word]);
    const [looked, setLooked] = useState<Wanted | null>(null);
    const columns: Column<Entry>[] = [
        { title: t.snapshot.name, kind: 'main', cell: (entry) => entry.type === 'dir' && canBeAsked(entry)
            ? <a class="folder" href={href`/snapshots/${set}/${snapshot}?path=${entry.path}`}><Name text={entry.name} />/</a>
            : <span title={entry.linktarget === undefined ? undefined : `→ ${visibleText(entry.linktarget)}`}><Name text={entry.name} />{entry.type === 'symlink' && <span class="faint"> → <Name text={entry.linktarget ?? ''} /></span>}</span> },
        { title: t.overview.size, kind: 'number', cell: (entry) => entry.size === undefined ? '' : <Bytes n={entry.size} />, sort: (a, b) => (a.size ?? -1) - (b.size ?? -1) },
        { title: t.snapshot.changed, kind: 'wide', cell: (entry) => <At time={entry.mtime} />, sort: (a, b) => (a.mtime < b.mtime ? -1 : 1) },
        { title: t.snapshot.mode, kind: 'wide', cell: (entry) => <code>{entry.permissions}</code> },
        { title: t.snapshot.get, cell: (entry) => {
            if (!isAdmin() || (entry.type !== 'file' && entry.type !== 'dir')) return '';
            if (!canBeAsked(entry)) return <span class="faint" title={t.snapshot.cannotWhy}>{t.snapshot.cannot}</span>;
            const word = entry.type === 'dir' ? t.snapshot.getTar : t.snapshot.get;
            return (
                <span class="pair">
                    {entry.type === 'file' && (
                        <button type="button" aria-label={`${t.look.preview}: ${visibleText(entry.name)}`}
                            onClick={() => setLooked({ set, snapshot, path: entry.path, size: entry.size })}>{t.look.preview}</button>
                    )}
                    <button type="button" aria-label={`${word}: ${visibleText(entry.name)}`}
                        onClick={() => void download(contentOf(set, snapshot, entry.path), entry.path)}>{word}</button>
                    {entry.type === 'dir' && (
                        <button type="button" aria-label={`${t.snapshot.getZip}: ${visibleText(entry.name)}`} title={t.snapshot.zipWhy}
                            onClick={() => void download(contentOf(set, snapshot, entry.path, 'zip'), entry.path)}>{t.snapshot.getZip}</button>
                    )}
                    <a href={href`/restore/${set}/${snapshot}?path=${entry.path}`} aria-label={`${t.restore.this}: ${visibleText(entry.name)}`}>{t.restore.this}</a>
                </span>
            );
        } },
    ];
    return (
        <>
            <p class="crumbs"><a href="#/snapshots">{t.snapshots.title}</a> / <a href={href`/snapshots/${set}`}><Name text={set} /></a></p>
            <div class="title">
                <h1>{head.value ? <At time={head.value.time} /> : t.snapshot.title}</h1>
                <div class="buttons">
                    {isAdmin() && <a class="button main" href={href`/restore/${set}/${snapshot}?path=${at}`}>{t.restore.this}</a>}
                    <a class="button" href={href`/snapshots/${set}/${snapshot}/tables`}>{t.look.tables}</a>
                    <a class="button" href={href`/snapshots/${set}/diff?to=${snapshot}`}>{t.look.compare}</a>
                    <OrderButton set={set} kind="drill" options={{ snapshot }} />
                </div>
            </div>
            <Trouble reading={head} />
            {head.value && (
                <dl class="facts">
                    <dt>{t.snapshots.id}</dt><dd><code title={head.value.id}>{head.value.short_id}</code></dd>
                    <dt>{t.snapshots.host}</dt><dd><Name text={head.value.hostname} /></dd>
                    <dt>{t.snapshots.proof}</dt><dd><Verdict snapshot={head.value} run={drill} /></dd>
                    {head.value.summary?.total_bytes_processed !== undefined && <><dt>{t.overview.size}</dt><dd><Bytes n={head.value.summary.total_bytes_processed} /></dd></>}
                </dl>
            )}
            <Crumbs set={set} snapshot={snapshot} at={at} />
            {folder.problem && <div class="trouble" role="alert"><p>{problemText(folder.problem)} {entries.length > 0 && t.snapshot.notWhole}</p></div>}
            {!folder.isWhole && !folder.problem && <Waiting />}
            {(folder.isWhole || entries.length > 0) && (
                <>
                    <label class="filter">{t.snapshot.filter}<input type="search" value={text} onInput={(event) => setFilter({ at, text: event.currentTarget.value })} /></label>
                    <Table label={t.snapshot.filesOf(visibleText(at))} columns={columns} rows={rows} rowKey={(entry) => entry.path_b64 ?? entry.path} empty={word === '' ? t.snapshot.empty : t.snapshots.noMatch} />
                    <p class="faint">{t.snapshot.entries(entries.length)}</p>
                </>
            )}
            {looked && <Preview wanted={looked} onClose={() => setLooked(null)} />}
        </>
    );
}

export const snapshotPage: PageRow = { path: '/snapshots/:set/:snapshot', title: (t, values) => `${values['set']} · ${t.snapshot.title}`, view: SnapshotPage };
