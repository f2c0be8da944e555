// Light or dark: as the system is, unless somebody chose.
import { signal } from '@preact/signals';
import { recall, remember } from './memory';

export type Theme = 'light' | 'dark';
const wanted = matchMedia('(prefers-color-scheme: dark)');
const chosen = signal(recall('theme'));
export const theme = signal<Theme>('light');

function apply(): void {
    theme.value = chosen.value === 'light' || chosen.value === 'dark' ? chosen.value : wanted.matches ? 'dark' : 'light';
    document.documentElement.dataset['theme'] = theme.value;
}
wanted.addEventListener('change', apply);
chosen.subscribe(apply);

export function turnTheme(): void {
    chosen.value = theme.value === 'dark' ? 'light' : 'dark';
    remember('theme', chosen.value);
}
