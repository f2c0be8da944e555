// The only way to the service: fetch with the session's word against other sites, problems as one class,
// and what a session has to do first (log in, prove itself) before the same request is made again.
import { signal } from '@preact/signals';
import type { Session } from './types';

export class Problem extends Error {
    constructor(readonly status: number, readonly code: string, detail: string, readonly wait: number | null = null) {
        super(detail);
    }
}

// undefined: not known yet; null: nobody is logged in.
export const session = signal<Session | null | undefined>(undefined);

// Asks the user to prove who he is; false when he will not.  The dialog puts itself here.
let prove: () => Promise<boolean> = () => Promise.resolve(false);
export function onProof(ask: () => Promise<boolean>): void {
    prove = ask;
}

const BUSY_MS = 20; // in one go

export interface Request {
    method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
    body?: unknown;
    key?: string; // Idempotency-Key
    signal?: AbortSignal;
}

async function problemOf(answer: Response): Promise<Problem> {
    const wait = Number(answer.headers.get('Retry-After') ?? NaN);
    let code = 'unknown';
    let detail = `${answer.status} ${answer.statusText}`;
    try {
        const said = (await answer.json()) as { code?: unknown; detail?: unknown };
        if (typeof said.code === 'string') code = said.code;
        if (typeof said.detail === 'string') detail = said.detail;
    } catch {
        // It came from somebody in between.
    }
    return new Problem(answer.status, code, detail, Number.isFinite(wait) ? wait : null);
}

async function send(path: string, request: Request): Promise<Response> {
    const headers = new Headers();
    const init: RequestInit = { method: request.method ?? 'GET', headers, credentials: 'same-origin', redirect: 'error' };
    if (init.method !== 'GET' && session.value) headers.set('X-HF-CSRF', session.value.csrf);
    if (request.key !== undefined) headers.set('Idempotency-Key', request.key);
    if (request.body !== undefined) {
        headers.set('Content-Type', 'application/json');
        init.body = JSON.stringify(request.body);
    }
    if (request.signal) init.signal = request.signal;
    try {
        return await fetch(path, init);
    } catch (error) {
        if (error instanceof DOMException && error.name === 'AbortError') throw error;
        throw new Problem(0, 'network', 'the service does not answer');
    }
}

// The answer of a request that succeeded; a Problem is thrown for all others.
export async function ask(path: string, request: Request = {}): Promise<Response> {
    for (let tries = 0; ; tries++) {
        const answer = await send(path, request);
        if (answer.ok) return answer;
        const problem = await problemOf(answer);
        if (problem.code === 'unauthenticated') session.value = null;
        // Another window of this browser has proved itself, and the session has another word since.
        if (problem.code === 'csrf' && tries === 0 && (await readSession())) continue;
        if (problem.code === 'step_up_required' && tries < 2 && (await prove())) continue;
        if (problem.code === 'password_change_required' || problem.code === 'totp_enrolment_required') await readSession();
        throw problem;
    }
}

export async function api<T>(path: string, request: Request = {}): Promise<T> {
    const answer = await ask(path, request);
    return (answer.status === 204 ? undefined : await answer.json()) as T;
}

// Lines of JSON as they come, some at a time.  A list that breaks off is a Problem: it is not whole.
export async function lines<T>(path: string, take: (some: T[]) => void, signal: AbortSignal): Promise<void> {
    const answer = await ask(path, { signal });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    let began = performance.now();
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (performance.now() - began > BUSY_MS) {
                await new Promise((resolve) => setTimeout(resolve)); // what has come already would be one long task
                began = performance.now();
            }
            const parts = (rest + (value ?? '')).split('\n');
            rest = done ? '' : parts.pop()!;
            take(parts.filter((part) => part !== '').map((part) => JSON.parse(part) as T));
            if (done) return;
        }
    } catch (error) {
        if (signal.aborted) throw error;
        throw new Problem(0, 'broken_off', 'the list broke off');
    }
}

// Whether somebody is logged in.
export async function readSession(): Promise<boolean> {
    try {
        session.value = await api<Session>('/api/v1/auth/session');
        return true;
    } catch (error) {
        if (!(error instanceof Problem) || error.code !== 'unauthenticated') throw error;
        return false;
    }
}

// Some letters that nobody had before, also where crypto.randomUUID is not there (plain HTTP).
export function newKey(): string {
    return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

// A path of the API: path`/api/v1/sets/${name}/backup` with each value as one segment or value of the query.
export function path(strings: TemplateStringsArray, ...values: (string | number)[]): string {
    return strings.reduce((all, part, i) => all + encodeURIComponent(values[i - 1] ?? '') + part);
}

export const isAdmin = (): boolean => session.value?.user.role === 'admin' || session.value?.user.role === 'super_admin';
