// What rules of retention keep, as a calendar: of the snapshots that are there, and of a year of backups to come.
// The service computes it with the code that applies the rules.
import { useMemo, useState } from 'preact/hooks';
import { api, path } from '../api';
import { absoluteText, monthText, visibleText, weekdayText } from '../format';
import { texts } from '../texts';
import type { BackupSet, Rules, Settings, Simulated, Simulation, Snapshot } from '../types';
import { At, Name } from './figures';
import { Trouble, Waiting, useRead } from './read';
import { Table } from './table';
import type { Column } from './table';

interface Props {
    set: string | null; // whose snapshots are there; null: it is new
    rules: Rules;
    schedule: Settings['schedule'];
    drill?: Settings['drill']; // configurations of the API have neither
    check?: Settings['check'];
}

const YEAR = 365; // days
const SHOWN_MAX = 1000; // as the service takes them

// "2026-11-23" of each moment in the zone of the set.
function dayIn(zone: string): (time: string) => string {
    const format = new Intl.DateTimeFormat('en-CA', { year: 'numeric', month: '2-digit', day: '2-digit', ...(zone === 'local' ? {} : { timeZone: zone }) });
    return (time) => format.format(new Date(time));
}

export function Simulator({ set, rules, schedule, drill = null, check = null }: Props) {
    const t = texts.value.settings.simulation;
    const [ahead, setAhead] = useState(schedule !== null);
    const present = useRead(async (signal) => {
        // Before its first backup there may be no repository to look into.
        if (set === null || (await api<BackupSet>(path`/api/v1/sets/${set}`, { signal })).last_success_at === null) return [];
        return (await api<{ snapshots: Snapshot[] }>(path`/api/v1/sets/${set}/snapshots?limit=${SHOWN_MAX}`, { signal })).snapshots;
    }, [set]);
    const days = ahead && schedule ? YEAR : 0;
    const key = JSON.stringify([rules, schedule?.cron, schedule?.timezone, drill, check]);
    const reading = useRead((signal) => present.value === undefined ? new Promise<Simulation>(() => {}) : api<Simulation>('/api/v1/retention/simulation', {
        method: 'POST', signal, body: {
            retention: rules, days, drill, check, ...(schedule ? { schedule: { cron: schedule.cron, timezone: schedule.timezone } } : {}),
            snapshots: present.value.map((one) => ({ id: one.id, time: one.time, pinned: one.tags?.includes('pin') ?? false })),
        },
    }), [present.value, days, key]);
    const shown = reading.value ?? reading.former;
    return (
        <section class="simulation">
            <div class="title">
                <h2>{t.title}</h2>
                <div class="buttons" role="group" aria-label={t.when}>
                    <button type="button" aria-pressed={!ahead} onClick={() => setAhead(false)}>{t.now}</button>
                    <button type="button" aria-pressed={ahead} disabled={schedule === null} onClick={() => setAhead(true)}>{t.year}</button>
                </div>
            </div>
            <p class="faint">{t.how}</p>
            <Trouble reading={present} />
            {reading.problem ? <Trouble reading={{ ...reading, value: undefined }} /> : shown ? <div class="next" aria-busy={reading.value === undefined}><Result simulation={shown} zone={schedule?.timezone ?? 'local'} /></div> : !present.problem && <Waiting />}
        </section>
    );
}

