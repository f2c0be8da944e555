// Every word that the pages show.  English here; texts_de.ts has the same in German, and the compiler finds what it lacks.
import { computed, signal } from '@preact/signals';
import { recall, remember } from './memory';
import { de } from './texts_de';

const many = (n: number, one: string, more: string): string => `${n} ${n === 1 ? one : more}`;

export const en = {
    menu: 'Pages',
    skip: 'Skip to the content',
    language: 'Language',
    toDark: 'Dark colours',
    toLight: 'Light colours',
    live: 'live',
    off: 'no news',
    liveHelp: 'News of jobs come as they happen',
    offHelp: 'News do not come at present; what is shown may be old',
    logOut: 'Log out',
    notFound: 'There is no such page',
    waiting: 'One moment …',
    again: 'Try again',
    cancel: 'Cancel',
    close: 'Close',
    set: 'Set',
    watch: 'Watch it',
    mayBeOld: 'What is shown may be old.',
    sortBy: (column: string) => `Sort by: ${column}`,
    bytes: (n: string) => `${n} bytes`,
    files: (n: number, text: string) => `${text} ${n === 1 ? 'file' : 'files'}`,
    ofBytes: (done: string, total: string) => `${done} of ${total}`,
    perSecond: (rate: string) => `${rate}/s`,
    left: (time: string) => `${time} left`,
    errors: (n: number) => many(n, 'error', 'errors'),
    progressOf: (kind: string, set: string) => `Progress: ${kind} ${set}`,
    orderFor: (order: string, set: string) => `${order}: ${set}`,
    orders: { backup: 'Back up now', drill: 'Drill now' },
    ordered: {
        backup: (set: string) => `A backup of ${set} was ordered.`,
        drill: (set: string) => `A drill of ${set} was ordered.`,
    },
    problemWait: (seconds: number) => `Try again in ${seconds} s.`,
    problems: {
        network: 'The service does not answer.',
        broken_off: 'The list broke off before its end.',
        unauthenticated: 'The session is over: log in again.',
        login_failed: 'Name, password or code are not right, or were tried too often.',
        proof_failed: 'That was not right.',
        forbidden: 'You may not do this.',
        step_up_required: 'Nothing was done: you did not prove that it is you.',
        too_many_requests: 'Too many requests.',
        unavailable: 'This cannot be done at present.',
        internal: 'Something went wrong in the service; its log says what.',
    },
    roles: { viewer: 'Viewer', manager: 'Manager', admin: 'Administrator', super_admin: 'Super administrator' },
    states: {
        queued: 'waiting', running: 'running', success: 'succeeded', incomplete: 'incomplete', degraded: 'degraded', failed: 'failed',
        cancelled: 'cancelled', interrupted: 'interrupted', skipped: 'nothing to do',
    },
    kinds: {
        backup: 'Backup', verify: 'Verification', drill: 'Drill', restore: 'Restore', retention: 'Retention', prune: 'Prune', copy: 'Copy',
        export: 'Export', import: 'Import', check: 'Check', push: 'Push',
    },
    causes: { manual: 'by command', schedule: 'by schedule', api: 'by order', 'catch-up': 'missed run' },
    login: {
        name: 'Name', password: 'Password', code: 'Code', go: 'Log in', codeHelp: 'Six digits of your program, or a recovery code.',
    },
    proof: { title: 'Is it you?', why: 'This needs a proof that is not older than five minutes.', go: 'Go on' },
    settle: {
        passwordTitle: 'Choose a password',
        passwordWhy: 'The present one was made for one login only.',
        current: 'Present password',
        chosen: 'New password',
        repeated: 'New password once more',
        rule: 'At least 8 characters, and none of those that everybody uses.',
        differ: 'The two new passwords differ.',
        save: 'Save the password',
        totpTitle: 'Set up a second factor',
        totpWhy: 'Give this secret to a program that makes codes of six digits, such as the one on your phone.',
        openApp: 'Open it in a program on this machine',
        firstCode: 'Code that the program shows now',
        confirm: 'Confirm',
        recoveryTitle: 'Recovery codes',
        recoveryWhy: 'Each of them is good once instead of a code. They are shown now and never again: print them, or put them where your passwords are.',
        kept: 'I have kept them',
    },
    overview: {
        title: 'Overview',
        nothing: 'No set is configured, so nothing is backed up.',
        proven: (n: number, backup: string, proof: string) =>
            n === 1 ? `The set is proven restorable: backed up ${backup}, proven ${proof}.`
                : `All ${n} sets are proven restorable; the oldest last backup was ${backup}, the oldest proof ${proof}.`,
        alarms: {
            never: (set: string, n: number) => `${set} has never been backed up${n === 0 ? '' : `: ${many(n, 'attempt has', 'attempts have')} failed`}.`,
            failing: (set: string, since: string, n: number) => `${set} last succeeded ${since}; ${many(n, 'backup has', 'backups have')} failed since.`,
            late: (set: string, due: string) => `${set} was due ${due} and has not run.`,
            drill: (set: string, at: string) => `The last drill of ${set} (${at}) did not prove that it can be restored.`,
            paused: (set: string, reason: string) => `${set} is paused: ${reason}`,
            unproven: (set: string) => `${set} is backed up, and nobody has proven that it can be restored.`,
            store: (store: string, error: string) => `The repository ${store} did not answer when it was last used${error === '' ? '.' : `: ${error}`}`,
        },
        lastBackup: 'Last backup',
        lastProof: 'Last proof',
        nextRun: 'Next run',
        lastRun: 'Last run',
        size: 'Size',
        sizes: (n: number) => `Sizes of the last ${n} backups`,
        stores: 'Repositories',
        up: 'answers',
        down: 'does not answer',
        unknown: 'not used yet',
        never: 'never',
        paused: 'paused',
        noPlan: 'no schedule',
        failures: (n: number) => many(n, 'failure', 'failures'),
    },
    snapshots: {
        title: 'Snapshots',
        sets: 'Sets with snapshots',
        history: 'not configured any more',
        of: (set: string) => `Snapshots of ${set}`,
        time: 'Time',
        id: 'Id',
        proof: 'Proof',
        host: 'Host',
        tags: 'Tags',
        filter: 'Filter',
        none: 'There is no snapshot yet.',
        noMatch: 'Nothing fits the filter.',
        more: (n: number) => `Show more than these ${n}`,
        timeline: (n: number, first: string, last: string) => `${n} snapshots between ${first} and ${last}`,
        notProven: 'not drilled',
        proven: 'proven',
        incomplete: (n: number) => `incomplete: ${many(n, 'part', 'parts')}`,
        sizeChart: 'Bytes read and bytes added by each backup',
        timeChart: 'How long backups took',
        stored: 'Read',
        added: 'Added',
        lasted: 'Duration',
        chartOf: (title: string, n: number) => `${title}: ${n} backups`,
    },
    snapshot: {
        title: 'Snapshot',
        where: 'Folder',
        root: 'Top folder',
        name: 'Name',
        changed: 'Changed',
        mode: 'Mode',
        get: 'Download',
        getTar: 'As tar',
        begun: (name: string) => `The browser is asked to save ${name}; it tells how that ends.`,
        cannot: 'by folder only',
        cannotWhy: 'Its name cannot be asked for alone: download the folder that it is in.',
        filter: 'Filter this folder',
        filesOf: (folder: string) => `Files in ${folder}`,
        entries: (n: number) => many(n, 'entry', 'entries'),
        empty: 'The folder is empty.',
        notWhole: 'What is shown is not all.',
    },
    jobs: {
        title: 'Jobs',
        one: 'Job',
        underWay: 'Under way',
        nothing: 'Nothing runs and nothing waits.',
        ran: 'What ran',
        none: 'Nothing has run yet.',
        what: 'Job',
        state: 'State',
        began: 'Began',
        ended: 'Ended',
        lasted: 'Took',
        why: 'Why',
        said: 'Result',
        kind: 'Kind',
        all: 'all',
        files: 'Files',
        more: 'Show older ones',
        attempt: (n: number) => `attempt ${n}`,
        details: 'What the command told',
        waits: 'It waits for its turn.',
        stop: 'Stop',
        stopTitle: 'Stop this job?',
        stopWhy: 'What it has done so far is not undone, and counts as no backup.',
        stopping: 'It was asked to stop.',
        goOn: 'Let it go on',
    },
};

export type Texts = typeof en;

const all: Record<string, Texts> = { en, de };
export const languages = Object.keys(all);

function first(): string {
    const wanted = [recall('language'), ...(globalThis.navigator?.languages ?? [])].map((name) => name?.slice(0, 2) ?? '');
    return wanted.find((name) => name in all) ?? 'en';
}

export const language = signal(first());
// With the country that the browser names, which tells how times are written.
export const locale = computed(() => (globalThis.navigator?.languages ?? []).find((name) => name.slice(0, 2) === language.value) ?? language.value);
export const texts = computed(() => all[language.value]!);

export function chooseLanguage(name: string): void {
    language.value = name;
    remember('language', name);
}
