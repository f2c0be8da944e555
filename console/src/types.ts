// What the API answers, as docs/openapi.yaml has it; only what the pages read.

export type Time = string; // RFC 3339 in UTC
export type Role = 'viewer' | 'manager' | 'admin' | 'super_admin';
export type Must = 'password_change_required' | 'totp_enrolment_required' | null;

export interface User {
    id: string;
    name: string;
    role: Role;
    totp: boolean;
}

export interface Session {
    user: User;
    csrf: string;
    must: Must;
}

export type RunKind =
    | 'backup' | 'verify' | 'drill' | 'restore' | 'retention' | 'prune' | 'copy' | 'export' | 'import' | 'check' | 'push';
export type RunState =
    | 'queued' | 'running' | 'success' | 'incomplete' | 'degraded' | 'failed' | 'cancelled' | 'interrupted' | 'skipped';

export interface BackupSet {
    name: string;
    origin: 'file' | 'api' | 'history';
    state: 'new' | 'ok' | 'failing' | 'paused';
    schedule: string | null;
    repositories: string[];
    next_at: Time | null;
    last_success_at: Time | null;
    last_failure_at: Time | null;
    failures: number;
    verified_at: Time | null;
    proven_at: Time | null;
    pause_reason: string | null;
}

export interface Run {
    id: string;
    job: string | null;
    attempt: number;
    set: string;
    kind: RunKind;
    variant: string | null;
    state: RunState;
    cause: 'manual' | 'schedule' | 'api' | 'catch-up';
    requested_by: string;
    created_at: Time;
    started_at: Time | null;
    ended_at: Time | null;
    snapshot: string | null;
    verdict: string | null;
    bytes: number;
    bytes_added: number;
    files: number;
    error_code: string | null;
    error: string | null;
    progress?: Status | null;
    details?: unknown;
}

// What a command says while it works; which of the fields come depends on the command.
export interface Status {
    percent_done?: number;
    seconds_elapsed?: number;
    seconds_remaining?: number;
    bytes_done?: number;
    bytes_restored?: number;
    total_bytes?: number;
    files_done?: number;
    files_restored?: number;
    total_files?: number;
    error_count?: number;
    current_files?: string[];
    source?: string;
    step?: string;
    done?: number;
    total?: number;
}

export interface Job {
    id: string;
    run: string;
    kind: RunKind;
    set: string | null;
    requested_by: string;
    cause: Run['cause'];
    state: RunState;
    cancelled: boolean;
    result?: Run;
}

export interface Store {
    name: string;
    state: 'up' | 'down';
    seen_at: Time | null;
    bytes: number | null;
    snapshots: number | null;
    error: string | null;
    updated_at: Time;
}

export interface Snapshot {
    id: string;
    short_id: string;
    time: string;
    set: string;
    hostname: string;
    paths: string[];
    tags: string[] | null;
    incomplete?: number;
    summary?: { total_bytes_processed?: number; data_added_packed?: number; total_files_processed?: number };
}

export interface Entry {
    name: string;
    path: string;
    path_b64?: string; // the name is not UTF-8: it cannot be asked for
    type: string;
    size?: number;
    mtime: string;
    permissions: string;
    user?: string;
    linktarget?: string;
}

export interface Page {
    next: string | null;
}
