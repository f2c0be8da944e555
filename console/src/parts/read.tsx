// Reading from the service for as long as a component is shown.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem } from '../api';
import { texts } from '../texts';

export interface Reading<T> {
    value: T | undefined;
    problem: Problem | undefined; // of the last try; value may be there from an earlier one
    again: () => void;
}

interface State<T> {
    of: unknown[];
    value?: T;
    problem?: Problem;
}

const PATIENCE_MS = 60000;

// News to ask for: those that come while an answer is under way wait for it, else what takes longer than they do would never be there.
// The caller keeps since: when he asked, 0 when he was answered and draws that.
export function useNews(now: unknown): { news: unknown; since: { current: number } } {
    const since = useRef(0);
    const news = useRef(now);
    if (Date.now() - since.current > PATIENCE_MS) news.current = now;
    return { news: news.current, since };
}

const areSame = (a: unknown[], b: unknown[]): boolean => a.every((one, i) => Object.is(one, b[i]));

// inputs: what is asked; the value is never that of others, which is there as the former one for who shows that it is old.
// now: when it changes the same is asked again, and what was read stays until it is answered.
export function useRead<T>(read: (signal: AbortSignal) => Promise<T>, inputs: unknown[], now: unknown = 0): Reading<T> & { former: T | undefined } {
    const [state, setState] = useState<State<T>>({ of: inputs });
    const [tries, setTries] = useState(0);
    const { news, since } = useNews(now);
    const own = areSame(state.of, inputs) ? state : undefined;
    useEffect(() => {
        const control = new AbortController();
        const end = (next: (before: State<T>) => State<T>): void => {
            if (control.signal.aborted) return;
            since.current = 0;
            setState(next);
        };
        since.current = Date.now();
        read(control.signal).then(
            (value) => end(() => ({ of: inputs, value })),
            (error: unknown) => end((before) => ({ ...(areSame(before.of, inputs) ? before : { of: inputs }), problem: problemFrom(error) })));
        return () => control.abort();
    }, [...inputs, news, tries]);
    return { value: own?.value, former: own ? undefined : state.value, problem: own?.problem, again: () => setTries((before) => before + 1) };
}

export function problemFrom(error: unknown): Problem {
    return error instanceof Problem ? error : new Problem(0, 'page', String(error));
}

// A sentence for people: ours where there is one, else that of the service.
export function problemText(problem: Problem): string {
    const own: Record<string, string> = texts.value.problems;
    const wait = problem.wait !== null && problem.wait > 0 ? ` ${texts.value.problemWait(problem.wait)}` : '';
    return (own[problem.code] ?? problem.message) + wait;
}

export function Trouble({ reading }: { reading: Reading<unknown> }) {
    if (!reading.problem) return null;
    return (
        <div class="trouble" role="alert">
            <p>{problemText(reading.problem)}{reading.value !== undefined && ` ${texts.value.mayBeOld}`}</p>
            <button type="button" onClick={reading.again}>{texts.value.again}</button>
        </div>
    );
}

export function Waiting() {
    return <p class="waiting" aria-busy="true">{texts.value.waiting}</p>;
}
