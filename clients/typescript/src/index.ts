export { backupToServer, buildBundle } from "./backup";
export type { BackupBundle, BackupData, PushOptions } from "./backup";
