// Who did what: the audit log, filtered and taken along, and whether somebody changed it.
import { useState } from 'preact/hooks';
import { api, isAdmin } from '../api';
import { exactText, numberText, visibleText } from '../format';
import type { PageRow } from '../pages';
import { At, Name } from '../parts/figures';
import { MoreButton, usePaged } from '../parts/paged';
import { Trouble, Waiting, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { tell, tellProblem } from '../parts/toast';
import { texts } from '../texts';
import type { AuditRecord, AuditVerdict } from '../types';

const PAGE = 100;
const EXPORT_PAGE = 1000;
const EXPORT_MAX = 100000; // records in one file

interface Filter {
    actor: string;
    action: string;
    object: string;
    outcome: string;
    from: string; // as the field has it: local time without a zone
    until: string;
}
const NONE: Filter = { actor: '', action: '', object: '', outcome: '', from: '', until: '' };

export function auditQuery(filter: Filter, limit: number, before?: number): string {
    const query = new URLSearchParams({ limit: String(limit) });
    for (const name of ['actor', 'action', 'object', 'outcome'] as const) if (filter[name] !== '') query.set(name, filter[name]);
    for (const name of ['from', 'until'] as const) if (filter[name] !== '') query.set(name, new Date(filter[name]).toISOString());
    if (before !== undefined) query.set('before', String(before));
    return `/api/v1/audit?${query}`;
}

// The verdict is of one moment, which stands beside it.
function Chain() {
    const t = texts.value;
    const p = t.people;
    const reading = useRead(async (signal) => ({ ...(await api<AuditVerdict>('/api/v1/audit/verdict', { signal })), at: new Date().toISOString() }), []);
    const verdict = reading.value;
    return (
        <section>
            {verdict === undefined ? !reading.problem && <p class="verdict calm" aria-busy="true">{p.chainLooking}</p> : (
                <p class={`verdict ${verdict.sound ? 'good' : 'bad'}`}>
                    {verdict.sound ? p.chainSound(numberText(verdict.records)) : p.chainBroken(String(verdict.bad_record), visibleText(verdict.reason ?? ''))}
                    {' '}<span class="moment" title={exactText(verdict.at)}>{p.chainAt} <At time={verdict.at} /></span>
                </p>
            )}
            <Trouble reading={reading} />
            {verdict && <div class="buttons"><button type="button" onClick={reading.again}>{p.chainAgain}</button></div>}
        </section>
    );
}

function save(name: string, type: string, parts: string[]): void {
    const link = document.createElement('a');
    const at = URL.createObjectURL(new Blob(parts, { type }));
    link.href = at;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(at), 60000);
}

async function exportRecords(filter: Filter): Promise<void> {
    const parts: string[] = [];
    let before: number | undefined;
    for (;;) {
        const { records } = await api<{ records: AuditRecord[] }>(auditQuery(filter, EXPORT_PAGE, before));
        for (const record of records) parts.push(`${JSON.stringify(record)}\n`);
        before = records.at(-1)?.seq;
        if (records.length < EXPORT_PAGE || parts.length >= EXPORT_MAX) {
            const isCut = records.length === EXPORT_PAGE;
            save('audit.jsonl', 'application/x-ndjson', parts);
            tell((isCut ? texts.value.people.exportCut : texts.value.people.exported)(numberText(parts.length)));
            return;
        }
    }
}

function Outcome({ outcome }: { outcome: string }) {
    const tone = outcome === 'done' ? 'good' : outcome === 'refused' ? 'warn' : outcome === 'failed' ? 'bad' : 'calm';
    return <span class={`chip ${tone}`}><Name text={outcome} /></span>;
}

function Filters({ filter, choose }: { filter: Filter; choose: (filter: Filter) => void }) {
    const p = texts.value.people;
    const [draft, setDraft] = useState(filter);
    const field = (name: keyof Filter, label: string, type = 'text') => (
        <label>{label}<input name={name} type={type} autocomplete="off" value={draft[name]} onInput={(event) => setDraft({ ...draft, [name]: event.currentTarget.value })} /></label>
    );
    return (
        <form class="filters" onSubmit={(event) => { event.preventDefault(); choose(draft); }}>
            {field('actor', p.who)}
            {field('action', p.what)}
            {field('object', p.toWhat)}
            <label>
                {p.outcome}
                <select name="outcome" value={draft.outcome} onChange={(event) => setDraft({ ...draft, outcome: event.currentTarget.value })}>
                    <option value="">{texts.value.jobs.all}</option>
                    {['done', 'refused', 'failed'].map((one) => <option key={one} value={one}>{one}</option>)}
                </select>
            </label>
            {field('from', p.fromTime, 'datetime-local')}
            {field('until', p.untilTime, 'datetime-local')}
            <div class="buttons">
                <button type="submit" class="main">{p.search}</button>
                <button type="button" onClick={() => { setDraft(NONE); choose(NONE); }}>{p.clear}</button>
            </div>
        </form>
    );
}

function Audit() {
    const t = texts.value;
    const p = t.people;
    const [filter, setFilter] = useState(NONE);
    const [isBusy, setBusy] = useState(false);
    const list = usePaged<AuditRecord>(async (after, signal) => {
        const { records } = await api<{ records: AuditRecord[] }>(auditQuery(filter, PAGE, after === null ? undefined : Number(after)), { signal });
        return { items: records, next: records.length < PAGE ? null : String(records.at(-1)!.seq) };
    }, (one) => String(one.seq), [filter]);
    const columns: Column<AuditRecord>[] = [
        { title: '#', kind: 'wide', cell: (one) => <span class="faint number">{one.seq}</span> },
        { title: p.time, cell: (one) => <At time={one.time} /> },
        { title: p.who, cell: (one) => <Name text={one.actor} /> },
        { title: p.what, cell: (one) => <Name text={one.action} /> },
        { title: p.toWhat, kind: 'main', cell: (one) => <span title={visibleText(one.object)}><Name text={one.object} /></span> },
        { title: p.outcome, cell: (one) => <Outcome outcome={one.outcome} /> },
        { title: p.details, kind: 'wide', cell: (one) => one.details !== null && <span class="cut short" title={visibleText(JSON.stringify(one.details))}><Name text={JSON.stringify(one.details)} /></span> },
    ];
    return (
        <>
            <div class="title">
                <h1>{p.audit}</h1>
                <div class="buttons"><button type="button" disabled={isBusy} onClick={() => {
                    setBusy(true);
                    void exportRecords(filter).catch(tellProblem).finally(() => setBusy(false));
                }}>{p.export}</button></div>
            </div>
            <Chain />
            <Filters filter={filter} choose={setFilter} />
            <Trouble reading={list} />
            {list.value ? <Table label={p.audit} columns={columns} rows={list.value} rowKey={(one) => String(one.seq)} empty={p.noRecords} /> : !list.problem && <Waiting />}
            <MoreButton list={list} />
        </>
    );
}

export const auditPage: PageRow = { path: '/audit', title: (t) => t.people.audit, view: Audit, isInMenu: true, inMenu: (t) => t.people.auditInMenu, isFor: isAdmin };
