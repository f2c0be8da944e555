// Orders that the pages give: each once, however often the button or the network is tried.
import { useState } from 'preact/hooks';
import { api, isAdmin, newKey, path } from './api';
import { changes } from './events';
import { visibleText } from './format';
import { Dialog } from './parts/dialog';
import { useRead } from './parts/read';
import { tell, tellProblem } from './parts/toast';
import { href } from './router';
import { texts } from './texts';
import type { BackupSet } from './types';

export type Order = 'backup' | 'drill' | 'check' | StoreOrder;
export type StoreOrder = 'keys' | 'epochs' | 'reencrypt' | 'parity' | 'stats' | 'index' | 'prune';

// Where they are given, behind the set.
const PATHS: Record<Order, string> = {
    backup: 'backup', drill: 'drill', check: 'check', keys: 'keys', epochs: 'keys/epochs', reencrypt: 'keys/reencrypt', parity: 'parity/status', stats: 'stats', index: 'repair/index', prune: 'prune',
};

export async function order(set: string, kind: Order, options: object = {}): Promise<void> {
    try {
        const made = await api<{ job: string }>(path`/api/v1/sets/${set}/` + PATHS[kind], { method: 'POST', body: options, key: newKey() });
        tell((kind === 'backup' || kind === 'drill' ? texts.value.ordered[kind](set) : texts.value.people.ordered[kind]), { to: href`/jobs/${made.job}`, text: texts.value.watch });
        changes.value++;
    } catch (error) {
        tellProblem(error);
    }
}

export function OrderButton({ set, kind, options }: { set: string; kind: 'backup' | 'drill'; options?: object }) {
    const [isBusy, setBusy] = useState(false);
    if (!isAdmin()) return null;
    return (
        <button type="button" disabled={isBusy} aria-label={texts.value.orderFor(texts.value.orders[kind], set)} onClick={() => {
            setBusy(true);
            void order(set, kind, options).finally(() => setBusy(false));
        }}>{texts.value.orders[kind]}</button>
    );
}

// How much is looked at, and of which repository when the set has several.
export function CheckButton({ set, repositories }: { set: string; repositories: string[] }) {
    const t = texts.value.people;
    const [isAsked, setAsked] = useState(false);
    const [repository, setRepository] = useState(repositories[0] ?? '');
    const [isFull, setFull] = useState(false);
    if (!isAdmin() || repositories.length === 0) return null;
    return (
        <>
            <button type="button" aria-label={texts.value.orderFor(t.orderCheck, set)} onClick={() => setAsked(true)}>{t.orderCheck}</button>
            {isAsked && (
                <Dialog title={t.orderCheck} onClose={() => setAsked(false)}>
                    <form onSubmit={(event) => {
                        event.preventDefault();
                        setAsked(false);
                        void order(set, 'check', { repository, ...(isFull ? { read_data: true } : {}) });
                    }}>
                        {repositories.length > 1 && (
                            <label>
                                {t.repository}
                                <select value={repository} onChange={(event) => setRepository(event.currentTarget.value)}>
                                    {repositories.map((name) => <option key={name} value={name}>{visibleText(name)}</option>)}
                                </select>
                            </label>
                        )}
                        <p>{t.checkWhy}</p>
                        <label class="check"><input type="checkbox" checked={isFull} onChange={(event) => setFull(event.currentTarget.checked)} />{t.checkFull}</label>
                        <div class="buttons">
                            <button type="button" onClick={() => setAsked(false)}>{texts.value.cancel}</button>
                            <button type="submit" class="main">{t.orderCheck}</button>
                        </div>
                    </form>
                </Dialog>
            )}
        </>
    );
}

// Beside those of a set whose repositories are not known where they stand.
export function CheckOfSet({ set }: { set: string }) {
    const reading = useRead((signal) => (isAdmin() ? api<BackupSet>(path`/api/v1/sets/${set}`, { signal }) : Promise.resolve(null)), [set]);
    return reading.value ? <CheckButton key={set} set={set} repositories={reading.value.repositories} /> : null;
}

export function CancelButton({ job }: { job: string }) {
    const t = texts.value;
    const [isAsked, setAsked] = useState(false);
    if (!isAdmin()) return null;
    async function cancel(): Promise<void> {
        setAsked(false);
        try {
            await api(path`/api/v1/jobs/${job}/cancel`, { method: 'POST' });
            changes.value++;
        } catch (error) {
            tellProblem(error);
        }
    }
    return (
        <>
            <button type="button" onClick={() => setAsked(true)}>{t.jobs.stop}</button>
            {isAsked && (
                <Dialog title={t.jobs.stopTitle} onClose={() => setAsked(false)}>
                    <p>{t.jobs.stopWhy}</p>
                    <div class="buttons">
                        <button type="button" autofocus onClick={() => setAsked(false)}>{t.jobs.goOn}</button>
                        <button type="button" class="danger" onClick={() => void cancel()}>{t.jobs.stop}</button>
                    </div>
                </Dialog>
            )}
        </>
    );
}
