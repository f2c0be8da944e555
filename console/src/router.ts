// Pages by the part of the address behind "#", which stays in the browser: names of files get into nobody's log.
import { signal } from '@preact/signals';

export interface Place {
    path: string; // decoded only in parts
    query: URLSearchParams;
}

export function placeOf(hash: string): Place {
    const text = hash.replace(/^#/, '') || '/';
    const at = text.indexOf('?');
    return { path: at < 0 ? text : text.slice(0, at), query: new URLSearchParams(at < 0 ? '' : text.slice(at + 1)) };
}

// The values of "/snapshots/:set" in a path, or null when it is another; words have to be the same.
export function match(pattern: string, path: string): Record<string, string> | null {
    const wanted = pattern.split('/');
    const given = path.split('/');
    const values: Record<string, string> = {};
    if (wanted.length !== given.length) return null;
    for (const [i, word] of wanted.entries()) {
        const part = given[i]!;
        if (!word.startsWith(':')) {
            if (word !== part) return null;
            continue;
        }
        try {
            values[word.slice(1)] = decodeURIComponent(part);
        } catch {
            return null;
        }
    }
    return values;
}

export const place = signal<Place>(placeOf(typeof location === 'undefined' ? '' : location.hash));

// An address for a link: href`/snapshots/${set}?path=${path}`.
export function href(strings: TemplateStringsArray, ...values: string[]): string {
    return '#' + strings.reduce((all, part, i) => all + encodeURIComponent(values[i - 1] ?? '') + part);
}

export function go(address: string): void {
    location.hash = address;
}

export function followAddress(): void {
    addEventListener('hashchange', () => {
        place.value = placeOf(location.hash);
        scrollTo(0, 0);
    });
}
