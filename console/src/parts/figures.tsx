// Times, bytes, states and progress, the same on all pages.
import { signal } from '@preact/signals';
import { absoluteText, bytesText, durationText, exactText, numberText, relativeText, visibleText } from '../format';
import { texts } from '../texts';
import { isReencrypting } from '../told';
import type { Job, Run, RunState, Status } from '../types';

const now = signal(Date.now());
setInterval(() => (now.value = Date.now()), 10000);

// How long ago, or until; the exact time is its title, in the zone of the set too.
export function When({ time, never, zone }: { time: string | null; never?: string; zone?: string | null | undefined }) {
    if (time === null) return <span class="faint">{never ?? '–'}</span>;
    return <time dateTime={time} title={exactText(time, zone)}>{relativeText(time, Math.max(now.value, Date.now()))}</time>;
}

export function At({ time, zone }: { time: string; zone?: string | null | undefined }) {
    return <time dateTime={time} title={exactText(time, zone)}>{absoluteText(time)}</time>;
}

export function Bytes({ n }: { n: number }) {
    return <span class="number" title={texts.value.bytes(numberText(n))}>{bytesText(n)}</span>;
}

// Somebody else's text, which may not lead the eye astray.
export function Name({ text }: { text: string }) {
    return <bdi class="name">{visibleText(text)}</bdi>;
}

const TONES: Record<RunState, string> = {
    queued: 'calm', running: 'busy', success: 'good', incomplete: 'warn', degraded: 'warn', failed: 'bad', cancelled: 'calm', interrupted: 'warn',
    skipped: 'calm',
};

export function State({ state }: { state: RunState }) {
    return <span class={`chip ${TONES[state]}`}>{texts.value.states[state]}</span>;
}

// What a job or run does, in a word.
export function workText(one: Job | Run): string {
    return isReencrypting(one) ? texts.value.epochs.reencrypting : texts.value.kinds[one.kind];
}

export function Progress({ status, label }: { status: Status | undefined; label: string }) {
    const t = texts.value;
    const hasTotal = !!(status?.total_bytes || status?.total_files || status?.total);
    const share = hasTotal || status?.percent_done ? status?.percent_done : undefined;
    const percent = share === undefined ? undefined : Math.floor(share * 100);
    const done = status?.bytes_done ?? status?.bytes_restored;
    const files = status?.files_done ?? status?.files_restored;
    const rate = done !== undefined && status?.seconds_elapsed ? done / status.seconds_elapsed : undefined;
    const parts = [
        status?.step,
        done !== undefined && (status?.total_bytes ? t.ofBytes(bytesText(done), bytesText(status.total_bytes)) : bytesText(done)),
        files !== undefined && t.files(files, numberText(files)),
        rate !== undefined && t.perSecond(bytesText(rate)),
        status?.seconds_remaining !== undefined && t.left(durationText(status.seconds_remaining)),
        !!status?.error_count && t.errors(status.error_count),
    ].filter((part) => typeof part === 'string' && part !== '');
    return (
        <div class="progress">
            <div class={percent === undefined ? 'bar unknown' : 'bar'} role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100}
                {...(percent === undefined ? {} : { 'aria-valuenow': percent })}>
                <div style={{ width: `${percent ?? 0}%` }} />
            </div>
            <p class="faint">{percent !== undefined && <b>{percent}%</b>} {parts.join(' · ')}</p>
            {status?.current_files?.[0] !== undefined && <p class="faint cut"><Name text={status.current_files[0]} /></p>}
        </div>
    );
}
