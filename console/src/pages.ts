// All pages; whoever adds one adds a line here and a file beside the others.
import type { ComponentType } from 'preact';
import { jobPage, jobsPage, runPage } from './pages/jobs';
import { overviewPage } from './pages/overview';
import { snapshotPage } from './pages/snapshot';
import { setPage, snapshotsPage } from './pages/snapshots';
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
}

export const pages: PageRow[] = [
    overviewPage,
    snapshotsPage,
    setPage,
    snapshotPage,
    jobsPage,
    jobPage,
    runPage,
];
