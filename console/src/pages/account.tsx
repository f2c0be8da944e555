// One's own account: the password, the second factor, and where one is logged in.
import { useState } from 'preact/hooks';
import { Problem, api, path, readSession, session } from '../api';
import { visibleText } from '../format';
import type { PageRow } from '../pages';
import { Act } from '../parts/act';
import { At, Name, When } from '../parts/figures';
import { Trouble, Waiting, problemFrom, problemText, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { tell, tellProblem } from '../parts/toast';
import { texts } from '../texts';
import type { OpenSession } from '../types';
import { Password, Recovery, SecondFactor } from './settle';

function ChangePassword() {
    const t = texts.value.people;
    const [round, setRound] = useState(0);
    return (
        <section class="card">
            <h2>{t.password}</h2>
            <p class="faint">{t.passwordEnds}</p>
            <Password key={round} done={() => { setRound(round + 1); tell(t.passwordSaved); }} />
        </section>
    );
}

// What a code of the factor is needed for: other recovery codes, or to be without.
function PresentFactor({ renewed, removed }: { renewed: (codes: string[]) => void; removed: () => void }) {
    const t = texts.value.people;
    const [code, setCode] = useState('');
    const [wrong, setWrong] = useState('');
    const [isBusy, setBusy] = useState(false);

    async function submit(event: SubmitEvent): Promise<void> {
        event.preventDefault();
        const isRemoval = (event.submitter as HTMLButtonElement | null)?.value === 'remove';
        const order = { method: 'POST' as const, body: { code: code.trim() } };
        setWrong('');
        setBusy(true); // each code is good once
        try {
            if (isRemoval) {
                await api('/api/v1/auth/totp/remove', order);
                tell(t.factorRemoved);
                removed();
            } else {
                renewed((await api<{ recovery_codes: string[] }>('/api/v1/auth/totp/codes', order)).recovery_codes);
            }
        } catch (error) {
            setWrong(problemText(problemFrom(error)));
        }
        setBusy(false);
    }
    return (
        <form onSubmit={submit}>
            <p>{t.factorOn}</p>
            <p class="faint">{t.factorAnew}</p>
            <label>
                {texts.value.login.code}
                <input name="code" autocomplete="one-time-code" required minLength={6} value={code} onInput={(event) => setCode(event.currentTarget.value)} />
            </label>
            {wrong && <p class="wrong" role="alert">{wrong}</p>}
            <div class="buttons">
                <button type="submit" disabled={isBusy}>{t.codesRenew}</button>
                <button type="submit" class="danger" value="remove" disabled={isBusy}>{t.factorRemove}</button>
            </div>
        </form>
    );
}

function Factor() {
    const t = texts.value.people;
    const [isNew, setNew] = useState(false);
    const [codes, setCodes] = useState<string[] | null>(null);
    const again = (): void => {
        setNew(false);
        readSession().catch(tellProblem);
    };
    if (codes) return <section class="card factor"><Recovery codes={codes} Title="h2" done={() => setCodes(null)} /></section>;
    return (
        <section class="card factor">
            {!isNew && <h2>{t.factor}</h2>}
            {session.value!.user.totp && !isNew ? <PresentFactor renewed={setCodes} removed={again} />
                : isNew ? <SecondFactor done={again} />
                    : <><p>{t.factorOff}</p><div class="buttons"><button type="button" class="main" onClick={() => setNew(true)}>{texts.value.settle.totpTitle}</button></div></>}
        </section>
    );
}

// A program that says what it is, shortened to what people know it by.
function agentText(agent: string | null): string {
    if (agent === null) return '–';
    const name = /(Firefox|Edg|OPR|Chrome|Safari|curl)\/[\d.]+/.exec(agent)?.[0];
    const system = /Windows|Android|iPhone|iPad|Mac OS X|Linux/.exec(agent)?.[0];
    return name === undefined ? agent : [name, system].filter((part) => part !== undefined).join(' · ');
}

function Sessions() {
    const t = texts.value.people;
    const reading = useRead((signal) => api<{ sessions: OpenSession[] }>('/api/v1/auth/sessions', { signal }), []);
    const end = async (one: OpenSession): Promise<void> => {
        await api(path`/api/v1/auth/sessions/${one.id}`, { method: 'DELETE' });
        if (one.current) session.value = null;
        else reading.again();
    };
    const columns: Column<OpenSession>[] = [
        { title: t.from, kind: 'main', cell: (one) => <><Name text={one.address ?? '–'} /> {one.current && <span class="chip good">{t.thisOne}</span>}</> },
        { title: t.program, kind: 'wide', cell: (one) => <span title={one.agent === null ? '' : visibleText(one.agent)}><Name text={agentText(one.agent)} /></span> },
        { title: t.loggedIn, kind: 'wide', cell: (one) => <At time={one.created_at} /> },
        { title: t.lastSeen, cell: (one) => <When time={one.seen_at} /> },
        { title: t.end, cell: (one) => <Act label={t.end} name={t.endOf(visibleText(one.address ?? '–'), one.current)} run={() => end(one)} done={t.ended} /> },
    ];
    return (
        <section>
            <div class="title">
                <h2>{t.sessions}</h2>
                <Act label={t.endAll} why={t.endAllWhy} isDanger run={async () => {
                    await api('/api/v1/auth/sessions', { method: 'DELETE' });
                    try {
                        if (!(await readSession())) session.value = null;
                    } catch (error) {
                        if (!(error instanceof Problem)) throw error;
                    }
                }} />
            </div>
            <Trouble reading={reading} />
            {reading.value ? <Table label={t.sessions} columns={columns} rows={reading.value.sessions} rowKey={(one) => one.id} empty="" /> : !reading.problem && <Waiting />}
        </section>
    );
}

function AccountPage() {
    const t = texts.value;
    const user = session.value!.user;
    return (
        <>
            <h1><Name text={user.name} /></h1>
            <p class="faint">{t.roles[user.role]}</p>
            <div class="cards">
                <ChangePassword />
                <Factor />
            </div>
            <Sessions />
        </>
    );
}

export const accountPage: PageRow = { path: '/account', title: (t) => t.people.account, view: AccountPage };
