// Lists that come in pages, newest first.  The first page is read again for news, and what was read behind it stays.
import { useEffect, useRef, useState } from 'preact/hooks';
import { path } from '../api';
import type { Problem } from '../api';
import { changes } from '../events';
import { texts } from '../texts';
import { problemFrom, useNews } from './read';
import type { Reading } from './read';

const PAGE = 100;
const MORE = 1000; // of later pages

// The beginning of a query: pages as long as most lists have them.
export function pageQuery(after: string | null): string {
    return after === null ? path`?limit=${PAGE}` : path`?limit=${MORE}&after=${after}`;
}

export interface Part<T> {
    items: T[];
    next: string | null; // what the part behind it is asked for with; null: it is the last
}

export interface Paged<T> extends Reading<T[]> {
    isWhole: boolean;
    isBusy: boolean; // more is being read, or the list for these inputs
    more: () => void;
}

interface State<T> {
    of: string;
    items?: T[];
    next: string | null;
    problem?: Problem | undefined;
}

// What was read before, behind a first page that was read again.  Nothing is kept when it cannot be told where that ends.
export function joined<T>(first: Part<T>, before: Part<T>, keyOf: (item: T) => string): Part<T> {
    const last = first.next === null ? undefined : first.items.at(-1);
    const at = last === undefined ? -1 : before.items.findIndex((item) => keyOf(item) === keyOf(last));
    return at < 0 ? first : { items: [...first.items, ...before.items.slice(at + 1)], next: at + 1 < before.items.length ? before.next : first.next };
}

// inputs: what the list is of; with others it begins anew, and is not there until it is read.
export function usePaged<T>(read: (after: string | null, signal: AbortSignal) => Promise<Part<T>>, keyOf: (item: T) => string, inputs: unknown[]): Paged<T> {
    const of = JSON.stringify(inputs);
    const [state, setState] = useState<State<T>>({ of, next: null });
    const [tries, setTries] = useState(0);
    const [isReading, setReading] = useState(false);
    const isOwn = state.of === of;
    const isBusy = isReading || !isOwn;
    const { news, since } = useNews(changes.value);
    const further = useRef<AbortController | null>(null);
    const fail = (error: unknown): void => setState((before) => ({ ...(before.of === of ? before : { of, next: null }), problem: problemFrom(error) }));
    useEffect(() => {
        const control = new AbortController();
        since.current = Date.now();
        read(null, control.signal).then(
            (first) => () => setState((before) => ({ of, ...(before.of === of && before.items ? joined(first, { items: before.items, next: before.next }, keyOf) : first) })),
            (error: unknown) => () => fail(error),
        ).then((show) => {
            if (control.signal.aborted) return;
            since.current = 0;
            show();
        });
        return () => control.abort();
    }, [of, news, tries]);
    useEffect(() => () => further.current?.abort(), [of]);
    function more(): void {
        const after = state.next;
        if (after === null || isBusy) return;
        const control = new AbortController();
        further.current = control;
        setReading(true);
        read(after, control.signal).then((part) => {
            setState((before) => (before.of === of && before.next === after ? { of, items: [...before.items!, ...part.items], next: part.next } : before));
        }, (error: unknown) => { if (!control.signal.aborted) fail(error); }).finally(() => setReading(false));
    }
    return { value: isOwn ? state.items : undefined, problem: isOwn ? state.problem : undefined, again: () => setTries((before) => before + 1), isWhole: isOwn && state.next === null, isBusy, more };
}

export function MoreButton({ list, text }: { list: Paged<unknown>; text?: string }) {
    return list.value === undefined || list.isWhole ? null : <p><button type="button" disabled={list.isBusy} onClick={list.more}>{text ?? texts.value.jobs.more}</button></p>;
}
