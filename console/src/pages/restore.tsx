// A restore before it begins: what, where to, what it would change, and the name of the set to say that this is meant.
import { useState } from 'preact/hooks';
import { Problem, api, isAdmin, path } from '../api';
import { bytesText, numberText, visibleText } from '../format';
import type { PageProps, PageRow } from '../pages';
import { Confirm } from '../parts/confirm';
import { contentOf, download, isPlainPath } from '../parts/download';
import { At, Bytes, Name } from '../parts/figures';
import { UnderWay, isOpen, useJob } from '../parts/follow';
import { Trouble, Waiting, useRead } from '../parts/read';
import { go, href } from '../router';
import { texts } from '../texts';
import type { BackupSet, JobSeen, Limits, PlannedSource, RestoreArguments, RestoreDetails, Snapshot } from '../types';
import { BasePlan, ChooseDatabase, ChooseTables, isBase } from './restore_base';
import { Verdict, useDrill } from './snapshots';

const PLACE = /^\/(?:files|(?:sqlite|postgres|command|bundle)\/[^/]+)$/; // what the plan looks for among the set's sources

type Way = 'place' | 'database' | 'tables' | 'folder' | 'download';

// The words of a file's name as those of a new folder.
function folderFor(set: string, at: string): string {
    const last = at.split('/').at(-1)!.replace(/[^A-Za-z0-9._-]/g, '').replace(/^[.-]+/, '').slice(0, 40);
    return [set.replace(/[^A-Za-z0-9._-]/g, ''), last, new Date().toISOString().slice(0, 16).replace(/\D/g, '')].filter((part) => part !== '').join('-');
}

function Choice({ name, value, chosen, set, title, children }: { name: string; value: Way; chosen: Way; set: (way: Way) => void; title: string; children: string }) {
    return (
        <label class={chosen === value ? 'choice chosen' : 'choice'}>
            <input type="radio" name={name} checked={chosen === value} onChange={() => set(value)} />
            <span><b>{title}</b><br /><span class="faint">{children}</span></span>
        </label>
    );
}

interface Chosen {
    set: BackupSet;
    snapshot: Snapshot;
    at: string;
    limits: Limits;
    table: string | null;
}

