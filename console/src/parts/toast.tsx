// Short words about what was just done; they go by themselves, but for failures.
import { signal } from '@preact/signals';
import { texts } from '../texts';
import { problemFrom, problemText } from './read';

interface Toast {
    id: number;
    text: string;
    isBad: boolean;
    link: { to: string; text: string } | undefined;
}

const STAYS_MS = 8000;
const toasts = signal<Toast[]>([]);
let last = 0;

function drop(id: number): void {
    toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

export function tell(text: string, link?: Toast['link']): void {
    const id = ++last;
    toasts.value = [...toasts.value.slice(-3), { id, text, isBad: false, link }];
    setTimeout(() => drop(id), STAYS_MS);
}

export function tellProblem(error: unknown): void {
    toasts.value = [...toasts.value.slice(-3), { id: ++last, text: problemText(problemFrom(error)), isBad: true, link: undefined }];
}

export function Toasts() {
    return (
        <div class="toasts" role="status" aria-live="polite">
            {toasts.value.map((toast) => (
                <div key={toast.id} class={toast.isBad ? 'toast bad' : 'toast'}>
                    <span>{toast.text}</span>
                    {toast.link && <a href={toast.link.to}>{toast.link.text}</a>}
                    <button type="button" class="quiet" aria-label={texts.value.close} onClick={() => drop(toast.id)}>×</button>
                </div>
            ))}
        </div>
    );
}
