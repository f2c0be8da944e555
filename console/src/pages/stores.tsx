// How repositories are: what the service knows, what jobs told last, what may be ordered, and what opens them.
import { api, isAdmin } from '../api';
import { changes } from '../events';
import { bytesText, numberText, visibleText } from '../format';
import { hasLeft, opens } from '../left';
import { CheckButton, order } from '../orders';
import type { PageProps, PageRow } from '../pages';
import { Act } from '../parts/act';
import { At, Bytes, Name, When } from '../parts/figures';
import { Trouble, Waiting, useRead } from '../parts/read';
import { Rotation } from '../parts/rotation';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { href } from '../router';
import { texts } from '../texts';
import type { BackupSet, Job, KeySlot, Run, Store } from '../types';
import { isOf, isReencrypting, readTold, usersOf } from '../told';
import type { Told } from '../told';

// One that no job has used yet is known by its sets only.
interface Known {
    name: string;
    store: Store | undefined;
    sets: BackupSet[];
}

async function readKnown(signal: AbortSignal): Promise<Known[]> {
    const [stores, sets] = await Promise.all([
        api<{ stores: Store[] }>('/api/v1/stores', { signal }),
        api<{ sets: BackupSet[] }>('/api/v1/sets', { signal }),
    ]);
    const names = new Set([...stores.stores.map((store) => store.name), ...sets.sets.flatMap((set) => set.repositories)]);
    return [...names].sort().map((name) => ({ name, store: stores.stores.find((one) => one.name === name), sets: usersOf(name, sets.sets) }));
}

function StoreState({ store }: { store: Store | undefined }) {
    const t = texts.value.overview;
    if (store === undefined || store.seen_at === null && store.state === 'up') return <span class="chip calm">{t.unknown}</span>;
    return <span class={`chip ${store.state === 'up' ? 'good' : 'bad'}`}>{store.state === 'up' ? t.up : t.down}</span>;
}

function Stores() {
    const t = texts.value;
    const p = t.people;
    const reading = useRead(readKnown, [], changes.value);
    const columns: Column<Known>[] = [
        { title: p.repository, kind: 'main', cell: (one) => <a href={href`/repositories/${one.name}`}><Name text={one.name} /></a>, sort: (a, b) => a.name.localeCompare(b.name) },
        { title: t.jobs.state, cell: (one) => <><StoreState store={one.store} />{hasLeft(one.store) && <> <span class="chip warn">{t.epochs.chip}</span></>}</> },
        { title: p.lastUsed, kind: 'wide', cell: (one) => <When time={one.store?.seen_at ?? null} never={t.overview.never} /> },
        { title: p.checked, cell: (one) => <When time={one.store?.checked_at ?? null} never={t.overview.never} /> },
        { title: p.verified, kind: 'wide', cell: (one) => <When time={one.store?.verified_at ?? null} never={t.overview.never} /> },
        { title: t.snapshots.title, kind: 'number', cell: (one) => one.store?.snapshots == null ? '–' : numberText(one.store.snapshots) },
        { title: p.usedBy, kind: 'wide', cell: (one) => one.sets.length === 0 ? <span class="faint">{p.noSets}</span> : <Name text={one.sets.map((set) => set.name).join(', ')} /> },
    ];
    return (
        <>
            <div class="title">
                <h1>{p.repositories}</h1>
                <a class="button" href="#/kit">{p.kit}</a>
            </div>
            <Trouble reading={reading} />
            {reading.value ? <Table label={p.repositories} columns={columns} rows={reading.value} rowKey={(one) => one.name} empty={p.noRepositories} /> : !reading.problem && <Waiting />}
        </>
    );
}

const count = (details: unknown, name: string): number => {
    const value = (details as Record<string, unknown> | null)?.[name];
    return typeof value === 'number' ? value : 0;
};
const is = (details: unknown, name: string): boolean => (details as Record<string, unknown> | null)?.[name] === true;

// What a job told, with when that was and a way to the whole of it; a failure says nothing of the repository.
function Card({ title, run, children }: { title: string; run: Run | undefined; children: preact.ComponentChildren }) {
    const p = texts.value.people;
    return (
        <section class="card" aria-label={title}>
            <h2>{title}</h2>
            {run === undefined ? <p class="faint">{p.neverTold}</p> : (
                <>
                    {children}
                    <p class="faint">{p.asOf} <a href={href`/runs/${run.id}`}>{run.ended_at !== null && <At time={run.ended_at} />}</a></p>
                </>
            )}
        </section>
    );
}

