// A PostgreSQL database of a snapshot, or tables of it, into the database of the set or one that is made: what to choose, and the plan of it.
import { useMemo, useState } from 'preact/hooks';
import { path } from '../api';
import { bytesText, numberText, visibleText } from '../format';
import { Confirm } from '../parts/confirm';
import { Bytes, Name } from '../parts/figures';
import { Waiting, problemText } from '../parts/read';
import { texts } from '../texts';
import type { Database, RestoreDetails, StoredTable } from '../types';
import { tableName, useLines } from './diff';

const BASE = /^\/postgres\/[^/]+$/;

export const isBase = (at: string): boolean => BASE.test(at);

// As the command reads names: to the letter, or in quotes as in SQL.
const quoted = (name: string): string => (/[."]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name);
export const namedTable = (table: StoredTable): string => `${quoted(table.schema ?? '')}.${quoted(table.name)}`;

function newName(at: string): string {
    const day = new Date().toISOString().slice(0, 10).replaceAll('-', '');
    return `${at.slice('/postgres/'.length).replace(/[^A-Za-z0-9_]/g, '_').slice(0, 40)}_restored_${day}`;
}

interface Props {
    set: string;
    at: string;
    what: object; // snapshot and repository, for the body
    onGiven: (job: string) => void;
}

export function ChooseDatabase({ set, at, what, onGiven }: Props) {
    const t = texts.value.base;
    const [name, setName] = useState(newName(at));
    return (
        <>
            <label>{t.newName}<input type="text" value={name} maxLength={63} spellcheck={false} onInput={(event) => setName(event.currentTarget.value)} /></label>
            <Confirm key="database" to={path`/api/v1/sets/${set}/restore/plan`} body={{ ...what, into: name }} word={null} label={texts.value.restore.showPlan} onGiven={onGiven} />
        </>
    );
}

type How = 'beside' | 'gone' | 'replace' | 'add' | 'database';

// Of the list: tables by their numbers in it, schemas by theirs.
export function ChooseTables({ set, at, what, onGiven, snapshot, wanted }: Props & { snapshot: string; wanted: string | null }) {
    const t = texts.value.base;
    const found = useLines<Database | StoredTable>(path`/api/v1/sets/${set}/snapshots/${snapshot}/tables`, (line) => line.struct_type === 'table' && line.database === at);
    const tables = found.items as StoredTable[];
    const schemas = useMemo(() => [...new Set(tables.map((one) => one.schema ?? ''))], [found.items]);
    const [picked, setPicked] = useState<string | null>(null);
    const first = Math.max(tables.findIndex((one) => namedTable(one) === wanted), 0);
    const choice = picked ?? (tables.length > 0 ? `t${first}` : '');
    const table = choice.startsWith('t') ? tables[Number(choice.slice(1))] : undefined;
    const [wish, setHow] = useState<How>('beside');
    const how = table === undefined && wish !== 'database' ? 'gone' : wish;
    const [renamed, setRenamed] = useState<string | null>(null);
    const [name, setName] = useState(newName(at));
    const as = renamed ?? (table === undefined ? '' : `${quoted(table.schema ?? '')}.${quoted(`${table.name.slice(0, 50)}_before`)}`);
    if (found.problem) return <p class="trouble" role="alert">{problemText(found.problem)}</p>;
    if (!found.isWhole) return <Waiting />;
    if (tables.length === 0) return <p class="trouble">{texts.value.look.noTables}</p>;
    const body = {
        ...what,
        ...(table !== undefined ? { tables: [namedTable(table)] } : { schemas: [quoted(schemas[Number(choice.slice(1))] ?? '')] }),
        ...(how === 'beside' ? { as } : how === 'replace' ? { in_place: true } : how === 'add' ? { data_only: true } : how === 'database' ? { into: name } : {}),
    };
    return (
        <>
            <label>{t.which}
                <select value={choice} onChange={(event) => { setPicked(event.currentTarget.value); setRenamed(null); }}>
                    <optgroup label={t.tables}>{tables.map((one, i) => <option key={i} value={`t${i}`}>{visibleText(tableName(one))}</option>)}</optgroup>
                    <optgroup label={t.schemas}>{schemas.map((one, i) => <option key={one} value={`s${i}`}>{t.allOf(visibleText(one))}</option>)}</optgroup>
                </select>
            </label>
            <label>{t.how}
                <select value={how} onChange={(event) => setHow(event.currentTarget.value as How)}>
                    {(table === undefined ? ['gone', 'database'] as const : ['beside', 'gone', 'replace', 'add', 'database'] as const).map((one) => <option key={one} value={one}>{t.ways[one]}</option>)}
                </select>
            </label>
            {how === 'beside' && <label>{t.as}<input type="text" value={as} spellcheck={false} onInput={(event) => setRenamed(event.currentTarget.value)} /></label>}
            {how === 'database' && <label>{t.newName}<input type="text" value={name} maxLength={63} spellcheck={false} onInput={(event) => setName(event.currentTarget.value)} /></label>}
            <Confirm key="tables" to={path`/api/v1/sets/${set}/restore/plan`} body={body} word={null} label={texts.value.restore.showPlan} onGiven={onGiven} />
        </>
    );
}

export function BasePlan({ plan }: { plan: RestoreDetails }) {
    const t = texts.value.base;
    const parts = plan.parts ?? [];
    const more = parts.length > 0 ? (plan.tables ?? 0) - parts.length : 0;
    return (
        <>
            <p>{texts.value.restore.tables(plan.tables ?? 0, numberText(plan.tables ?? 0), numberText(plan.rows ?? 0))}, <Bytes n={plan.bytes ?? 0} />
                {!!plan.tables_without_rows && <>, <b>{texts.value.restore.withoutRows(numberText(plan.tables_without_rows))}</b></>}</p>
            {parts.length > 0 && (
                <ul class="sources" aria-label={texts.value.restore.planTitle}>
                    {parts.map((one) => (
                        <li key={`${one.schema}.${one.name}`}>
                            <p><b><Name text={`${one.to_schema}.${one.to_name}`} /></b>{(one.to_name !== one.name || one.to_schema !== one.schema) && <span class="faint"> {t.is} <Name text={`${one.schema}.${one.name}`} /></span>}</p>
                            <p>{t.rows(numberText(one.rows))}, <Bytes n={one.bytes} /></p>
                            <p class={plan.way === 'replace' ? 'alarm' : 'faint'}>{!one.is_there ? t.made : (plan.way === 'add' ? t.added : t.gives)(bytesText(one.present_bytes))}</p>
                        </li>
                    ))}
                </ul>
            )}
            {more > 0 && <p class="faint">{t.more(numberText(more))}</p>}
            <p class={plan.way === 'new' ? 'note' : 'note warn'}>{plan.makes_database ? t.madeNote : plan.way === 'new' ? t.newNote : t.noUndo}</p>
        </>
    );
}
