/*
 * Bundles as the application "Main Private Files" builds and pushes them.  Called without arguments,
 * both functions do what the published ones do; arguments are additions.
 */

/** What a bundle may hold; servers keep members that they do not know. */
export interface BackupData {
  users?: string[];
  sessions?: string[];
  firewall_state?: Record<string, unknown>;
  metadata?: Record<string, unknown>;
  [other: string]: unknown;
}

export interface BackupBundle {
  timestamp: string;
  version: string;
  data: BackupData;
}

export interface PushOptions {
  /** Where to push to; http://localhost:8787/backup unless it is given. */
  url?: string;
  /** Sent as "Authorization: Bearer"; over plain http to this machine only. */
  token?: string;
  /** What buildBundle() is called with. */
  data?: BackupData;
  /** This bundle instead of a new one. */
  bundle?: BackupBundle;
  /** Ends the request. */
  signal?: AbortSignal;
}

const DEFAULT_URL = "http://localhost:8787/backup";
const VERSION = "1.0.0";
const SOURCE = "main-private-files";

/** A bundle of this moment.  Members of data that are not given are empty. */
export async function buildBundle(data: BackupData = {}): Promise<BackupBundle> {
  const now = new Date();
  const { users, sessions, firewall_state, metadata, ...others } = data;

  return {
    timestamp: now.toISOString(),
    version: VERSION,
    data: {
      users: users ?? [],
      sessions: sessions ?? [],
      firewall_state: firewall_state ?? {},
      metadata: { source: SOURCE, buildTime: now.getTime(), ...metadata },
      ...others,
    },
  };
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || /^127(\.\d{1,3}){3}$/.test(host);
}

function headersFor(url: URL, token: string | undefined): Record<string, string> {
  const headers: Record<string, string> = { "Content-Type": "application/json" };

  if (token === undefined) {
    return headers;
  }
  if (url.protocol !== "https:" && !isLoopback(url.hostname)) {
    throw new Error(`Backup not sent: a token for ${url.host} needs https`);
  }
  headers["Authorization"] = `Bearer ${token}`;
  return headers;
}

/**
 * Push a bundle.  Resolves when the server has answered with a status of 200 to 299; rejects with
 * "Backup failed with status <code>: <statusText>" otherwise, and with fetch()'s own error when there
 * is no answer.  Redirections are not followed.
 */
export async function backupToServer(options: PushOptions = {}): Promise<void> {
  const url = new URL(options.url ?? DEFAULT_URL);
  const headers = headersFor(url, options.token);
  const bundle = options.bundle ?? (await buildBundle(options.data));
  const response = await fetch(url, {
    method: "POST",
    headers,
    body: JSON.stringify(bundle),
    redirect: "manual",
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });

  await response.body?.cancel();
  if (!response.ok) {
    throw new Error(`Backup failed with status ${response.status}: ${response.statusText}`);
  }
}