function CheckCard({ run }: { run: Run | undefined }) {
    const p = texts.value.people;
    const d = run?.details;
    const errors = count(d, 'num_errors');
    return (
        <Card title={p.checkCard} run={run}>
            {d == null ? <p class="wrong">{p.checkFailed}: <Name text={run?.error ?? ''} /></p> : (
                <>
                    <p class={`verdict ${errors > 0 ? 'bad' : run!.state === 'success' ? 'good' : 'warn'}`}>
                        {errors > 0 ? p.damage(errors, count(d, 'affected_files')) : run!.state === 'success' ? p.noDamage : p.notWhole}
                    </p>
                    <p>{is(d, 'read_all') ? p.readAll(bytesText(count(d, 'bytes_read'))) : p.readSome(numberText(count(d, 'packs_read')), numberText(count(d, 'packs')))}</p>
                    <dl>
                        <dt>{texts.value.snapshots.title}</dt><dd>{numberText(count(d, 'snapshots'))}</dd>
                        <dt>{p.unprotected}</dt><dd>{numberText(count(d, 'unprotected'))}</dd>
                        <dt>{p.litter}</dt><dd>{numberText(count(d, 'litter'))}</dd>
                    </dl>
                    {is(d, 'suggest_repair_index') && <p class="wrong">{p.suggestIndex}</p>}
                </>
            )}
        </Card>
    );
}

function ParityCard({ run }: { run: Run | undefined }) {
    const p = texts.value.people;
    const d = run?.details;
    return (
        <Card title={p.parityCard} run={run}>
            {d == null ? <p class="wrong"><Name text={run?.error ?? ''} /></p> : is(d, 'enabled') ? (
                <dl>
                    <dt>{p.shards}</dt><dd>{numberText(count(d, 'data_shards'))} + {numberText(count(d, 'parity_shards'))}</dd>
                    <dt>{p.parityBytes}</dt><dd><Bytes n={count(d, 'parity_bytes')} /></dd>
                    <dt>{p.unprotected}</dt><dd>{numberText(count(d, 'unprotected'))}</dd>
                    <dt>{p.damaged}</dt><dd>{numberText(count(d, 'damaged'))}</dd>
                </dl>
            ) : <p>{p.noParity}</p>}
        </Card>
    );
}

function SizeCard({ run }: { run: Run | undefined }) {
    const p = texts.value.people;
    const raw = (run?.details as { raw_data?: unknown } | null | undefined)?.raw_data;
    return (
        <Card title={p.sizeCard} run={run}>
            {raw == null ? <p class="wrong"><Name text={run?.error ?? ''} /></p> : (
                <dl>
                    <dt>{p.stored}</dt><dd><Bytes n={count(raw, 'total_size')} /></dd>
                    <dt>{p.uncompressed}</dt><dd><Bytes n={count(raw, 'total_uncompressed_size')} /></dd>
                    <dt>{p.packs}</dt><dd>{numberText(count(raw, 'pack_count'))}</dd>
                    <dt>{p.trash}</dt><dd><Bytes n={count(raw, 'trash_size')} /></dd>
                </dl>
            )}
        </Card>
    );
}

function PruneCard({ run }: { run: Run | undefined }) {
    const p = texts.value.people;
    const d = run?.details;
    return (
        <Card title={p.pruneCard} run={run}>
            {d == null ? <p class="wrong"><Name text={run?.error ?? ''} /></p> : (
                <dl>
                    <dt>{p.trash}</dt><dd><Bytes n={count(d, 'bytes_in_trash')} /></dd>
                    <dt>{p.freed}</dt><dd><Bytes n={count(d, 'bytes_freed')} /></dd>
                    <dt>{p.locked}</dt><dd>{count(d, 'packs_locked') === 0 ? p.nothingLocked : <Bytes n={count(d, 'bytes_locked')} />}</dd>
                </dl>
            )}
        </Card>
    );
}

export function KeyTable({ slots }: { slots: KeySlot[] }) {
    const p = texts.value.people;
    const e = texts.value.epochs;
    const columns: Column<KeySlot>[] = [
        { title: p.key, kind: 'main', cell: (slot) => <><code title={slot.id}>{visibleText(slot.id).slice(0, 8)}</code> {slot.current && <span class="chip good">{p.inUse}</span>}</> },
        { title: p.kind, cell: (slot) => slot.kind === 'key file' ? p.keyFile : slot.kind === 'password' ? p.keyPassword : <Name text={slot.kind} /> },
        { title: p.age, cell: (slot) => <When time={slot.created} />, sort: (a, b) => a.created.localeCompare(b.created) },
        { title: e.epoch, cell: (slot) => <>{slot.epoch === undefined ? '–' : numberText(slot.epoch)} {!opens(slot) && <span class="chip warn">{e.states[slot.state ?? ''] ?? visibleText(slot.state ?? '')}</span>}</> },
        { title: p.label, kind: 'wide', cell: (slot) => <Name text={slot.label} /> },
    ];
    return <Table label={p.keys} columns={columns} rows={slots} rowKey={(slot) => slot.id} empty="" />;
}

