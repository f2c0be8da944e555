// An archive of another program: sent, judged, shown, and only then stored as a snapshot that can be restored from.
import { useEffect, useRef, useState } from 'preact/hooks';
import { api, isAdmin, path, sendForm } from '../api';
import { changes } from '../events';
import { absoluteText, bytesText, numberText, visibleText } from '../format';
import type { PageProps, PageRow } from '../pages';
import { Bytes, Name } from '../parts/figures';
import { UnderWay, isOpen, useJob } from '../parts/follow';
import { haveProof } from '../parts/proof';
import { Trouble, Waiting, problemFrom, problemText, useRead } from '../parts/read';
import { href } from '../router';
import { texts } from '../texts';
import type { BackupSet, ImportDetails, JobSeen, Limits } from '../types';

const KINDS = ['bundle', 'cfms', 'cfms-conf', 'school-erp', 'wireguard', 'vevurn-database', 'vevurn-files'];
const KEYS_MAX = 16;

interface Sending {
    share: number;
    control: AbortController;
}

function Found({ said }: { said: ImportDetails }) {
    const t = texts.value.upload;
    const time = said.created ? Date.parse(said.created) : NaN;
    return (
        <>
            <p class={said.authenticated ? 'verdict good' : 'verdict warn'}>{said.authenticated ? t.authentic : t.notAuthentic}</p>
            <dl class="facts">
                <dt>{t.recognised}</dt><dd><Name text={said.kind ?? ''} />{said.version && <>, {t.version} <Name text={said.version} /></>}: <Name text={said.why ?? ''} /></dd>
                <dt>{t.holds}</dt><dd>{said.bundles !== undefined ? t.bundles(said.bundles, numberText(said.bundles)) : t.parts(said.parts ?? 0, numberText(said.parts ?? 0))}, {said.bytes !== undefined && <Bytes n={said.bytes} />}</dd>
                {said.created && <><dt>{t.made}</dt><dd>{Number.isNaN(time) ? <Name text={said.created} /> : <span title={visibleText(said.created)}>{absoluteText(said.created)}</span>}</dd></>}
                <dt>{t.name}</dt><dd><Name text={said.name ?? ''} /></dd>
                {said.note && <><dt>{t.note}</dt><dd><Name text={said.note} /></dd></>}
            </dl>
        </>
    );
}

// How a job of this page ended, when it did not do what it was to do.
function Refused({ job, title }: { job: JobSeen<ImportDetails>; title: string }) {
    return <div class="trouble" role="alert"><p><b>{title}</b> <Name text={job.result.error ?? texts.value.states[job.state]} /></p></div>;
}