function Choose({ set, snapshot, at, limits, table }: Chosen) {
    const t = texts.value.restore;
    const isPlace = at === '/' || PLACE.test(at);
    const [wish, setWay] = useState<Way>(table !== null && isBase(at) ? 'tables' : 'place');
    const way = wish === 'place' && !isPlace ? 'folder' : wish;
    const [parent, setParent] = useState(limits.restore_targets[0] ?? '');
    const [folder, setFolder] = useState(folderFor(set.name, at));
    const [exclude, setExclude] = useState('');
    const [isVerified, setVerified] = useState(true);
    const [hasOwners, setOwners] = useState(true);
    const [repository, setRepository] = useState(set.repositories[0] ?? '');
    const places = ['/', ...snapshot.paths.filter((one) => one !== at && one !== '/'), ...(at === '/' ? [] : [at])];
    const what = {
        snapshot: at === '/' ? snapshot.id : `${snapshot.id}:${at}`,
        ...(set.repositories.length > 1 ? { repository } : {}),
    };
    const excluded = exclude.split('\n').map((line) => line.trim()).filter((line) => line !== '');
    const beside = {
        ...what, target: `${parent.replace(/\/+$/, '')}/${folder}`, dry_run: true, ...(isVerified ? { verify: true } : {}), ...(hasOwners ? {} : { no_owner: true }),
        ...(excluded.length > 0 ? { exclude: excluded } : {}),
    };
    const given = (job: string): void => go(href`/restore/${set.name}/${snapshot.id}?path=${at}&plan=${job}`);
    return (
        <section class="card">
            <h2>{t.what}</h2>
            <label>{t.whatLabel}
                <select value={at} onChange={(event) => go(href`/restore/${set.name}/${snapshot.id}?path=${event.currentTarget.value}`)}>
                    {places.map((one) => <option key={one} value={one}>{one === '/' ? t.all : visibleText(one)}</option>)}
                </select>
            </label>
            <p class="faint">{t.deeper} <a href={href`/snapshots/${set.name}/${snapshot.id}?path=${at === '/' || !isPlace ? '/' : at}`}>{t.browse}</a></p>
            <h2 id="where">{t.where}</h2>
            <div class="choices" role="radiogroup" aria-labelledby="where">
                {isPlace && <Choice name="way" value="place" chosen={way} set={setWay} title={t.inPlace}>{t.inPlaceHelp}</Choice>}
                {isBase(at) && <Choice name="way" value="tables" chosen={way} set={setWay} title={texts.value.base.title}>{texts.value.base.help}</Choice>}
                {isBase(at) && <Choice name="way" value="database" chosen={way} set={setWay} title={texts.value.base.database}>{texts.value.base.databaseHelp}</Choice>}
                <Choice name="way" value="folder" chosen={way} set={setWay} title={t.folder}>{t.folderHelp}</Choice>
                {at !== '/' && <Choice name="way" value="download" chosen={way} set={setWay} title={t.download}>{t.downloadHelp}</Choice>}
            </div>
            {!isPlace && <p class="faint">{t.notPlace}</p>}
            {set.repositories.length > 1 && way !== 'download' && (
                <label>{t.repository}
                    <select value={repository} onChange={(event) => setRepository(event.currentTarget.value)}>
                        {set.repositories.map((one) => <option key={one} value={one}>{one}</option>)}
                    </select>
                </label>
            )}
            {way === 'download' ? (
                <div class="buttons"><button type="button" class="main" onClick={() => void download(contentOf(set.name, snapshot.id, at), at)}>{t.download}</button></div>
            ) : way === 'place' ? (
                <Confirm key="place" to={path`/api/v1/sets/${set.name}/restore/plan`} body={what} word={null} label={t.showPlan} onGiven={given} />
            ) : way === 'database' ? <ChooseDatabase set={set.name} at={at} what={what} onGiven={given} />
            : way === 'tables' ? <ChooseTables set={set.name} at={at} what={what} onGiven={given} snapshot={snapshot.id} wanted={table} />
            : limits.restore_targets.length === 0 ? <p class="trouble">{t.noTargets}</p> : (
                <>
                    <div class="two">
                        <label>{t.parent}
                            <select value={parent} onChange={(event) => setParent(event.currentTarget.value)}>
                                {limits.restore_targets.map((one) => <option key={one} value={one}>{visibleText(one)}</option>)}
                            </select>
                        </label>
                        <label>{t.newFolder}<input type="text" value={folder} required onInput={(event) => setFolder(event.currentTarget.value)} /></label>
                    </div>
                    <label>{t.exclude}<span class="faint">{t.excludeHelp}</span>
                        <textarea rows={3} spellcheck={false} value={exclude} onInput={(event) => setExclude(event.currentTarget.value)} />
                    </label>
                    <label class="check"><input type="checkbox" checked={isVerified} onChange={(event) => setVerified(event.currentTarget.checked)} />{t.verify}</label>
                    <label class="check"><input type="checkbox" checked={hasOwners} onChange={(event) => setOwners(event.currentTarget.checked)} />{t.owners}</label>
                    <Confirm key="folder" to={path`/api/v1/sets/${set.name}/restore`} body={beside} word={null} label={t.showPlan} onGiven={given} />
                </>
            )}
        </section>
    );
}

// What a source of the set gets.
function Amount({ source }: { source: PlannedSource }) {
    const t = texts.value.restore;
    const n = (count: number): string => numberText(count);
    const files = source.files_new + source.files_replaced + source.files_removed + source.files_unchanged;
    return (
        <>
            {source.tables > 0 && <>{t.tables(source.tables, n(source.tables), n(source.rows))}, </>}
            {source.tables_without_rows > 0 && <b>{t.withoutRows(n(source.tables_without_rows))}, </b>}
            {files > 0 && (
                <>{t.fileCounts(n(source.files_new), n(source.files_replaced), n(source.files_unchanged))}, {source.files_removed > 0
                    ? <b class="alarm">{t.removed(n(source.files_removed))}</b> : t.removed('0')}, </>
            )}
            <Bytes n={source.bytes} />
        </>
    );
}

