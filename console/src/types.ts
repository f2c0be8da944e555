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
    time_zone: string | null; // of the schedule; null: that of the machine
    repositories: string[];
    next_at: Time | null;
    last_success_at: Time | null;
    last_failure_at: Time | null;
    failures: number;
    verified_at: Time | null;
    proven_at: Time | null;
    last_drill: { run: string; state: RunState; ended_at: Time | null } | null; // that nobody stopped
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
    arguments?: object | null; // for administrators
    result?: Run;
}

export interface Store {
    name: string;
    state: 'up' | 'down';
    seen_at: Time | null;
    bytes: number | null;
    snapshots: number | null;
    checked_at: Time | null;
    verified_at: Time | null;
    keys: KeysLeft | null; // null: never measured
    error: string | null;
    updated_at: Time;
}

export interface Epoch {
    epoch: number;
    keys: number;
    packs: number;
    pack_bytes: number;
    index_objects: number;
    packs_in_trash: number;
    bytes_in_trash: number;
    snapshots: number;
    records: number;
}

// What past keys of a repository still read.
export interface KeysLeft {
    measured_at: Time;
    epoch: number;
    packs_left: number;
    bytes_left: number;
    index_objects_left: number;
    records_left: number;
    snapshots_left: number;
    packs_left_in_trash: number;
    bytes_left_in_trash: number;
    unreadable: number;
    keys_past: number;
    keys_unfinished: number;
    epochs: Epoch[]; // the newest is the last
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

// Restores and imports: what their jobs are told and tell.

export interface RestoreArguments {
    snapshot?: string; // "ID", or "ID:/sqlite/app.db"
    repository?: string;
    in_place?: boolean;
    plan?: boolean;
    dry_run?: boolean;
    target?: string;
    exclude?: string[];
    verify?: boolean;
    no_owner?: boolean;
    into?: string; // a database that is made
    tables?: string[];
    schemas?: string[];
    as?: string;
    data_only?: boolean;
    restore?: string; // to be undone
    discard?: boolean;
}

export interface PlannedSource {
    place: string;
    where: string;
    why_not: string | null;
    is_there: boolean;
    files_new: number;
    files_replaced: number;
    files_removed: number;
    files_unchanged: number;
    tables: number;
    tables_without_rows: number;
    rows: number;
    bytes: number;
    present_bytes: number;
}

// What a table meets where it goes.
export interface PlannedTable {
    schema: string;
    name: string;
    to_schema: string;
    to_name: string;
    rows: number;
    bytes: number;
    is_there: boolean;
    present_bytes: number;
}

// Of a plan, a restore into place, one into a folder or a database, or an undo: what is there tells which.
export interface RestoreDetails {
    snapshot_id?: string;
    sources?: PlannedSource[];
    imported?: boolean;
    authenticated?: boolean;
    stop?: string[];
    start?: string[];
    health_checks?: number;
    restore_id?: string;
    safety_snapshot_id?: string;
    restored?: string[];
    stays?: string[];
    place?: string; // of a database
    into?: string;
    makes_database?: boolean;
    way?: 'new' | 'replace' | 'add';
    parts?: PlannedTable[];
    tables?: number;
    tables_without_rows?: number;
    rows?: number;
    bytes?: number;
    phase?: string;
    dry_run?: boolean;
    total_files?: number;
    files_restored?: number;
    files_skipped?: number;
    files_verified?: number;
    total_bytes?: number;
    bytes_restored?: number;
    error_count?: number;
    warning_count?: number;
}

export interface ImportDetails {
    kind?: string;
    version?: string | null;
    created?: string | null;
    authenticated?: boolean;
    why?: string;
    note?: string | null;
    name?: string;
    parts?: number;
    bundles?: number;
    bytes?: number;
    snapshot_id?: string;
}

export interface JobSeen<D, A extends object = object> extends Job {
    arguments?: A;
    result: Run & { details?: D | null };
}

export interface Limits {
    restore_targets: string[];
    import_max: number;
}

export interface RestorePoint {
    id: string;
    run: string | null;
    snapshot: string | null;
    description: string;
    verified: boolean;
    created_by: string;
    created_at: Time;
    expires_at: Time | null;
}

// What configurations may name as sources on the host that answers
export interface SourcePlaces {
    servers: { name: string; database: string | null }[];
    folders: string[];
}

// Settings

export interface Settings {
    name: string;
    origin: 'file' | 'api';
    sources: { kind: string; name: string }[];
    repositories: { name: string; retention: Rules | null; places: string | null }[];
    required_repositories: number;
    on_error: 'fail' | 'incomplete';
    schedule: { cron: string; timezone: string; jitter_s: number; run_missed: 'once' | 'skip' | 'all' } | null;
    health_checks: number;
    retention: Rules | null;
    drill: string | null;
    check: string | { cron: string; read_data?: boolean | string } | null;
    tags: string[] | null;
    hosts: string[] | null;
    notify: { on_success?: string[]; on_failure?: string[] } | null;
}

export type Rules = Record<string, number | string>;

export interface NextRun {
    at: Time;
    local: string; // the same in the zone of the set
    clock: 'moved' | 'twice' | null;
}

export interface Simulated {
    id: string | null; // null: of a backup to come
    time: Time;
    simulated: boolean;
    action: 'keep' | 'remove' | 'hold';
    reason: string;
    removed_at: Time | null;
}

export interface Simulation {
    now: Time;
    until: Time;
    truncated: boolean;
    sentence: string | null;
    places: string | null;
    snapshots: Simulated[];
}

export interface Notification {
    id: string;
    run: string | null;
    channel: string;
    recipient: string | null;
    state: 'waiting' | 'sent' | 'failed';
    attempts: number;
    next_at: Time | null;
    error: string | null;
    created_at: Time;
    ended_at: Time | null;
}

// Looking: statistics, tables, differences, matches

export interface Figures {
    name?: string;
    runs: number;
    successful: number;
    incomplete: number;
    failed: number;
    success_rate: number | null;
    size_bytes: number;
    added_bytes: number;
    last_success: Time | null;
    duration_s: { mean: number; p50: number; p95: number; longest: number } | null;
}

export interface Day {
    day: string; // "2026-11-22", in UTC
    runs: number;
    successful: number;
    incomplete: number;
    failed: number;
    size_bytes: number;
    added_bytes: number;
    duration_s: { mean: number; longest: number } | null;
}

export interface Statistics {
    kinds: Record<string, Figures>;
    types: Figures[];
    sets: Figures[];
    days: Day[];
    truncated: boolean;
}

export interface Database {
    struct_type: 'database';
    kind: 'postgres' | 'sqlite';
    path: string;
    has_manifest: boolean;
}

export interface StoredTable {
    struct_type: 'table';
    kind: string;
    database: string;
    schema?: string;
    name: string;
    path?: string; // of its rows
    bytes?: number;
    rows?: number;
    hash?: string;
}

export interface Change {
    message_type: 'change';
    path: string;
    path_b64?: string;
    modifier: '+' | '-' | 'M' | 'T' | 'U';
    size_before?: number;
    size_after?: number;
}

export interface Match extends Entry {
    struct_type: string;
    snapshot: string;
}

// People and keys

export interface Account extends User {
    disabled: boolean;
    must_change_password: boolean;
    created_at: Time;
    login_at: Time | null;
}

export interface OpenSession {
    id: string;
    current: boolean;
    created_at: Time;
    seen_at: Time;
    address: string | null;
    agent: string | null;
}

export interface Token {
    id: string;
    name: string;
    kind: 'api' | 'push' | 'agent';
    user: string | null;
    role: Role | null;
    verbs: string[];
    sets: string[];
    created_at: Time;
    expires_at: Time;
    used_at: Time | null;
    revoked_at: Time | null;
}

export interface AuditRecord {
    seq: number;
    time: Time;
    actor: string;
    action: string;
    object: string;
    outcome: string;
    details: unknown;
}

export interface AuditVerdict {
    sound: boolean;
    records: number;
    bad_record: number | null;
    reason: string | null;
}

export interface LogLine {
    time: Time;
    from: 'output' | 'errors' | 'keeper';
    text: string;
}

export interface KeySlot {
    id: string;
    kind: string;
    created: string;
    label: string;
    current: boolean;
    epoch?: number; // not told by runs of older versions
    state?: string; // valid, past, unfinished, damaged
}