function Form({ set, limits }: { set: BackupSet; limits: Limits }) {
    const t = texts.value.upload;
    const [file, setFile] = useState<File | null>(null);
    const [keys, setKeys] = useState<File[]>([]);
    const [kind, setKind] = useState('');
    const [repository, setRepository] = useState(set.repositories[0] ?? '');
    const [sending, setSending] = useState<Sending | null>(null);
    const [wrong, setWrong] = useState('');
    const [checked, setChecked] = useState<string | null>(null); // the job that judges
    const [stored, setStored] = useState<string | null>(null);
    const [isKnown, setKnown] = useState(false);
    const judged = useJob<ImportDetails>(checked);
    const kept = useJob<ImportDetails>(stored);
    const running = useRef<AbortController | null>(null);
    useEffect(() => () => running.current?.abort(), []);
    const isTooLarge = file !== null && file.size > limits.import_max;
    const verdict = judged.value && !isOpen(judged.value) ? judged.value : null;
    const found = verdict?.state === 'success' && verdict.result.details?.kind ? verdict.result.details : null;

    function anew(): void {
        setChecked(null);
        setStored(null);
        setKnown(false);
        setWrong('');
    }

    async function send(isTrial: boolean): Promise<void> {
        if (file === null || sending) return;
        const control = new AbortController();
        running.current = control;
        setWrong('');
        setSending({ share: 0, control });
        try {
            if (!(await haveProof())) return;
            const form = new FormData();
            form.append('dry_run', String(isTrial));
            if (kind !== '') form.append('as', kind);
            if (set.repositories.length > 1) form.append('repository', repository);
            if (!isTrial && found && !found.authenticated) form.append('allow_unauthenticated', 'true');
            for (const key of keys) form.append('key', key);
            form.append('archive', file);
            const made = await sendForm<{ job: string }>(path`/api/v1/sets/${set.name}/imports`, form, (share) => setSending({ share, control }), control.signal);
            changes.value++;
            if (isTrial) setChecked(made.job);
            else setStored(made.job);
        } catch (error) {
            setWrong(problemText(problemFrom(error)));
        } finally {
            setSending(null);
        }
    }
    const job = kept.value;
    const snapshot = job?.state === 'success' ? job.result.details?.snapshot_id : undefined;
    return (
        <>
            <form class="card" onSubmit={(event) => { event.preventDefault(); anew(); void send(true); }}>
                <label>{t.file}<span class="faint">{t.limits(bytesText(limits.import_max))}</span>
                    <input type="file" required disabled={!!sending} onChange={(event) => { anew(); setFile(event.currentTarget.files?.[0] ?? null); }} />
                </label>
                {isTooLarge && <p class="wrong" role="alert">{t.tooLarge(bytesText(file.size), bytesText(limits.import_max))}</p>}
                <label>{t.keys}<span class="faint">{t.keysHelp}</span>
                    <input type="file" multiple disabled={!!sending} onChange={(event) => { anew(); setKeys([...(event.currentTarget.files ?? [])]); }} />
                </label>
                {keys.length > KEYS_MAX && <p class="wrong" role="alert">{t.tooManyKeys(KEYS_MAX)}</p>}
                <label>{t.kind}
                    <select value={kind} disabled={!!sending} onChange={(event) => { anew(); setKind(event.currentTarget.value); }}>
                        <option value="">{t.anyKind}</option>
                        {KINDS.map((one) => <option key={one} value={one}>{t.kinds[one as keyof typeof t.kinds]}</option>)}
                    </select>
                </label>
                {set.repositories.length > 1 && (
                    <label>{t.repository}
                        <select value={repository} disabled={!!sending} onChange={(event) => { anew(); setRepository(event.currentTarget.value); }}>
                            {set.repositories.map((one) => <option key={one} value={one}>{one}</option>)}
                        </select>
                    </label>
                )}
                <div class="buttons"><button type="submit" class={found ? '' : 'main'} disabled={file === null || isTooLarge || keys.length > KEYS_MAX || !!sending}>{t.check}</button></div>
            </form>
            {sending && (
                <div class="card" role="status">
                    <p>{t.sending(visibleText(file?.name ?? ''))}</p>
                    <div class="progress"><div class="bar" role="progressbar" aria-label={t.sending('')} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.floor(sending.share * 100)}><div style={{ width: `${sending.share * 100}%` }} /></div>
                        <p class="faint"><b>{Math.floor(sending.share * 100)}%</b> · {bytesText(sending.share * (file?.size ?? 0))} / {bytesText(file?.size ?? 0)}</p></div>
                    <div class="buttons"><button type="button" onClick={() => sending.control.abort()}>{t.stop}</button></div>
                </div>
            )}
            {wrong && <p class="wrong" role="alert">{wrong}</p>}
            <Trouble reading={judged} />
            {judged.value && isOpen(judged.value) && <UnderWay job={judged.value} label={t.judging} />}
            {verdict && !found && <Refused job={verdict} title={t.refused} />}
            {found && stored === null && (
                <section>
                    <h2>{t.result}</h2>
                    <Found said={found} />
                    <p class="note">{t.nothingYet}</p>
                    {!found.authenticated && <label class="check"><input type="checkbox" checked={isKnown} onChange={(event) => setKnown(event.currentTarget.checked)} />{t.know}</label>}
                    <div class="buttons"><button type="button" class="main" disabled={!!sending || (!found.authenticated && !isKnown)} onClick={() => void send(false)}>{t.store}</button></div>
                </section>
            )}
            <Trouble reading={kept} />
            {job && isOpen(job) && <UnderWay job={job} label={t.storing} />}
            {job && !isOpen(job) && (snapshot === undefined ? <Refused job={job} title={t.notStored} /> : (
                <section class="verdict good">
                    <p>{t.stored} <code>{snapshot.slice(0, 8)}</code></p>
                    <div class="buttons"><a class="button main" href={href`/restore/${set.name}/${snapshot}`}>{texts.value.restore.this}</a><a class="button" href={href`/snapshots/${set.name}/${snapshot}`}>{t.look}</a></div>
                </section>
            ))}
        </>
    );
}

function ImportPage({ values }: PageProps) {
    const name = values['set']!;
    const t = texts.value;
    const set = useRead((signal) => api<BackupSet>(path`/api/v1/sets/${name}`, { signal }), [name]);
    const limits = useRead((signal) => api<Limits>('/api/v1/limits', { signal }), []);
    return (
        <>
            <p class="crumbs"><a href="#/restores">{t.restores.title}</a></p>
            <h1>{t.upload.title}: <Name text={name} /></h1>
            <p class="faint">{t.upload.why}</p>
            <Trouble reading={set} />
            <Trouble reading={limits} />
            {set.value && limits.value && isAdmin() ? <Form set={set.value} limits={limits.value} /> : !set.problem && !limits.problem && <Waiting />}
        </>
    );
}

export const importPage: PageRow = { path: '/import/:set', title: (t) => t.upload.title, view: ImportPage };
