// Orders that change what is in use: the name of the set has to be typed, and each is given once however often one tries.
import { useRef, useState } from 'preact/hooks';
import { api, newKey } from '../api';
import { changes } from '../events';
import { texts } from '../texts';
import { Name } from './figures';
import { problemFrom, problemText } from './read';

interface Props {
    to: string; // path of the order
    body: object;
    word: string | null; // what has to be typed
    label: string; // of the button
    isDanger?: boolean;
    onGiven: (job: string) => void;
    onCancel?: () => void;
}

export function Confirm({ to, body, word, label, isDanger, onGiven, onCancel }: Props) {
    const t = texts.value;
    const [typed, setTyped] = useState('');
    const [isBusy, setBusy] = useState(false);
    const [wrong, setWrong] = useState('');
    const key = useRef(newKey());

    async function give(event: Event): Promise<void> {
        event.preventDefault();
        if (isBusy || (word !== null && typed !== word)) return;
        setBusy(true);
        setWrong('');
        try {
            const made = await api<{ job: string }>(to, { method: 'POST', body, key: key.current });
            changes.value++;
            onGiven(made.job);
        } catch (error) {
            const problem = problemFrom(error);
            if (problem.status !== 0) key.current = newKey(); // it was refused; else it may have been done
            setWrong(problemText(problem));
            setBusy(false);
        }
    }
    return (
        <form onSubmit={(event) => void give(event)}>
            {word !== null && (
                <label>
                    <span>{t.restore.type} <Name text={word} /></span>
                    <input type="text" autocomplete="off" autocapitalize="off" spellcheck={false} value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />
                </label>
            )}
            {wrong && <p class="wrong" role="alert">{wrong}</p>}
            <div class="buttons">
                {onCancel && <button type="button" onClick={onCancel}>{t.cancel}</button>}
                <button type="submit" class={isDanger ? 'danger' : 'main'} disabled={isBusy || (word !== null && typed !== word)}>{label}</button>
            </div>
        </form>
    );
}
