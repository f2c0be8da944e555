// Tables of the databases in a snapshot: how many rows they have, the first of them, and all as a file.
import { useMemo, useState } from 'preact/hooks';
import { isAdmin, path } from '../api';
import { numberText, visibleText } from '../format';
import type { PageProps, PageRow } from '../pages';
import { RowsPreview } from '../parts/content';
import { download } from '../parts/download';
import { Bytes, Name } from '../parts/figures';
import { Waiting, problemText } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { href } from '../router';
import { texts } from '../texts';
import type { Database, StoredTable } from '../types';
import { tableName, useLines } from './diff';
import { isBase, namedTable } from './restore_base';

function TablesPage({ values }: PageProps) {
    const set = values['set']!;
    const snapshot = values['snapshot']!;
    const t = texts.value;
    const [filter, setFilter] = useState('');
    const [looked, setLooked] = useState<StoredTable | null>(null);
    const found = useLines<Database | StoredTable>(path`/api/v1/sets/${set}/snapshots/${snapshot}/tables`, (line) => line.struct_type !== undefined);
    const tables = useMemo(() => found.items.filter((one): one is StoredTable => one.struct_type === 'table'), [found.items]);
    const torn = found.items.filter((one): one is Database => one.struct_type === 'database' && !one.has_manifest);
    const word = filter.toLowerCase();
    const rows = useMemo(() => tables.filter((one) => `${one.database} ${tableName(one)}`.toLowerCase().includes(word)), [tables, word]);
    // Those of PostgreSQL have a file each; SQLite's are in the database.
    const hasRows = (table: StoredTable): boolean => table.path !== undefined || (table.database.startsWith('/sqlite/') && table.kind !== 'virtual');
    const address = (table: StoredTable): string => table.path !== undefined ? path`/api/v1/sets/${set}/snapshots/${snapshot}/rows?path=${table.path}`
        : path`/api/v1/sets/${set}/snapshots/${snapshot}/rows?path=${table.database}&table=${table.name}`;
    const columns: Column<StoredTable>[] = [
        { title: t.look.table, kind: 'main', cell: (one) => <Name text={tableName(one)} />, sort: (a, b) => (tableName(a) < tableName(b) ? -1 : 1) },
        { title: t.look.database, kind: 'wide', cell: (one) => <Name text={one.database} />, sort: (a, b) => (a.database < b.database ? -1 : 1) },
        { title: t.look.rows, kind: 'number', cell: (one) => one.rows === undefined ? '–' : numberText(one.rows), sort: (a, b) => (a.rows ?? -1) - (b.rows ?? -1) },
        { title: t.overview.size, kind: 'wide', cell: (one) => one.bytes === undefined ? '–' : <Bytes n={one.bytes} />, sort: (a, b) => (a.bytes ?? -1) - (b.bytes ?? -1) },
        { title: t.snapshot.get, cell: (one) => {
            if (!isAdmin()) return '';
            if (!hasRows(one)) return <span class="faint" title={t.look.noFileWhy}>{t.look.noFile}</span>;
            return (
                <span class="buttons">
                    <button type="button" aria-label={`${t.look.preview}: ${visibleText(tableName(one))}`} onClick={() => setLooked(one)}>{t.look.preview}</button>
                    {isBase(one.database) && <a href={href`/restore/${set}/${snapshot}?path=${one.database}&table=${namedTable(one)}`} aria-label={`${t.restore.this}: ${visibleText(tableName(one))}`}>{t.restore.this}</a>}
                    {['csv', 'json'].map((format) => (
                        <button key={format} type="button" aria-label={`${format.toUpperCase()}: ${visibleText(tableName(one))}`}
                            onClick={() => void download(`${address(one)}&format=${format}`, tableName(one))}>{format.toUpperCase()}</button>
                    ))}
                </span>
            );
        } },
    ];
    return (
        <>
            <p class="crumbs"><a href="#/snapshots">{t.snapshots.title}</a> / <a href={href`/snapshots/${set}`}><Name text={set} /></a> / <a href={href`/snapshots/${set}/${snapshot}`}>{t.snapshot.title}</a></p>
            <h1>{t.look.tables}</h1>
            {found.problem && <div class="trouble" role="alert"><p>{problemText(found.problem)} {found.items.length > 0 && t.snapshot.notWhole}</p></div>}
            {!found.isWhole && !found.problem && <Waiting />}
            {torn.map((one) => <p key={one.path} class="wrong"><Name text={one.path} />: {t.look.torn}</p>)}
            {(found.isWhole || tables.length > 0) && (
                <>
                    <label class="filter">{t.look.filter}<input type="search" value={filter} onInput={(event) => setFilter(event.currentTarget.value)} /></label>
                    <Table label={t.look.tables} columns={columns} rows={rows} rowKey={(one) => JSON.stringify([one.database, one.schema, one.name])} empty={tables.length === 0 ? t.look.noTables : t.snapshots.noMatch} />
                </>
            )}
            {looked && <RowsPreview address={address(looked)} title={visibleText(tableName(looked))} total={looked.rows} onClose={() => setLooked(null)} />}
        </>
    );
}

export const tablesPage: PageRow = { path: '/snapshots/:set/:snapshot/tables', title: (t, values) => `${values['set']} · ${t.look.tables}`, view: TablesPage };
