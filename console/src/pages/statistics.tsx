// How backups fared over some days: of all sets or one, of all types or one.
import { useMemo, useState } from 'preact/hooks';
import { api, path } from '../api';
import { bytesText, durationText, numberText } from '../format';
import type { PageRow } from '../pages';
import { Chart } from '../parts/chart';
import type { Series } from '../parts/chart';
import { Bytes, Name, When } from '../parts/figures';
import { Trouble, Waiting, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { href } from '../router';
import { texts } from '../texts';
import type { Day, Figures, Statistics } from '../types';

const SPANS = [7, 30, 90, 366];

const percentText = (n: number): string => `${numberText(n)} %`;

// Of what was decided, as the service counts it for a set: incomplete ones are no success.
const rateOf = (day: Day): number | null => day.runs === 0 ? null : (day.successful * 100) / day.runs;

function Charts({ days }: { days: Day[] }) {
    const t = texts.value.look;
    const language = texts.value;
    const charts = useMemo(() => {
        const line = (label: string, color: string, of: (day: Day) => number | null): Series => ({ label, color, values: days.map(of) });
        return {
            times: days.map((day) => Date.parse(day.day) / 1000),
            rate: [line(t.rate, '--good', rateOf)],
            runs: [line(t.successful, '--good', (day) => day.successful), line(t.incomplete, '--warn', (day) => day.incomplete), line(t.failed, '--bad', (day) => day.failed)],
            lasted: [line(t.mean, '--accent', (day) => day.duration_s?.mean ?? null), line(t.longest, '--warn', (day) => day.duration_s?.longest ?? null)],
            bytes: [line(t.read, '--accent', (day) => day.runs === 0 ? null : day.size_bytes), line(t.added, '--warn', (day) => day.runs === 0 ? null : day.added_bytes)],
        };
    }, [days, language]);
    const figure = (title: string, series: Series[], text: (n: number) => string, isBytes = false) => (
        <figure><figcaption>{title}</figcaption><Chart label={t.chartOf(title, days.length)} times={charts.times} series={series} text={text} isBytes={isBytes} /></figure>
    );
    return (
        <div class="charts">
            {figure(t.rate, charts.rate, percentText)}
            {figure(t.runs, charts.runs, (n) => numberText(n))}
            {figure(t.lasted, charts.lasted, durationText)}
            {figure(t.bytesChart, charts.bytes, bytesText, true)}
        </div>
    );
}

function columnsOf(title: string, cell: Column<Figures>['cell']): Column<Figures>[] {
    const t = texts.value.look;
    const by = (of: (one: Figures) => number) => (a: Figures, b: Figures): number => of(a) - of(b);
    return [
        { title, kind: 'main', cell },
        { title: t.rate, kind: 'number', cell: (one) => one.success_rate === null ? '–' : `${numberText(one.success_rate, 1)} %`, sort: by((one) => one.success_rate ?? -1) },
        { title: t.count, kind: 'number', cell: (one) => numberText(one.runs), sort: by((one) => one.runs) },
        { title: t.failed, kind: 'number', cell: (one) => numberText(one.failed), sort: by((one) => one.failed) },
        { title: t.median, kind: 'number', cell: (one) => one.duration_s === null ? '–' : durationText(one.duration_s.p50), sort: by((one) => one.duration_s?.p50 ?? -1) },
        { title: t.longest, kind: 'wide', cell: (one) => one.duration_s === null ? '–' : durationText(one.duration_s.longest), sort: by((one) => one.duration_s?.longest ?? -1) },
        { title: t.read, kind: 'wide', cell: (one) => <Bytes n={one.size_bytes} />, sort: by((one) => one.size_bytes) },
        { title: t.added, kind: 'number', cell: (one) => <Bytes n={one.added_bytes} />, sort: by((one) => one.added_bytes) },
        { title: t.lastSuccess, kind: 'wide', cell: (one) => <When time={one.last_success} /> },
    ];
}

function Choice({ label, value, options, onChange }: { label: string; value: string; options: [string, string][]; onChange: (value: string) => void }) {
    return (
        <label class="filter">{label}
            <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
                {options.map(([one, text]) => <option key={one} value={one}>{text}</option>)}
            </select>
        </label>
    );
}

function StatisticsPage() {
    const t = texts.value;
    const [days, setDays] = useState('30');
    const [set, setSet] = useState('');
    const [type, setType] = useState('all');
    // What there is to choose comes from all of it, whatever is chosen.  Not asked again at each news: figures of days can wait, and cost the service much.
    const whole = useRead((signal) => api<Statistics>(`/api/v1/statistics?days=${days}`, { signal }), [days]);
    const isChosen = set !== '' || type !== 'all';
    const chosen = useRead((signal) => isChosen ? api<Statistics>(`/api/v1/statistics?days=${days}` + (set === '' ? '' : path`&set=${set}`)
        + (type === 'all' ? '' : path`&type=${type}`), { signal }) : Promise.resolve(null), [days, set, type]);
    const shown = (isChosen ? chosen : whole).value ?? undefined;
    const known = whole.value ?? whole.former;
    const typeText = (name: string): string => name === '' ? t.look.asSet : name;
    return (
        <>
            <h1>{t.look.statistics}</h1>
            <div class="choices">
                <Choice label={t.look.span} value={days} options={SPANS.map((n) => [String(n), t.look.days(n)])} onChange={setDays} />
                <Choice label={t.set} value={set} options={[['', t.jobs.all], ...(known?.sets ?? []).map((one): [string, string] => [one.name!, one.name!])]} onChange={setSet} />
                <Choice label={t.look.type} value={type} options={[['all', t.jobs.all], ...(known?.types ?? []).map((one): [string, string] => [one.name!, typeText(one.name!)])]} onChange={setType} />
            </div>
            <Trouble reading={isChosen ? chosen : whole} />
            {shown === undefined ? !whole.problem && !chosen.problem && <Waiting /> : (
                <>
                    {shown.truncated && <p class="trouble">{t.look.truncated}</p>}
                    <p>{t.look.sum(numberText(shown.kinds['backup']?.runs ?? 0), shown.kinds['backup']?.success_rate == null ? '–' : `${numberText(shown.kinds['backup'].success_rate, 1)} %`)}</p>
                    <Charts days={shown.days} />
                    <p class="faint">{t.look.utc}</p>
                    <h2>{t.look.bySet}</h2>
                    <Table label={t.look.bySet} columns={columnsOf(t.set, (one) => <a href={href`/snapshots/${one.name!}`}><Name text={one.name!} /></a>)} rows={shown.sets} rowKey={(one) => one.name!} empty={t.jobs.none} />
                    <h2>{t.look.byType}</h2>
                    <Table label={t.look.byType} columns={columnsOf(t.look.type, (one) => <Name text={typeText(one.name!)} />)} rows={shown.types} rowKey={(one) => one.name!} empty={t.jobs.none} />
                </>
            )}
        </>
    );
}

export const statisticsPage: PageRow = { path: '/statistics', title: (t) => t.look.statistics, view: StatisticsPage, isInMenu: true };
