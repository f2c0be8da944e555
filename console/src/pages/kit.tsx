// What a restore needs when the service is gone, made to be printed.  There is no secret on it: how that part is made is said.
import { api } from '../api';
import type { PageRow } from '../pages';
import { At, Name } from '../parts/figures';
import { Trouble, Waiting, useRead } from '../parts/read';
import { readTold, usersOf } from '../told';
import { texts } from '../texts';
import type { BackupSet, KeySlot } from '../types';
import { presentSets } from '../verdict';
import { KeyTable } from './stores';

interface Kit {
    version: string;
    sets: BackupSet[];
    stores: { name: string; keys: KeySlot[] | null; at: string | null }[];
    at: string;
}

async function readKit(signal: AbortSignal): Promise<Kit> {
    const [version, all] = await Promise.all([
        api<{ version: string }>('/api/v1/version', { signal }),
        api<{ sets: BackupSet[] }>('/api/v1/sets', { signal }),
    ]);
    const sets = presentSets(all.sets);
    const names = [...new Set(sets.flatMap((set) => set.repositories))].sort();
    const stores = await Promise.all(names.map(async (name) => {
        const { keys } = await readTold(name, usersOf(name, sets), signal);
        return { name, keys: Array.isArray(keys?.details) ? (keys.details as KeySlot[]) : null, at: keys?.ended_at ?? null };
    }));
    return { version: version.version, sets, stores, at: new Date().toISOString() };
}

function Line({ label }: { label: string }) {
    return <p class="fill-in"><span>{label}</span><span class="rule" /></p>;
}

function KitPage() {
    const t = texts.value;
    const p = t.people;
    const reading = useRead(readKit, []);
    const kit = reading.value;
    return (
        <>
            <p class="crumbs"><a href="#/repositories">{p.repositories}</a></p>
            <div class="title">
                <h1>{p.kit}</h1>
                <div class="buttons"><button type="button" class="main" disabled={kit === undefined} onClick={() => print()}>{p.print}</button></div>
            </div>
            <p class="verdict calm">{p.kitWhy}</p>
            <Trouble reading={reading} />
            {kit === undefined ? !reading.problem && <Waiting /> : (
                <div class="kit">
                    <p>{p.kitOf} <b>{location.host}</b>, holdfast <Name text={kit.version} />, <At time={kit.at} /></p>
                    <section>
                        <h2>{p.kitSecret}</h2>
                        <p>{p.kitSecretWhy}</p>
                        <pre tabIndex={0}>{'holdfast config show\nholdfast key list -r ADDRESS --key-file FILE\nholdfast key add -r ADDRESS --key-file FILE --new-key-file KIT.key --label kit'}</pre>
                        <p>{p.kitSecretKeep}</p>
                    </section>
                    {kit.stores.map((store) => (
                        <section key={store.name} class="store">
                            <h2>{p.repository} <Name text={store.name} /></h2>
                            <p>{p.usedBy}: <Name text={usersOf(store.name, kit.sets).map((set) => set.name).join(', ')} /></p>
                            <Line label={p.kitAddress} />
                            <Line label={p.kitCredentials} />
                            <Line label={p.kitKey} />
                            {store.keys === null ? <p class="faint">{p.keysNever}</p> : <><KeyTable slots={store.keys} />{store.at !== null && <p class="faint">{p.asOf} <At time={store.at} /></p>}</>}
                        </section>
                    ))}
                    <section>
                        <h2>{p.kitSteps}</h2>
                        <ol>{p.kitStep.map((step) => <li key={step}>{step}</li>)}</ol>
                        <pre tabIndex={0}>{'holdfast snapshots -r ADDRESS --key-file FILE\nholdfast check -r ADDRESS --key-file FILE\nholdfast restore latest -r ADDRESS --key-file FILE --set SET --target /srv/restored --verify'}</pre>
                    </section>
                    <section>
                        <h2>{p.kitSets}</h2>
                        <ul>
                            {kit.sets.map((set) => (
                                <li key={set.name}>
                                    <b><Name text={set.name} /></b>: <Name text={set.repositories.join(', ')} />; {t.overview.lastBackup} {set.last_success_at === null ? t.overview.never : <At time={set.last_success_at} />}
                                    ; {t.overview.lastProof} {set.proven_at === null ? t.overview.never : <At time={set.proven_at} />}
                                </li>
                            ))}
                        </ul>
                    </section>
                </div>
            )}
        </>
    );
}

export const kitPage: PageRow = { path: '/kit', title: (t) => t.people.kit, view: KitPage };
