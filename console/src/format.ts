// Figures and times as people read them.
import { computed } from '@preact/signals';
import { locale } from './texts';

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytesText(bytes: number): string {
    let unit = 0;
    for (; bytes >= 1024 && unit + 1 < UNITS.length; unit++) bytes /= 1024;
    const digits = unit === 0 || bytes >= 100 ? 0 : 1;
    return `${numberText(bytes, digits)} ${UNITS[unit]}`;
}

export function numberText(n: number, digits: 0 | 1 = 0): string {
    return figures.value[digits]!.format(n);
}

// "3 h 5 min"; two units at most.
export function durationText(seconds: number): string {
    if (seconds > 0 && seconds < 9.95) return `${numberText(seconds, 1)} s`;
    const s = Math.max(0, Math.round(seconds));
    const parts: [number, string][] = [[Math.floor(s / 86400), 'd'], [Math.floor(s / 3600) % 24, 'h'], [Math.floor(s / 60) % 60, 'min'], [s % 60, 's']];
    const first = parts.findIndex(([n]) => n > 0);
    if (first < 0) return '0 s';
    return parts.slice(first, first + 2).filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(' ');
}

const STEPS: [number, Intl.RelativeTimeFormatUnit][] = [
    [60, 'second'], [3600, 'minute'], [86400, 'hour'], [86400 * 14, 'day'], [86400 * 60, 'week'], [86400 * 730, 'month'], [Infinity, 'year'],
];
const SECONDS = { second: 1, minute: 60, hour: 3600, day: 86400, week: 604800, month: 2629800, year: 31557600 };

export function relativeText(time: string, now: number): string {
    const seconds = (Date.parse(time) - now) / 1000;
    const unit = STEPS.find(([below]) => Math.abs(seconds) < below)![1] as keyof typeof SECONDS;
    const format = new Intl.RelativeTimeFormat(locale.value, { numeric: unit === 'second' ? 'auto' : 'always' });
    // Towards now: "2 days ago" is at least so long ago.
    return format.format(unit === 'second' && Math.abs(seconds) < 10 ? 0 : Math.trunc(seconds / SECONDS[unit]), unit);
}

// Made once for a language: a table asks for hundreds of times, and making one takes longer than all of these.
const medium = computed(() => new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'medium' }));
const full = computed(() => new Intl.DateTimeFormat(locale.value, { dateStyle: 'full', timeStyle: 'long' }));
const weekdays = computed(() => {
    const of = (weekday: 'long' | 'short' | 'narrow') => new Intl.DateTimeFormat(locale.value, { weekday, timeZone: 'UTC' });
    return { long: of('long'), short: of('short'), narrow: of('narrow') };
});
const figures = computed(() => [0, 1].map((digits) => new Intl.NumberFormat(locale.value, { maximumFractionDigits: digits, minimumFractionDigits: digits })));

export function absoluteText(time: string): string {
    return medium.value.format(new Date(time));
}

// 0 is Sunday.
export function weekdayText(day: number, length: 'long' | 'short' | 'narrow' = 'long'): string {
    return weekdays.value[length].format(new Date(Date.UTC(2023, 0, 1 + day)));
}

// Of "2026-11".
export function monthText(month: string): string {
    return new Intl.DateTimeFormat(locale.value, { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(new Date(`${month}-01T00:00Z`));
}

// With the zone of the viewer, that of the set where it is known, and in UTC.
export function exactText(time: string, zone?: string | null): string {
    const texts = [full.value.format(new Date(time))];
    if (zone) {
        try {
            texts.push(`${new Intl.DateTimeFormat(locale.value, { dateStyle: 'medium', timeStyle: 'medium', timeZone: zone }).format(new Date(time))} ${zone}`);
        } catch {
            // The browser does not know this zone.
        }
    }
    texts.push(`${new Date(time).toISOString().replace('T', ' ').slice(0, 19)} UTC`);
    return `${texts[0]} (${texts.slice(1).join('; ')})`;
}

export function secondsBetween(from: string | null, until: string | null): number | null {
    return from === null || until === null ? null : (Date.parse(until) - Date.parse(from)) / 1000;
}

// A name from outside with what cannot be seen, or turns the direction of what follows, shown as its number.
export function visibleText(name: string): string {
    return name.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
        (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