function presentText(source: PlannedSource): string {
    const t = texts.value.restore;
    if (source.why_not !== null) return t.stays(visibleText(source.why_not));
    if (!source.is_there) return t.made;
    return source.present_bytes > 0 ? t.takes(bytesText(source.present_bytes)) : t.kept;
}

function PlaceSteps({ plan }: { plan: RestoreDetails }) {
    const t = texts.value.restore;
    return (
        <>
            {!plan.sources?.length && <p class="empty">{t.nothingThere}</p>}
            <ul class="sources" aria-label={t.planTitle}>
                {plan.sources?.map((one) => (
                    <li key={one.place} class={one.why_not === null ? '' : 'stays'}>
                        <p><b><Name text={one.place} /></b> <span class="faint"><Name text={one.where} /></span></p>
                        {one.why_not === null && <p>{t.written}: <Amount source={one} /></p>}
                        <p class="faint">{presentText(one)}</p>
                    </li>
                ))}
            </ul>
            {plan.imported && <p class={plan.authenticated ? 'note' : 'note warn'}>{plan.authenticated ? t.imported : t.unauthenticated}</p>}
            <h2>{t.steps}</h2>
            <ol class="steps">
                <li>{t.stepSafety}</li>
                <li>{t.stepStage}</li>
                {!!plan.stop?.length && <li>{t.stepStop}: <Name text={plan.stop.join(', ')} /></li>}
                <li>{t.stepSwap}</li>
                {!!plan.start?.length && <li>{t.stepStart}: <Name text={plan.start.join(', ')} /></li>}
                <li>{plan.health_checks ? t.stepHealth(plan.health_checks) : t.stepNoHealth}</li>
                <li>{t.stepUndo}</li>
            </ol>
            {!plan.stop?.length && <p class="note warn">{t.idle}</p>}
        </>
    );
}

function Planned({ set, snapshot, at, job }: { set: string; snapshot: Snapshot; at: string; job: JobSeen<RestoreDetails, RestoreArguments> }) {
    const t = texts.value.restore;
    const told = job.arguments;
    const plan = job.result.details;
    const isOurs = job.kind === 'restore' && job.set === set && (told?.plan || told?.dry_run) && (told.snapshot === snapshot.id || told.snapshot?.startsWith(`${snapshot.id}:`));
    const back = <p><a href={href`/restore/${set}/${snapshot.id}?path=${at}`}>{t.change}</a></p>;
    if (!isOurs) return <><p class="trouble" role="alert">{t.notPlan}</p>{back}</>;
    if (isOpen(job)) return <UnderWay job={job} label={t.planning} />;
    if (job.state !== 'success' || !plan)
        return <><div class="trouble" role="alert"><p><b>{t.planFailed}</b> <Name text={job.result.error ?? texts.value.states[job.state]} /></p></div>{back}</>;
    const { plan: _plan, dry_run: _dry, ...body } = told as RestoreArguments & { uploads?: boolean };
    delete body.uploads; // the service says it by itself
    const isIntoBase = plan.way !== undefined;
    const isInPlace = !isIntoBase && told!.target === undefined;
    const isInUse = isInPlace || (isIntoBase && !plan.makes_database); // the name has to be typed
    const isEmpty = isIntoBase ? plan.tables === 0 && !plan.makes_database : plan.sources?.every((one) => one.why_not !== null) ?? plan.files_restored === 0;
    return (
        <section class="card">
            <h2>{t.planTitle}</h2>
            <dl>
                <dt>{t.what}</dt><dd>{told!.snapshot === snapshot.id ? t.all : <Name text={told!.snapshot!.slice(snapshot.id.length + 1)} />}</dd>
                <dt>{t.where}</dt><dd>{isInPlace ? t.inPlace : isIntoBase ? <>{plan.makes_database ? texts.value.base.intoNew : texts.value.base.intoOwn} <Name text={plan.into!} /></> : <Name text={told!.target!} />}</dd>
                {told!.exclude && <><dt>{t.exclude}</dt><dd>{told!.exclude.map((one) => <code key={one} class="chip calm">{visibleText(one)}</code>)}</dd></>}
                {plan.total_files !== undefined && <><dt>{t.written}</dt><dd>{t.wouldWrite(numberText(plan.files_restored ?? 0), bytesText(plan.bytes_restored ?? 0))}</dd></>}
                {!!plan.files_skipped && <><dt>{t.skipped}</dt><dd>{numberText(plan.files_skipped)}</dd></>}
                {plan.total_files !== undefined && <><dt>{t.verifyShort}</dt><dd>{told!.verify ? t.willVerify : t.willNotVerify}</dd></>}
            </dl>
            {isInPlace && <PlaceSteps plan={plan} />}
            {isIntoBase && <BasePlan plan={plan} />}
            {back}
            {isEmpty ? <p class="trouble" role="alert">{t.nothing}</p> : (
                <Confirm to={path`/api/v1/sets/${set}/restore`} body={body} word={isInUse ? set : null} isDanger={isInUse}
                    label={isInPlace ? t.goPlace : isIntoBase ? texts.value.base.go : t.goFolder} onGiven={(id) => go(href`/restores/${id}`)} />
            )}
        </section>
    );
}

