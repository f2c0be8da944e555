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

const BUSY_MS = 8; // in one go, of which a machine with more to do may make ten times as much

export interface Request {
    method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
    body?: unknown;
    text?: string; // a body that is JSON already, to be sent as it is
    match?: string; // If-Match: the version that is changed; "" is If-None-Match: there is none yet
    isAsync?: boolean; // where the API of the POS service would wait for the job: be told of it instead
    key?: string; // Idempotency-Key
    signal?: AbortSignal;
}

async function problemOf(answer: Response): Promise<Problem> {
    return problemSaid(answer.status, `${answer.status} ${answer.statusText}`, await answer.text().catch(() => ''), answer.headers.get('Retry-After'));
}

function problemSaid(status: number, detail: string, text: string, retry: string | null): Problem {
    const wait = Number(retry ?? NaN);
    let code = 'unknown';
    try {
        const said = JSON.parse(text) as { code?: unknown; detail?: unknown; error?: unknown; details?: unknown };
        if (typeof said.code === 'string') code = said.code;
        // The last two are of the API of the POS service.
        for (const words of [said.error, said.details, said.detail]) if (typeof words === 'string') detail = words;
    } catch {
        // It came from somebody in between.
    }
    return new Problem(status, code, detail, Number.isFinite(wait) ? wait : null);
}

async function send(path: string, request: Request): Promise<Response> {
    const headers = new Headers();
    const init: RequestInit = { method: request.method ?? 'GET', headers, credentials: 'same-origin', redirect: 'error' };
    if (init.method !== 'GET' && session.value) headers.set('X-HF-CSRF', session.value.csrf);
    if (request.isAsync) headers.set('Prefer', 'respond-async');
    if (request.key !== undefined) headers.set('Idempotency-Key', request.key);
    if (request.match !== undefined) headers.set(request.match === '' ? 'If-None-Match' : 'If-Match', request.match === '' ? '*' : request.match);
    if (request.text !== undefined || request.body !== undefined) {
        headers.set('Content-Type', 'application/json');
        init.body = request.text ?? JSON.stringify(request.body);
    }
    if (request.signal) init.signal = request.signal;
    try {
        return await fetch(path, init);
    } catch (error) {
        if (error instanceof DOMException && error.name === 'AbortError') throw error;
        throw new Problem(0, 'network', 'the service does not answer');
    }
}

// A request of this session was told that nobody is logged in.  Somebody may have come in anew since it was sent.
function sessionOver(of: Session | null | undefined): void {
    if (session.value?.csrf === of?.csrf) session.value = null;
}

// The answer of a request that succeeded; a Problem is thrown for all others.
export async function ask(path: string, request: Request = {}): Promise<Response> {
    for (let tries = 0; ; tries++) {
        const own = session.value;
        const answer = await send(path, request);
        if (answer.ok) return answer;
        const problem = await problemOf(answer);
        if (problem.code === 'unauthenticated') sessionOver(own);
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

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

// Lines of JSON as they come, some at a time, never for so long that the page stands still.  A list that breaks off is a Problem: it is not whole.
// No more than so many characters are read.
export async function lines<T>(path: string, take: (some: T[]) => void, signal: AbortSignal, most = Infinity): Promise<void> {
    const answer = await ask(path, { signal });
    const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    let began = performance.now();
    let left = most;
    try {
        for (;;) {
            const { done, value } = await reader.read();
            left -= value?.length ?? 0;
            const text = rest + (value ?? '');
            let some: T[] = [];
            let at = 0;
            for (let end; (end = text.indexOf('\n', at)) >= 0; at = end + 1) {
                if (end > at) some.push(JSON.parse(text.slice(at, end)) as T);
                if (performance.now() - began <= BUSY_MS) continue;
                take(some);
                some = [];
                await pause(); // what has come already would be one long task
                if (signal.aborted) return;
                began = performance.now();
            }
            rest = text.slice(at);
            if (done && rest !== '') some.push(JSON.parse(rest) as T);
            take(some);
            if (done) return;
            if (left < 0) return void reader.cancel();
        }
    } catch (error) {
        if (signal.aborted || error instanceof Problem) throw error;
        throw new Problem(0, 'broken_off', 'the list broke off');
    }
}

// A form with files; sent(share) tells how much of it has left, which fetch cannot.  Nothing is tried again: a proof has to be there.
export function sendForm<T>(path: string, form: FormData, sent: (share: number) => void, signal: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
        const stopped = (): void => reject(new Problem(0, 'upload_stopped', 'the upload was stopped'));
        if (signal.aborted) return stopped();
        const own = session.value;
        const request = new XMLHttpRequest();
        request.open('POST', path);
        if (own) request.setRequestHeader('X-HF-CSRF', own.csrf);
        request.upload.onprogress = (event) => { if (event.lengthComputable) sent(event.loaded / event.total); };
        request.onload = () => {
            if (request.status >= 200 && request.status < 300) return resolve(JSON.parse(request.responseText) as T);
            const problem = problemSaid(request.status, `${request.status} ${request.statusText}`, request.responseText, request.getResponseHeader('Retry-After'));
            if (problem.code === 'unauthenticated') sessionOver(own);
            reject(problem);
        };
        request.onerror = () => reject(new Problem(0, 'upload_broken', 'the upload broke off'));
        request.onabort = stopped;
        signal.addEventListener('abort', () => request.abort());
        request.send(form);
    });
}

// Whether somebody is logged in.
export async function readSession(): Promise<boolean> {
    const own = session.value;
    try {
        const now = await api<Session>('/api/v1/auth/session');
        if (own && !session.value) return false; // he left meanwhile
        session.value = now;
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

export const isSuper = (): boolean => session.value?.user.role === 'super_admin';
export const isAdmin = (): boolean => session.value?.user.role === 'admin' || session.value?.user.role === 'super_admin';