function Result({ simulation, zone }: { simulation: Simulation; zone: string }) {
    const t = texts.value.settings.simulation;
    const [chosen, setChosen] = useState<string | null>(null);
    const byDay = useMemo(() => {
        const dayOf = dayIn(zone);
        const all = new Map<string, Simulated[]>();
        for (const one of simulation.snapshots) {
            const day = dayOf(one.time);
            const list = all.get(day);
            if (list) list.push(one);
            else all.set(day, [one]);
        }
        return all;
    }, [simulation, zone]);
    const isThere = (one: Simulated): boolean => one.action !== 'remove';
    const rows = chosen === null ? simulation.snapshots.filter(isThere).reverse() : byDay.get(chosen) ?? [];
    const columns: Column<Simulated>[] = [
        { title: texts.value.snapshots.time, kind: 'main', cell: (one) => <><At time={one.time} />{one.simulated && <span class="faint"> {t.simulated}</span>}</> },
        { title: t.becomes, cell: (one) => <span class={`chip ${one.action === 'keep' ? 'good' : one.action === 'hold' ? 'warn' : 'calm'}`}>{t.actions[one.action]}</span> },
        { title: t.why, cell: (one) => <Name text={one.reason} /> },
        { title: t.goes, kind: 'wide', cell: (one) => one.removed_at === null ? '–' : <At time={one.removed_at} /> },
    ];
    const kept = simulation.snapshots.filter(isThere).length;
    return (
        <>
            <p aria-live="polite"><b>{t.kept(kept, simulation.snapshots.length)}</b> {t.until(absoluteText(simulation.until))}</p>
            {simulation.places !== null && <p class="faint">{visibleText(simulation.places)}</p>}
            {simulation.sentence !== null && <p class="note">{visibleText(simulation.sentence)}</p>}
            {simulation.truncated && <p class="note">{t.truncated(absoluteText(simulation.until))}</p>}
            <Months byDay={byDay} chosen={chosen} choose={(day) => setChosen(day === chosen ? null : day)} />
            <p class="legend"><span class="day keep">1</span> {t.legend.keep} <span class="day hold">1</span> {t.legend.hold} <span class="day remove">1</span> {t.legend.remove}</p>
            {chosen !== null && <p><button type="button" onClick={() => setChosen(null)}>{t.all}</button></p>}
            <Table label={t.table} columns={columns} rows={rows} rowKey={(one) => one.id ?? one.time} empty={t.none} />
        </>
    );
}

interface MonthsProps {
    byDay: Map<string, Simulated[]>;
    chosen: string | null;
    choose: (day: string) => void;
}

function Months({ byDay, chosen, choose }: MonthsProps) {
    const months = [...new Set([...byDay.keys()].map((day) => day.slice(0, 7)))].sort();
    return <div class="months">{months.map((month) => <Month key={month} month={month} byDay={byDay} chosen={chosen} choose={choose} />)}</div>;
}

const WEEK = [1, 2, 3, 4, 5, 6, 0];

function Month({ month, byDay, chosen, choose }: MonthsProps & { month: string }) {
    const first = new Date(`${month}-01T00:00Z`);
    const days = new Date(Date.UTC(first.getUTCFullYear(), first.getUTCMonth() + 1, 0)).getUTCDate();
    const before = (first.getUTCDay() + 6) % 7;
    return (
        <section class="month" aria-label={monthText(month)}>
            <h3>{monthText(month)}</h3>
            <div class="days">
                {WEEK.map((day) => <span key={day} class="faint" aria-hidden="true">{weekdayText(day, 'narrow')}</span>)}
                {Array.from({ length: before }, (_, i) => <span key={`x${i}`} />)}
                {Array.from({ length: days }, (_, i) => {
                    const day = `${month}-${String(i + 1).padStart(2, '0')}`;
                    return <Day key={day} day={day} list={byDay.get(day)} isChosen={day === chosen} choose={choose} />;
                })}
            </div>
        </section>
    );
}

function Day({ day, list, isChosen, choose }: { day: string; list: Simulated[] | undefined; isChosen: boolean; choose: (day: string) => void }) {
    const t = texts.value.settings.simulation;
    const number = Number(day.slice(8));
    if (!list) return <span class="day">{number}</span>;
    const there = list.filter((one) => one.action !== 'remove');
    const action = there.some((one) => one.action === 'keep') ? 'keep' : there.length > 0 ? 'hold' : 'remove';
    const words = t.day(number, there.length, list.length, visibleText((there[0] ?? list[0]!).reason));
    return <button type="button" class={`day ${action}`} aria-pressed={isChosen} aria-label={words} title={words} onClick={() => choose(day)}>{number}</button>;
}
