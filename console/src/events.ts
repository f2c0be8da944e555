// News of jobs by Server-Sent Events.  The browser comes back by itself after a broken connection; after a refusal we do.
import { signal } from '@preact/signals';
import { readSession, session } from './api';
import type { Status } from './types';

// Grows when something began or ended, or when news may have been missed: what was read before may be old.
export const changes = signal(0);
// What jobs said last, by their ids.
export const progress = signal<ReadonlyMap<string, Status>>(new Map());
// How often a job's log has grown since somebody is in, by its id.
export const logged = signal<ReadonlyMap<string, number>>(new Map());
// Whether news come at present.
export const isLive = signal(false);

const WAIT_MIN_MS = 1000;
const WAIT_MAX_MS = 30000;
const LOOK_MS = 60000; // for what news did not come of
const ACTIVE_MS = 300000; // whoever is away longer is not kept logged in by our looks

let source: EventSource | null = null;
let timer = 0;
let wait = WAIT_MIN_MS;
let touched = 0;

function changed(): void {
    changes.value++;
}

function jobOf(event: MessageEvent<string>): (Status & { job?: string }) | null {
    try {
        return JSON.parse(event.data) as Status & { job?: string };
    } catch {
        return null;
    }
}

function drop(job: string): void {
    const rest = new Map(progress.value);
    rest.delete(job);
    progress.value = rest;
}

function open(): void {
    const own = new EventSource('/api/v1/events?topic=jobs');
    source = own;
    own.onopen = () => {
        wait = WAIT_MIN_MS;
        isLive.value = true;
        changed();
    };
    own.onerror = () => {
        isLive.value = false;
        if (own.readyState === EventSource.CLOSED && own === source) void again();
    };
    own.addEventListener('progress', (event) => {
        const told = jobOf(event);
        if (told?.job) progress.value = new Map(progress.value).set(told.job, told);
    });
    own.addEventListener('logged', (event) => {
        const told = jobOf(event);
        if (told?.job) logged.value = new Map(logged.value).set(told.job, (logged.value.get(told.job) ?? 0) + 1);
    });
    own.addEventListener('ended', (event) => {
        const told = jobOf(event);
        if (told?.job) drop(told.job);
        changed();
    });
    own.addEventListener('started', changed);
    own.addEventListener('lost', changed);
}

// The session may be over, which its page has to show; else come back later.
async function again(): Promise<void> {
    const own = source;
    try {
        await readSession();
    } catch {
        // The service is away.
    }
    if (own !== source || !session.value) return;
    timer = window.setTimeout(open, wait);
    wait = Math.min(wait * 2, WAIT_MAX_MS);
}

function close(): void {
    clearTimeout(timer);
    source?.close();
    source = null;
    isLive.value = false;
    progress.value = new Map();
    logged.value = new Map();
}

// Follow the news while somebody is in.
export function followNews(): void {
    let isIn = false;
    session.subscribe((now) => {
        const may = !!now && now.must === null;
        if (may === isIn) return;
        isIn = may;
        close();
        if (may) open();
    });
    for (const name of ['pointerdown', 'keydown', 'wheel']) addEventListener(name, () => (touched = Date.now()), { passive: true });
    setInterval(() => {
        if (isIn && !document.hidden && Date.now() - touched < ACTIVE_MS) changed();
    }, LOOK_MS);
}
