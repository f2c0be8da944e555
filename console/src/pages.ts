// All pages; whoever adds one adds a line here and a file beside the others.
import type { ComponentType } from 'preact';
import { accountPage } from './pages/account';
import { auditPage } from './pages/audit';
import { diffPage } from './pages/diff';
import { importPage } from './pages/import';
import { jobPage, jobsPage, runPage } from './pages/jobs';
import { kitPage } from './pages/kit';
import { overviewPage } from './pages/overview';
import { restorePage } from './pages/restore';
import { restoredPage, restoresPage } from './pages/restores';
import { notificationsPage } from './pages/notifications';
import { setSettingsPage, settingsPage } from './pages/settings';
import { editPage, newSetPage } from './pages/settings_edit';
import { searchPage } from './pages/search';
import { snapshotPage } from './pages/snapshot';
import { setPage, snapshotsPage } from './pages/snapshots';
import { statisticsPage } from './pages/statistics';
import { storePage, storesPage } from './pages/stores';
import { tablesPage } from './pages/tables';
import { tokensPage } from './pages/tokens';
import { userPage, usersPage } from './pages/users';
import type { Texts } from './texts';

export interface PageProps {
    values: Record<string, string>; // of the path
    query: URLSearchParams;
}

export interface PageRow {
    path: string; // "/snapshots/:set"
    title: (t: Texts, values: Record<string, string>) => string;
    view: ComponentType<PageProps>;
    isInMenu?: boolean;
    inMenu?: PageRow['title']; // shorter, where there is little room
    isFor?: () => boolean; // who may see it; the service decides what he is told
}

export const pages: PageRow[] = [
    overviewPage,
    snapshotsPage,
    setPage,
    diffPage,
    searchPage,
    snapshotPage,
    restoresPage,
    restoredPage,
    restorePage,
    importPage,
    tablesPage,
    statisticsPage,
    jobsPage,
    jobPage,
    runPage,
    storesPage,
    storePage,
    kitPage,
    settingsPage,
    setSettingsPage,
    editPage,
    newSetPage,
    notificationsPage,
    usersPage,
    userPage,
    tokensPage,
    auditPage,
    accountPage,
];