function RestorePage({ values, query }: PageProps) {
    const name = values['set']!;
    const wanted = values['snapshot']!;
    const at = query.get('path') || '/';
    const planId = query.get('plan');
    const t = texts.value;
    const head = useRead((signal) => api<Snapshot>(path`/api/v1/sets/${name}/snapshots/${wanted}`, { signal }), [name, wanted]);
    const set = useRead((signal) => api<BackupSet>(path`/api/v1/sets/${name}`, { signal }), [name]);
    const limits = useRead((signal) => (isAdmin() ? api<Limits>('/api/v1/limits', { signal }) : Promise.reject(new Problem(403, 'forbidden', 'no'))), []);
    const drill = useDrill(head.value);
    const plan = useJob<RestoreDetails, RestoreArguments>(planId);
    const snapshot = head.value;
    return (
        <>
            <p class="crumbs"><a href="#/snapshots">{t.snapshots.title}</a> / <a href={href`/snapshots/${name}`}><Name text={name} /></a> / <a href={href`/snapshots/${name}/${wanted}`}>{snapshot ? snapshot.short_id : t.snapshot.title}</a></p>
            <h1>{t.restore.title} <Name text={name} /></h1>
            <Trouble reading={head} />
            {limits.problem && <Trouble reading={limits} />}
            <Trouble reading={set} />
            {snapshot && (
                <dl class="facts">
                    <dt>{t.restore.from}</dt><dd><At time={snapshot.time} /> · <code title={snapshot.id}>{snapshot.short_id}</code> · <Name text={snapshot.hostname} /></dd>
                    <dt>{t.snapshots.proof}</dt><dd><Verdict snapshot={snapshot} run={drill} /></dd>
                </dl>
            )}
            {!isPlainPath(at) ? <p class="trouble">{t.snapshot.cannotWhy}</p>
                : planId !== null ? (
                    <>
                        <Trouble reading={plan} />
                        {snapshot && plan.value && limits.value && <Planned set={name} snapshot={snapshot} at={at} job={plan.value} />}
                    </>
                ) : snapshot && set.value && limits.value && <Choose key={at} set={set.value} snapshot={snapshot} at={at} limits={limits.value} table={query.get('table')} />}
            {(head.value === undefined && !head.problem) && <Waiting />}
        </>
    );
}

export const restorePage: PageRow = { path: '/restore/:set/:snapshot', title: (t, values) => `${values['set']} · ${t.restore.title}`, view: RestorePage };
