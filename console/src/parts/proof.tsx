// Who one is, once more: asked by the service in front of what cannot be undone, and in front of downloads.
import { signal } from '@preact/signals';
import { useState } from 'preact/hooks';
import { api, onProof, readSession, session } from '../api';
import { texts } from '../texts';
import type { Session } from '../types';
import { Dialog } from './dialog';
import { problemFrom, problemText } from './read';

const asked = signal<((isProved: boolean) => void) | null>(null);
let answer: Promise<boolean> | null = null;

export function askProof(): Promise<boolean> {
    answer ??= new Promise<boolean>((resolve) => (asked.value = resolve)).finally(() => {
        asked.value = null;
        answer = null;
    });
    return answer;
}
onProof(askProof);

const PROOF_MS = 4 * 60 * 1000; // the service wants one that is not older than five minutes

// For what the browser sends once only: a proof that is there before.  False when there is none.
export async function haveProof(): Promise<boolean> {
    if (!(await readSession())) return false;
    const proved = (session.value as Session & { proved_at: string | null }).proved_at;
    return (proved !== null && Date.now() - Date.parse(proved) <= PROOF_MS) || askProof();
}

export function Proof() {
    return asked.value ? <ProofDialog done={asked.value} /> : null;
}

function ProofDialog({ done }: { done: (isProved: boolean) => void }) {
    const t = texts.value;
    const hasCodes = session.value?.user.totp ?? false;
    const [word, setWord] = useState('');
    const [wrong, setWrong] = useState('');
    const [isBusy, setBusy] = useState(false);

    async function submit(event: Event): Promise<void> {
        event.preventDefault();
        setBusy(true);
        try {
            session.value = await api<Session>('/api/v1/auth/step-up', { method: 'POST', body: hasCodes ? { code: word } : { password: word } });
            done(true);
        } catch (error) {
            setWrong(problemText(problemFrom(error)));
            setBusy(false);
        }
    }
    return (
        <Dialog title={t.proof.title} onClose={() => done(false)}>
            <form onSubmit={submit}>
                <p>{t.proof.why}</p>
                <label>
                    {hasCodes ? t.login.code : t.login.password}
                    <input type={hasCodes ? 'text' : 'password'} autocomplete={hasCodes ? 'one-time-code' : 'current-password'} required autofocus
                        value={word} onInput={(event) => setWord(event.currentTarget.value)} />
                </label>
                {wrong && <p class="wrong" role="alert">{wrong}</p>}
                <div class="buttons">
                    <button type="button" onClick={() => done(false)}>{t.cancel}</button>
                    <button type="submit" class="main" disabled={isBusy}>{t.proof.go}</button>
                </div>
            </form>
        </Dialog>
    );
}
