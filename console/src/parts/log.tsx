// The log of a run: what its process told beside its progress, as it comes and afterwards.
import { api, isAdmin, path } from '../api';
import { logged } from '../events';
import { absoluteText, exactText, visibleText } from '../format';
import { texts } from '../texts';
import type { LogLine, Run } from '../types';
import { Trouble, Waiting, useRead } from './read';

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

// Lines of our own commands have their sentence in them; others are shown as they are.
export function lineText(line: string): string {
    try {
        const { message_type: type, message, error, warning, item, ...rest } = JSON.parse(line) as Record<string, unknown>;
        const inner = (error ?? warning) as { message?: unknown } | undefined;
        const sentence = text(message) || text(inner?.message);
        const about = text(item);
        if (sentence !== '') return about === '' || sentence.includes(about) ? sentence : `${about}: ${sentence}`;
        if (typeof type === 'string') return `${type}: ${JSON.stringify(rest)}`;
    } catch {
        // It is no JSON, or was cut.
    }
    return line;
}

export function RunLog({ run }: { run: Run }) {
    return isAdmin() ? <Log run={run} /> : null;
}

function Log({ run }: { run: Run }) {
    const t = texts.value.people;
    const news = run.job === null ? 0 : logged.value.get(run.job) ?? 0;
    const reading = useRead((signal) => api<{ lines: LogLine[] }>(path`/api/v1/runs/${run.id}/log`, { signal }), [run.id], `${run.state} ${news}`);
    return (
        <section aria-label={t.log}>
            <h2>{t.log}</h2>
            <Trouble reading={reading} />
            {reading.value === undefined ? !reading.problem && <Waiting /> : reading.value.lines.length === 0 ? <p class="empty">{t.noLog}</p> : (
                <ol class="log" tabIndex={0} aria-label={t.log}>
                    {reading.value.lines.map((line, i) => (
                        <li key={i} class={line.from}>
                            <time dateTime={line.time} title={exactText(line.time)}>{absoluteText(line.time)}</time>
                            <span><bdi>{visibleText(lineText(line.text))}</bdi></span>
                        </li>
                    ))}
                </ol>
            )}
        </section>
    );
}
