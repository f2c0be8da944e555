// Orders that the pages give: each once, however often the button or the network is tried.
import { useState } from 'preact/hooks';
import { api, isAdmin, newKey, path } from './api';
import { changes } from './events';
import { Dialog } from './parts/dialog';
import { tell, tellProblem } from './parts/toast';
import { href } from './router';
import { texts } from './texts';

export type Order = 'backup' | 'drill';

export async function order(set: string, kind: Order, options: object = {}): Promise<void> {
    try {
        const made = await api<{ job: string }>(path`/api/v1/sets/${set}/` + kind, { method: 'POST', body: options, key: newKey() });
        tell(texts.value.ordered[kind](set), { to: href`/jobs/${made.job}`, text: texts.value.watch });
        changes.value++;
    } catch (error) {
        tellProblem(error);
    }
}

export function OrderButton({ set, kind, options }: { set: string; kind: Order; options?: object }) {
    const [isBusy, setBusy] = useState(false);
    if (!isAdmin()) return null;
    return (
        <button type="button" disabled={isBusy} aria-label={texts.value.orderFor(texts.value.orders[kind], set)} onClick={() => {
            setBusy(true);
            void order(set, kind, options).finally(() => setBusy(false));
        }}>{texts.value.orders[kind]}</button>
    );
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
