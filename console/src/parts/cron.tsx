// When a set runs: plain choices and the expression that they stand for, and its next runs as the service computes them.
import { useRef, useState } from 'preact/hooks';
import { api, path } from '../api';
import { exactText, weekdayText } from '../format';
import { texts } from '../texts';
import type { NextRun } from '../types';
import { problemText, useRead, Waiting } from './read';

type Kind = 'hourly' | 'daily' | 'weekly' | 'monthly' | 'own';
interface Choice {
    kind: Kind;
    time: string; // "02:00"; of hourly ones the minute counts
    weekday: number; // 0 is Sunday
    day: number;
}

// The choice that an expression stands for.
export function choiceOf(cron: string): Choice {
    const choice: Choice = { kind: 'own', time: '02:00', weekday: 0, day: 1 };
    const found = /^(\d{1,2}) (\d{1,2}|\*) (\d{1,2}|\*) \* ([0-6]|\*)$/.exec(cron.trim());
    if (!found) return choice;
    const [, minute, hour, day, weekday] = found as unknown as [string, string, string, string, string];
    const kind = hour === '*' ? (day === '*' && weekday === '*' ? 'hourly' : 'own') : day === '*' ? (weekday === '*' ? 'daily' : 'weekly')
        : weekday === '*' ? 'monthly' : 'own';
    const two = (text: string): string => text.padStart(2, '0');
    return { kind, time: `${two(hour === '*' ? '0' : hour)}:${two(minute)}`, weekday: Number(weekday) || 0, day: Number(day) || 1 };
}

export function cronOf({ kind, time, weekday, day }: Choice): string {
    const [hour, minute] = time.split(':').map(Number) as [number, number];
    switch (kind) {
        case 'hourly': return `${minute} * * * *`;
        case 'weekly': return `${minute} ${hour} * * ${weekday}`;
        case 'monthly': return `${minute} ${hour} ${day} * *`;
        default: return `${minute} ${hour} * * *`;
    }
}

interface Props {
    value: string;
    onChange: (cron: string) => void;
    zone: string;
    wrong?: string | undefined;
}

export function Cron({ value, onChange, zone, wrong }: Props) {
    const t = texts.value.settings.cron;
    const [isOwn, setOwn] = useState(false);
    const choice = choiceOf(value);
    const kind = isOwn ? 'own' : choice.kind;
    const change = (part: Partial<Choice>): void => onChange(cronOf({ ...choice, kind, ...part }));
    return (
        <fieldset>
            <legend>{t.title}</legend>
            <div class="row">
                <label>{t.often}
                    <select value={kind} onChange={(event) => {
                        const next = event.currentTarget.value as Kind;
                        setOwn(next === 'own');
                        if (next !== 'own') change({ kind: next });
                    }}>
                        {(['hourly', 'daily', 'weekly', 'monthly', 'own'] as const).map((one) => <option key={one} value={one}>{t.kinds[one]}</option>)}
                    </select>
                </label>
                {kind === 'weekly' && (
                    <label>{t.weekday}
                        <select value={choice.weekday} onChange={(event) => change({ weekday: Number(event.currentTarget.value) })}>
                            {[1, 2, 3, 4, 5, 6, 0].map((one) => <option key={one} value={one}>{weekdayText(one)}</option>)}
                        </select>
                    </label>
                )}
                {kind === 'monthly' && (
                    <label>{t.day}<input type="number" min={1} max={31} value={choice.day} onInput={(event) => event.currentTarget.value !== '' && change({ day: Number(event.currentTarget.value) })} /></label>
                )}
                {kind !== 'own' && (
                    <label>{kind === 'hourly' ? t.minute : t.time}
                        {kind === 'hourly'
                            ? <input type="number" min={0} max={59} value={Number(choice.time.slice(3))} onInput={(event) => event.currentTarget.value !== '' && change({ time: `00:${event.currentTarget.value}` })} />
                            : <input type="time" value={choice.time} onInput={(event) => event.currentTarget.value !== '' && change({ time: event.currentTarget.value })} />}
                    </label>
                )}
                <label>{t.expression}
                    <input class="mono" value={value} spellcheck={false} maxLength={200} aria-invalid={wrong !== undefined} aria-describedby={wrong === undefined ? undefined : 'wrong-schedule'}
                        onInput={(event) => { setOwn(true); onChange(event.currentTarget.value); }} />
                </label>
            </div>
            {wrong !== undefined && <p class="wrong" id="wrong-schedule">{wrong}</p>}
            <NextRuns cron={value} zone={zone} />
        </fieldset>
    );
}

const PAUSE_MS = 300; // after a key, before the service is asked

export function NextRuns({ cron, zone }: { cron: string; zone: string }) {
    const t = texts.value.settings.cron;
    const isTyping = useRef(false);
    const reading = useRead(async (signal) => {
        if (isTyping.current) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        isTyping.current = true;
        const { next } = await api<{ next: NextRun[] }>(path`/api/v1/schedules/next?cron=${cron}&timezone=${zone}`, { signal });
        return { zone, next };
    }, [cron, zone]);
    if (reading.problem) return <p class="wrong" role="status">{problemText(reading.problem)}</p>;
    const shown = reading.value ?? reading.former;
    if (shown === undefined) return <Waiting />;
    return (
        <div class="next" aria-live="polite" aria-busy={reading.value === undefined}>
            <p><b>{shown.zone === 'local' ? t.nextLocal : t.next(shown.zone)}</b></p>
            <ol class="runs">
                {shown.next.map((run) => (
                    <li key={run.at}>
                        <time dateTime={run.at} title={exactText(run.at)}>{weekdayText(new Date(`${run.local.slice(0, 10)}T00:00Z`).getUTCDay(), 'short')} {run.local.slice(0, 10)} {run.local.slice(11, 16)}</time>
                        {' '}<span class="faint">{run.local.slice(19)}</span>
                        {run.clock !== null && <> <span class="chip warn">{t.clock[run.clock]}</span></>}
                    </li>
                ))}
            </ol>
        </div>
    );
}
