// How sets are configured: where each comes from, how it is, and what may be done about it.
import { useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { ask, api, isAdmin, newKey, path } from '../api';
import { changes } from '../events';
import { visibleText } from '../format';
import type { PageProps, PageRow } from '../pages';
import { NextRuns } from '../parts/cron';
import { Dialog } from '../parts/dialog';
import { Name, When } from '../parts/figures';
import { JobOutcome } from '../parts/job_outcome';
import { Trouble, Waiting, useRead } from '../parts/read';
import { Simulator } from '../parts/simulator';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { tell, tellProblem } from '../parts/toast';
import { go, href } from '../router';
import { texts } from '../texts';
import type { BackupSet, Settings } from '../types';

export function Origin({ origin }: { origin: BackupSet['origin'] }) {
    const t = texts.value.settings.origins;
    return <span class={`chip ${origin === 'api' ? 'busy' : 'calm'}`}>{t[origin]}</span>;
}

function SetState({ set }: { set: BackupSet }) {
    const tone = { new: 'calm', ok: 'good', failing: 'bad', paused: 'warn' }[set.state];
    return <span class={`chip ${tone}`}>{texts.value.settings.states[set.state]}</span>;
}

function SetList() {
    const t = texts.value;
    const reading = useRead((signal) => api<{ sets: BackupSet[] }>('/api/v1/sets', { signal }), [], changes.value);
    const columns: Column<BackupSet>[] = [
        { title: t.set, kind: 'main', cell: (set) => set.origin === 'history' ? <Name text={set.name} /> : <a href={href`/settings/${set.name}`}><Name text={set.name} /></a> },
        { title: t.settings.origin, cell: (set) => <Origin origin={set.origin} /> },
        { title: t.settings.state, cell: (set) => <SetState set={set} /> },
        { title: t.overview.nextRun, cell: (set) => <When time={set.next_at} never={t.overview.noPlan} /> },
    ];
    return (
        <>
            <div class="title">
                <h1>{t.settings.title}</h1>
                {isAdmin() && (
                    <div class="buttons">
                        <a class="button" href="#/notifications">{t.settings.notices.title}</a>
                        <a class="button main" href="#/new-set">{t.settings.create}</a>
                    </div>
                )}
            </div>
            <p class="faint">{t.settings.about}</p>
            <Trouble reading={reading} />
            {reading.value ? <Table label={t.settings.title} columns={columns} rows={reading.value.sets} rowKey={(set) => set.name} empty={t.overview.nothing} />
                : !reading.problem && <Waiting />}
        </>
    );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
    return <><dt>{name}</dt><dd>{children}</dd></>;
}

function listed(items: string[] | null | undefined): ComponentChildren {
    return items && items.length > 0 ? <span class="stores">{items.map((item) => <span key={item} class="chip calm"><Name text={item} /></span>)}</span> : '–';
}

function Facts({ of }: { of: Settings }) {
    const t = texts.value.settings;
    const check = typeof of.check === 'string' ? of.check : of.check?.cron;
    const rules = (all: Settings['retention']): string => all === null ? t.keepsAll : Object.entries(all).map(([name, value]) => `${name}: ${value}`).join(', ');
    return (
        <dl class="facts">
            <Fact name={t.sources}>{listed(of.sources.map((one) => `${one.kind}/${one.name}`))}</Fact>
            <Fact name={texts.value.overview.stores}>
                {listed(of.repositories.map((one) => one.name))}
                {of.required_repositories < of.repositories.length && <> {t.required(of.required_repositories)}</>}
            </Fact>
            <Fact name={t.schedule}>{of.schedule === null ? texts.value.overview.noPlan : <><code>{of.schedule.cron}</code> {t.zone(of.schedule.timezone)}{of.schedule.jitter_s > 0 && `, ${t.jitter(of.schedule.jitter_s)}`}, {t.missed[of.schedule.run_missed]}</>}</Fact>
            <Fact name={t.retention}>{rules(of.retention)}{of.repositories.filter((one) => one.retention !== null).map((one) => <div key={one.name}><Name text={one.name} />: {rules(one.retention)}</div>)}
                {[...new Set(of.repositories.map((one) => one.places))].map((said) => said !== null && (
                    <div key={said} class="faint">{of.repositories.some((one) => one.places !== said) && <>{of.repositories.filter((one) => one.places === said).map((one) => visibleText(one.name)).join(', ')}: </>}{visibleText(said)}</div>
                ))}
            </Fact>
            <Fact name={t.drill}>{of.drill === null ? '–' : of.drill === 'after_backup' ? t.afterBackup : <code>{of.drill}</code>}</Fact>
            <Fact name={t.check}>{check === undefined ? '–' : <code>{check}</code>}</Fact>
            <Fact name={t.onSuccess}>{listed(of.notify?.on_success)}</Fact>
            <Fact name={t.onFailure}>{listed(of.notify?.on_failure)}</Fact>
            <Fact name={t.healthChecks}>{of.health_checks}</Fact>
            <Fact name={texts.value.snapshots.tags}>{listed(of.tags)}</Fact>
            <Fact name={t.onError}>{t.onErrors[of.on_error]}</Fact>
            {of.hosts !== null && <Fact name={t.hosts}>{listed(of.hosts)}</Fact>}
        </dl>
    );
}

function PauseButton({ set }: { set: BackupSet }) {
    const t = texts.value.settings;
    const [isAsked, setAsked] = useState(false);
    const [reason, setReason] = useState('');
    async function send(order: 'pause' | 'resume', body?: object): Promise<void> {
        setAsked(false);
        try {
            await api(path`/api/v1/sets/${set.name}/` + order, { method: 'POST', ...(body ? { body } : {}) });
            changes.value++;
        } catch (error) {
            tellProblem(error);
        }
    }
    if (set.state === 'paused') return <button type="button" onClick={() => void send('resume')}>{t.resume}</button>;
    return (
        <>
            <button type="button" onClick={() => setAsked(true)}>{t.pause}</button>
            {isAsked && (
                <Dialog title={t.pauseTitle(visibleText(set.name))} onClose={() => setAsked(false)}>
                    <form onSubmit={(event) => { event.preventDefault(); void send('pause', { reason }); }}>
                        <p>{t.pauseWhy}</p>
                        <label>{t.reason}<input required maxLength={200} autofocus value={reason} onInput={(event) => setReason(event.currentTarget.value)} /></label>
                        <div class="buttons">
                            <button type="button" onClick={() => setAsked(false)}>{texts.value.cancel}</button>
                            <button type="submit" class="main">{t.pause}</button>
                        </div>
                    </form>
                </Dialog>
            )}
        </>
    );
}

function DeleteButton({ set }: { set: string }) {
    const t = texts.value.settings;
    const [isAsked, setAsked] = useState(false);
    const [typed, setTyped] = useState('');
    async function remove(event: Event): Promise<void> {
        event.preventDefault();
        setAsked(false);
        try {
            const etag = (await ask(path`/api/v1/configs/${set}`)).headers.get('ETag') ?? '';
            await api(path`/api/v1/configs/${set}`, { method: 'DELETE', match: etag });
            changes.value++;
            tell(t.deleted(visibleText(set)));
            go('#/settings');
        } catch (error) {
            tellProblem(error);
        }
    }
    return (
        <>
            <button type="button" class="danger" onClick={() => setAsked(true)}>{t.remove}</button>
            {isAsked && (
                <Dialog title={t.removeTitle(visibleText(set))} onClose={() => setAsked(false)}>
                    <form onSubmit={remove}>
                        <p>{t.removeWhy}</p>
                        <label>{t.typeName(visibleText(set))}<input required autofocus autocomplete="off" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} /></label>
                        <div class="buttons">
                            <button type="button" onClick={() => setAsked(false)}>{texts.value.cancel}</button>
                            <button type="submit" class="danger" disabled={typed !== set}>{t.remove}</button>
                        </div>
                    </form>
                </Dialog>
            )}
        </>
    );
}

