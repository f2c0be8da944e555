// Reading from the service for as long as a component is shown.
import { useEffect, useState } from 'preact/hooks';
import { Problem } from '../api';
import { texts } from '../texts';

export interface Reading<T> {
    value: T | undefined;
    problem: Problem | undefined; // of the last try; value may be there from an earlier one
    again: () => void;
}

export function useRead<T>(read: (signal: AbortSignal) => Promise<T>, inputs: unknown[]): Reading<T> {
    const [state, setState] = useState<{ value?: T; problem?: Problem }>({});
    const [tries, setTries] = useState(0);
    useEffect(() => {
        const control = new AbortController();
        read(control.signal).then(
            (value) => { if (!control.signal.aborted) setState({ value }); },
            (error: unknown) => {
                if (!control.signal.aborted) setState((before) => ({ ...before, problem: problemFrom(error) }));
            });
        return () => control.abort();
    }, [...inputs, tries]);
    return { value: state.value, problem: state.problem, again: () => setTries(tries + 1) };
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
