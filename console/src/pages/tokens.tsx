// What programs come with: tokens, their scope and when they end.  One that is made is shown once.
import { useState } from 'preact/hooks';
import { api, isAdmin, path, session } from '../api';
import { visibleText } from '../format';
import type { PageRow } from '../pages';
import { Act } from '../parts/act';
import { Dialog } from '../parts/dialog';
import { Name, When } from '../parts/figures';
import { Once } from '../parts/once';
import { Trouble, Waiting, problemFrom, problemText, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { presentSets } from '../verdict';
import { texts } from '../texts';
import type { BackupSet, Role, Token } from '../types';

const VERBS = ['backup:read', 'backup:run', 'backup:upload', 'backup:restore', 'backup:remove', 'backup:configure', 'audit:read', 'users:read', 'metrics:read'];
const ROLES: Role[] = ['viewer', 'manager', 'admin', 'super_admin'];
const DAYS = 90;
const DAYS_MAX = 730;
const ALL = '*';

const isOver = (token: Token): boolean => token.revoked_at !== null || Date.parse(token.expires_at) <= Date.now();

function TokenState({ token }: { token: Token }) {
    const t = texts.value.people;
    if (token.revoked_at !== null) return <span class="chip bad">{t.revoked}</span>;
    return isOver(token) ? <span class="chip warn">{t.expired}</span> : <span class="chip good">{t.valid}</span>;
}

// Some of several words, or all.
function Choice({ legend, words, chosen, choose }: { legend: string; words: string[]; chosen: string[]; choose: (some: string[]) => void }) {
    const t = texts.value.people;
    const isAll = chosen.includes(ALL);
    return (
        <fieldset>
            <legend>{legend}</legend>
            <label class="check"><input type="checkbox" checked={isAll} onChange={(event) => choose(event.currentTarget.checked ? [ALL] : [])} />{t.everything}</label>
            {!isAll && words.map((word) => (
                <label key={word} class="check">
                    <input type="checkbox" checked={chosen.includes(word)} onChange={(event) => choose(event.currentTarget.checked ? [...chosen, word] : chosen.filter((one) => one !== word))} />
                    <Name text={word} />
                </label>
            ))}
        </fieldset>
    );
}

interface Made {
    id: string;
    token: string;
}

function AddToken({ onClose, onMade }: { onClose: () => void; onMade: (made: Made) => void }) {
    const t = texts.value;
    const p = t.people;
    const sets = useRead((signal) => api<{ sets: BackupSet[] }>('/api/v1/sets', { signal }), []);
    const [name, setName] = useState('');
    const [kind, setKind] = useState<Token['kind']>('api');
    const [role, setRole] = useState<Role>('viewer');
    const [verbs, setVerbs] = useState<string[]>(['backup:read']);
    const [chosen, setChosen] = useState<string[]>([ALL]);
    const [days, setDays] = useState(String(DAYS));
    const [wrong, setWrong] = useState('');
    const [isBusy, setBusy] = useState(false);
    const most = ROLES.indexOf(session.value!.user.role);

    async function submit(event: Event): Promise<void> {
        event.preventDefault();
        if (kind === 'api' && verbs.length === 0) return setWrong(p.noVerb);
        if (chosen.length === 0) return setWrong(p.noSet);
        setBusy(true);
        try {
            const body = { name, kind, sets: chosen, days: Number(days), ...(kind === 'api' ? { role, verbs } : { verbs: [kind === 'push' ? 'push' : ALL] }) };
            onMade(await api<Made>('/api/v1/tokens', { method: 'POST', body }));
        } catch (error) {
            setWrong(problemText(problemFrom(error)));
            setBusy(false);
        }
    }
    return (
        <Dialog title={p.addToken} onClose={onClose}>
            <form onSubmit={submit}>
                <label>{p.tokenName}<input name="name" required maxLength={200} autocomplete="off" autofocus value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
                {isAdmin() && (
                    <label>
                        {p.kind}
                        <select name="kind" value={kind} onChange={(event) => setKind(event.currentTarget.value as Token['kind'])}>
                            {(['api', 'push', 'agent'] as const).map((one) => <option key={one} value={one}>{p.kinds[one]}</option>)}
                        </select>
                    </label>
                )}
                {kind === 'api' && (
                    <>
                        <label>
                            {p.role}
                            <select name="role" value={role} onChange={(event) => setRole(event.currentTarget.value as Role)}>
                                {ROLES.slice(0, most + 1).map((one) => <option key={one} value={one}>{t.roles[one]}</option>)}
                            </select>
                        </label>
                        <Choice legend={p.verbs} words={VERBS} chosen={verbs} choose={setVerbs} />
                    </>
                )}
                <Choice legend={p.sets} words={presentSets(sets.value?.sets ?? []).map((set) => set.name)} chosen={chosen} choose={setChosen} />
                <Trouble reading={sets} />
                <label>{p.days}<input name="days" type="number" required min={1} max={DAYS_MAX} value={days} onInput={(event) => setDays(event.currentTarget.value)} /></label>
                {wrong && <p class="wrong" role="alert">{wrong}</p>}
                <div class="buttons">
                    <button type="button" onClick={onClose}>{t.cancel}</button>
                    <button type="submit" class="main" disabled={isBusy}>{p.addToken}</button>
                </div>
            </form>
        </Dialog>
    );
}

function Tokens() {
    const t = texts.value;
    const p = t.people;
    const reading = useRead((signal) => api<{ tokens: Token[] }>('/api/v1/tokens', { signal }), []);
    const [isAdding, setAdding] = useState(false);
    const [made, setMade] = useState<Made | null>(null);
    const columns: Column<Token>[] = [
        { title: p.tokenName, kind: 'main', cell: (token) => <span title={token.id}><Name text={token.name} /></span>, sort: (a, b) => a.name.localeCompare(b.name) },
        { title: t.jobs.state, cell: (token) => <TokenState token={token} />, sort: (a, b) => Number(isOver(a)) - Number(isOver(b)) },
        { title: p.kind, kind: 'wide', cell: (token) => p.kinds[token.kind] },
        { title: p.scope, kind: 'wide', cell: (token) => (
            <span title={visibleText(`${token.verbs.join(', ')} · ${token.sets.join(', ')}`)}>
                {token.role !== null && `${t.roles[token.role]} · `}<Name text={token.verbs.map((verb) => (verb === ALL ? p.everything : verb)).join(', ')} />
                {' · '}{token.sets.includes(ALL) ? p.allSets : <Name text={token.sets.join(', ')} />}
            </span>
        ) },
        { title: p.lastUse, kind: 'wide', cell: (token) => <When time={token.used_at} never={t.overview.never} />, sort: (a, b) => (a.used_at ?? '').localeCompare(b.used_at ?? '') },
        { title: p.expires, kind: 'wide', cell: (token) => <When time={token.expires_at} />, sort: (a, b) => a.expires_at.localeCompare(b.expires_at) },
        { title: p.revoke, cell: (token) => token.revoked_at === null && (
            <Act label={p.revoke} name={p.revokeOf(visibleText(token.name))} why={p.revokeWhy} isDanger done={p.revokedNow} run={async () => {
                await api(path`/api/v1/tokens/${token.id}`, { method: 'DELETE' });
                reading.again();
            }} />
        ) },
    ];
    return (
        <>
            <div class="title">
                <h1>{p.tokens}</h1>
                <button type="button" class="main" onClick={() => setAdding(true)}>{p.addToken}</button>
            </div>
            <p class="faint">{isAdmin() ? p.tokensAll : p.tokensOwn}</p>
            <Trouble reading={reading} />
            {reading.value ? <Table label={p.tokens} columns={columns} rows={reading.value.tokens} rowKey={(token) => token.id} empty={p.noTokens} /> : !reading.problem && <Waiting />}
            {isAdding && <AddToken onClose={() => setAdding(false)} onMade={(one) => { setAdding(false); setMade(one); reading.again(); }} />}
            {made && <Once title={p.tokenMade} why={p.tokenMadeWhy} secret={made.token} onKept={() => setMade(null)} />}
        </>
    );
}

export const tokensPage: PageRow = { path: '/tokens', title: (t) => t.people.tokens, view: Tokens, isInMenu: true };
