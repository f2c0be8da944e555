// Who may log in: the list, one user with what may be done to him, and who needs a second factor.  For super administrators.
import { useState } from 'preact/hooks';
import { api, isSuper, path, session } from '../api';
import { visibleText } from '../format';
import type { PageProps, PageRow } from '../pages';
import { Act } from '../parts/act';
import { Dialog } from '../parts/dialog';
import { At, Name, When } from '../parts/figures';
import { Once } from '../parts/once';
import { Trouble, Waiting, problemFrom, problemText, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { go, href } from '../router';
import { texts } from '../texts';
import type { Account, Role } from '../types';

const ROLES: Role[] = ['viewer', 'manager', 'admin', 'super_admin'];

interface Made {
    id: string;
    name: string;
    password: string;
}

function Roles({ value, choose }: { value: Role; choose: (role: Role) => void }) {
    const t = texts.value;
    return (
        <label>
            {t.people.role}
            <select name="role" value={value} onChange={(event) => choose(event.currentTarget.value as Role)}>
                {ROLES.map((role) => <option key={role} value={role}>{t.roles[role]}</option>)}
            </select>
            <span class="faint">{t.people.mayDo[value]}</span>
        </label>
    );
}

function AddUser({ onClose, onMade }: { onClose: () => void; onMade: (made: Made) => void }) {
    const t = texts.value;
    const [name, setName] = useState('');
    const [role, setRole] = useState<Role>('viewer');
    const [wrong, setWrong] = useState('');
    const [isBusy, setBusy] = useState(false);

    async function submit(event: Event): Promise<void> {
        event.preventDefault();
        setBusy(true);
        try {
            onMade(await api<Made>('/api/v1/users', { method: 'POST', body: { name, role } }));
        } catch (error) {
            setWrong(problemText(problemFrom(error)));
            setBusy(false);
        }
    }
    return (
        <Dialog title={t.people.add} onClose={onClose}>
            <form onSubmit={submit}>
                <label>
                    {t.login.name}
                    <input name="name" required maxLength={128} autocomplete="off" autofocus value={name} onInput={(event) => setName(event.currentTarget.value)} />
                </label>
                <Roles value={role} choose={setRole} />
                {wrong && <p class="wrong" role="alert">{wrong}</p>}
                <div class="buttons">
                    <button type="button" onClick={onClose}>{t.cancel}</button>
                    <button type="submit" class="main" disabled={isBusy}>{t.people.add}</button>
                </div>
            </form>
        </Dialog>
    );
}

function Policy() {
    const t = texts.value.people;
    const reading = useRead((signal) => api<{ totp: 'admins' | 'voluntary' }>('/api/v1/auth/policy', { signal }), []);
    const now = reading.value?.totp;
    return (
        <section class="card">
            <h2>{t.policy}</h2>
            <Trouble reading={reading} />
            {now !== undefined && (
                <>
                    <p>{now === 'admins' ? t.policyAdmins : t.policyVoluntary}</p>
                    <div class="buttons">
                        <Act label={now === 'admins' ? t.policyFree : t.policyNeed} why={now === 'admins' ? t.policyFreeWhy : t.policyNeedWhy} done={t.saved} run={async () => {
                            await api('/api/v1/auth/policy', { method: 'PUT', body: { totp: now === 'admins' ? 'voluntary' : 'admins' } });
                            reading.again();
                        }} />
                    </div>
                </>
            )}
        </section>
    );
}

function Marks({ user }: { user: Account }) {
    const t = texts.value.people;
    return (
        <>
            {user.disabled && <span class="chip bad">{t.disabled}</span>} {user.must_change_password && <span class="chip warn">{t.mustChange}</span>}
        </>
    );
}

function Users() {
    const t = texts.value;
    const reading = useRead((signal) => api<{ users: Account[] }>('/api/v1/users', { signal }), []);
    const [isAdding, setAdding] = useState(false);
    const [made, setMade] = useState<Made | null>(null);
    const columns: Column<Account>[] = [
        { title: t.login.name, kind: 'main', cell: (user) => <><a href={href`/users/${user.id}`}><Name text={user.name} /></a> <Marks user={user} /></>, sort: (a, b) => a.name.localeCompare(b.name) },
        { title: t.people.role, cell: (user) => t.roles[user.role], sort: (a, b) => ROLES.indexOf(a.role) - ROLES.indexOf(b.role) },
        { title: t.people.factor, kind: 'wide', cell: (user) => user.totp ? t.people.yes : <span class={user.role === 'admin' || user.role === 'super_admin' ? 'chip warn' : 'faint'}>{t.people.no}</span> },
        { title: t.people.lastLogin, kind: 'wide', cell: (user) => <When time={user.login_at} never={t.overview.never} />, sort: (a, b) => (a.login_at ?? '').localeCompare(b.login_at ?? '') },
        { title: t.people.since, kind: 'wide', cell: (user) => <At time={user.created_at} /> },
    ];
    return (
        <>
            <div class="title">
                <h1>{t.people.users}</h1>
                <button type="button" class="main" onClick={() => setAdding(true)}>{t.people.add}</button>
            </div>
            <Trouble reading={reading} />
            {reading.value ? <Table label={t.people.users} columns={columns} rows={reading.value.users} rowKey={(user) => user.id} empty="" /> : !reading.problem && <Waiting />}
            <Policy />
            {isAdding && <AddUser onClose={() => setAdding(false)} onMade={(one) => { setAdding(false); setMade(one); reading.again(); }} />}
            {made && <Once title={t.people.oneLogin(visibleText(made.name))} why={t.people.oneLoginWhy} secret={made.password} onKept={() => setMade(null)} />}
        </>
    );
}

// Whether the service would be without anybody who may do everything.
export function isLastSuper(user: Account, all: Account[]): boolean {
    return user.role === 'super_admin' && !user.disabled && !all.some((one) => one.id !== user.id && one.role === 'super_admin' && !one.disabled);
}

function UserActs({ user, all, again }: { user: Account; all: Account[]; again: () => void }) {
    const t = texts.value;
    const p = t.people;
    const [role, setRole] = useState(user.role);
    const [password, setPassword] = useState<string | null>(null);
    const isLast = isLastSuper(user, all);
    const name = visibleText(user.name);
    const at = path`/api/v1/users/${user.id}`;
    const change = (body: object) => async (): Promise<void> => {
        await api(at, { method: 'PATCH', body });
        again();
    };
    const post = (rest: string, method: 'POST' | 'DELETE') => async (): Promise<void> => {
        await api(at + rest, { method });
        again();
    };
    return (
        <>
            {isLast && <p class="verdict warn">{p.lastSuper}</p>}
            {user.id === session.value?.user.id && <p class="faint">{p.isYou}</p>}
            <div class="cards">
                <section class="card">
                    <h2>{p.role}</h2>
                    <Roles value={role} choose={setRole} />
                    <div class="buttons"><Act label={p.saveRole} isDisabled={isLast || role === user.role} why={p.roleWhy} done={p.saved} run={change({ role })} /></div>
                </section>
                <section class="card">
                    <h2>{p.access}</h2>
                    <div class="buttons">
                        <Act label={p.newPassword} why={p.newPasswordWhy(name)} run={async () => {
                            setPassword((await api<{ password: string }>(`${at}/password`, { method: 'POST' })).password);
                            again();
                        }} />
                        <Act label={p.unlock} done={p.unlocked} run={post('/unlock', 'POST')} />
                        <Act label={p.endSessions} why={p.endSessionsWhy(name)} done={p.sessionsEnded} run={post('/sessions', 'DELETE')} />
                        <Act label={p.resetFactor} why={p.resetFactorWhy(name)} isDisabled={!user.totp} done={p.factorRemoved} run={post('/totp', 'DELETE')} />
                    </div>
                </section>
                <section class="card">
                    <h2>{p.leaving}</h2>
                    <div class="buttons">
                        {user.disabled ? <Act label={p.enable} done={p.saved} run={change({ disabled: false })} />
                            : <Act label={p.disable} why={p.disableWhy(name)} isDanger isDisabled={isLast} done={p.saved} run={change({ disabled: true })} />}
                        <Act label={p.remove} why={p.removeWhy(name)} isDanger isDisabled={isLast} done={p.removed} run={async () => {
                            await api(at, { method: 'DELETE' });
                            go('/users');
                        }} />
                    </div>
                </section>
            </div>
            {password !== null && <Once title={p.oneLogin(name)} why={p.oneLoginWhy} secret={password} onKept={() => setPassword(null)} />}
        </>
    );
}

function UserPage({ values }: PageProps) {
    const t = texts.value;
    const reading = useRead(async (signal) => {
        const [user, all] = await Promise.all([
            api<Account>(path`/api/v1/users/${values['user']!}`, { signal }),
            api<{ users: Account[] }>('/api/v1/users', { signal }),
        ]);
        return { user, all: all.users };
    }, []);
    const user = reading.value?.user;
    return (
        <>
            <p class="crumbs"><a href="#/users">{t.people.users}</a></p>
            <h1>{user ? <Name text={user.name} /> : t.people.user} {user && <Marks user={user} />}</h1>
            <Trouble reading={reading} />
            {user === undefined ? !reading.problem && <Waiting /> : (
                <>
                    <dl class="facts">
                        <dt>{t.people.role}</dt><dd>{t.roles[user.role]}</dd>
                        <dt>{t.people.factor}</dt><dd>{user.totp ? t.people.yes : t.people.no}</dd>
                        <dt>{t.people.lastLogin}</dt><dd><When time={user.login_at} never={t.overview.never} /></dd>
                        <dt>{t.people.since}</dt><dd><At time={user.created_at} /></dd>
                    </dl>
                    <UserActs key={user.role + String(user.disabled)} user={user} all={reading.value!.all} again={reading.again} />
                </>
            )}
        </>
    );
}

export const usersPage: PageRow = { path: '/users', title: (t) => t.people.users, view: Users, isInMenu: true, isFor: isSuper };
export const userPage: PageRow = { path: '/users/:user', title: (t) => t.people.user, view: UserPage, isFor: isSuper };
