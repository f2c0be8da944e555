// A secret that the service tells once: shown until somebody says that he has it, and kept nowhere.
import { useState } from 'preact/hooks';
import { texts } from '../texts';
import { Dialog } from './dialog';

export function Once({ title, why, secret, onKept }: { title: string; why: string; secret: string; onKept: () => void }) {
    const t = texts.value.people;
    const [said, setSaid] = useState('');

    async function copy(): Promise<void> {
        try {
            await navigator.clipboard.writeText(secret);
            setSaid(t.copied);
        } catch {
            setSaid(t.notCopied);
        }
    }
    return (
        <Dialog title={title} onClose={() => {}}>
            <p>{why}</p>
            <p class="once"><code>{secret}</code></p>
            <p class="faint" role="status">{said}</p>
            <div class="buttons">
                <button type="button" onClick={() => void copy()}>{t.copy}</button>
                <button type="button" class="main" onClick={onKept}>{texts.value.settle.kept}</button>
            </div>
        </Dialog>
    );
}