function TestButton({ set, onJob }: { set: string; onJob: (job: string) => void }) {
    const [isBusy, setBusy] = useState(false);
    return (
        <button type="button" disabled={isBusy} onClick={() => {
            setBusy(true);
            api<{ job: string }>(path`/api/v1/sets/${set}/test`, { method: 'POST', body: {}, key: newKey() })
                .then((made) => { onJob(made.job); changes.value++; }, tellProblem).finally(() => setBusy(false));
        }}>{texts.value.settings.test}</button>
    );
}

function SetSettings({ values }: PageProps) {
    const name = values['set']!;
    const t = texts.value.settings;
    const [job, setJob] = useState<string | null>(null);
    const set = useRead((signal) => api<BackupSet>(path`/api/v1/sets/${name}`, { signal }), [], changes.value);
    const settings = useRead((signal) => isAdmin() ? api<Settings>(path`/api/v1/sets/${name}/settings`, { signal }) : Promise.resolve(null), [], changes.value);
    const of = settings.value;
    return (
        <>
            <p class="crumbs"><a href="#/settings">{t.title}</a></p>
            <div class="title">
                <h1><Name text={name} /></h1>
                {isAdmin() && set.value && set.value.origin !== 'history' && (
                    <div class="buttons">
                        {set.value.origin === 'api' && <a class="button main" href={href`/settings/${name}/edit`}>{t.edit}</a>}
                        <TestButton set={name} onJob={setJob} />
                        <PauseButton set={set.value} />
                        {set.value.origin === 'api' && <DeleteButton set={name} />}
                    </div>
                )}
            </div>
            <Trouble reading={set} />
            {set.value && <p><Origin origin={set.value.origin} /> <SetState set={set.value} /> {set.value.origin === 'file' && t.fileOnly}{set.value.pause_reason !== null && <Name text={set.value.pause_reason} />}</p>}
            {job !== null && <JobOutcome job={job} />}
            {settings.problem?.status === 404 ? <p class="note">{t.notHere}</p> : <Trouble reading={settings} />}
            {of && <Facts of={of} />}
            {of?.schedule && <section class="card"><NextRuns cron={of.schedule.cron} zone={of.schedule.timezone} /></section>}
            {of?.retention && <Simulator set={name} rules={of.retention} schedule={of.schedule} drill={of.drill} check={of.check} />}
        </>
    );
}

export const settingsPage: PageRow = { path: '/settings', title: (t) => t.settings.title, view: SetList, isInMenu: true };
export const setSettingsPage: PageRow = { path: '/settings/:set', title: (_, values) => values['set']!, view: SetSettings };