function Keys({ run }: { run: Run | undefined }) {
    const p = texts.value.people;
    return (
        <section>
            <h2>{p.keys}</h2>
            {run === undefined ? <p class="faint">{p.keysNever}</p> : !Array.isArray(run.details) ? <p class="wrong"><Name text={run.error ?? ''} /></p> : (
                <>
                    {!(run.details as KeySlot[]).every(opens) && <p class="verdict warn">{texts.value.epochs.strange}</p>}
                    <KeyTable slots={run.details as KeySlot[]} />
                    <p class="faint">{p.asOf} <a href={href`/runs/${run.id}`}>{run.ended_at !== null && <At time={run.ended_at} />}</a></p>
                </>
            )}
            <p class="faint">{p.keysWhy}</p>
        </section>
    );
}

function Orders({ name, set }: { name: string; set: string }) {
    const p = texts.value.people;
    const of = { repository: name };
    return (
        <div class="buttons">
            <CheckButton set={set} repositories={[name]} />
            <Act label={p.orderKeys} run={() => order(set, 'keys', of)} />
            <Act label={p.orderParity} run={() => order(set, 'parity', of)} />
            <Act label={p.orderStats} run={() => order(set, 'stats', of)} />
            <Act label={p.orderIndex} why={p.orderIndexWhy} run={() => order(set, 'index', of)} />
            <Act label={p.orderPrune} why={p.orderPruneWhy} isDanger run={() => order(set, 'prune', of)} />
        </div>
    );
}

function StorePage({ values }: PageProps) {
    const name = values['store']!;
    const t = texts.value;
    const p = t.people;
    const reading = useRead(async (signal) => {
        const [all, open] = await Promise.all([readKnown(signal), api<{ jobs: Job[] }>('/api/v1/jobs', { signal })]);
        const known = all.find((one) => one.name === name);
        const told: Told = known ? await readTold(name, known.sets, signal) : {};
        return { known, told, job: open.jobs.find((one) => isReencrypting(one) && isOf(one, name)) };
    }, [name], changes.value);
    const { known, told, job } = reading.value ?? {};
    const set = known?.sets[0]?.name;
    return (
        <>
            <p class="crumbs"><a href="#/repositories">{p.repositories}</a></p>
            <h1><Name text={name} /></h1>
            <Trouble reading={reading} />
            {reading.value === undefined ? !reading.problem && <Waiting /> : known === undefined ? <p class="empty">{p.noRepositories}</p> : (
                <>
                    {known.store?.error != null && <div class="trouble" role="alert"><p><Name text={known.store.error} /></p></div>}
                    <dl class="facts">
                        <dt>{t.jobs.state}</dt><dd><StoreState store={known.store} /></dd>
                        <dt>{p.lastUsed}</dt><dd><When time={known.store?.seen_at ?? null} never={t.overview.never} /></dd>
                        <dt>{p.checked}</dt><dd><When time={known.store?.checked_at ?? null} never={t.overview.never} /></dd>
                        <dt>{p.verified}</dt><dd><When time={known.store?.verified_at ?? null} never={t.overview.never} /></dd>
                        <dt>{p.usedBy}</dt><dd>{known.sets.map((one) => <span key={one.name}><a href={href`/snapshots/${one.name}`}><Name text={one.name} /></a> </span>)}</dd>
                    </dl>
                    {isAdmin() && set !== undefined && <Orders name={name} set={set} />}
                    <div class="cards">
                        <CheckCard run={told!.check} />
                        <ParityCard run={told!.parity} />
                        <SizeCard run={told!.stats} />
                        <PruneCard run={told!.prune} />
                    </div>
                    <Keys run={told!.keys} />
                    <Rotation name={name} set={set} left={known.store?.keys ?? null} slots={Array.isArray(told!.keys?.details) ? (told!.keys.details as KeySlot[]) : []} job={job} />
                </>
            )}
        </>
    );
}

export const storesPage: PageRow = { path: '/repositories', title: (t) => t.people.repositories, view: Stores, isInMenu: true };
export const storePage: PageRow = { path: '/repositories/:store', title: (_, values) => values['store']!, view: StorePage };
