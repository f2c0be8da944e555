// Files by name in all snapshots of a set, with the way into each.
import { useMemo, useState } from 'preact/hooks';
import { api, path } from '../api';
import { absoluteText, numberText } from '../format';
import type { PageProps, PageRow } from '../pages';
import { At, Bytes, Name } from '../parts/figures';
import { Waiting, problemText, useRead } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { go, href } from '../router';
import { texts } from '../texts';
import type { Match, Page, Snapshot } from '../types';
import { useLines } from './diff';

const parentOf = (file: string): string => file.slice(0, file.lastIndexOf('/')) || '/';
const canBeAsked = (file: string): boolean => !/[\u0000-\u001f\u007f]/.test(file);

function Matches({ set, pattern }: { set: string; pattern: string }) {
    const t = texts.value;
    const found = useLines<Match>(path`/api/v1/sets/${set}/files?pattern=${pattern}&ignore_case=true`, (line) => line.snapshot !== undefined);
    const list = useRead((signal) => api<Page & { snapshots: Snapshot[] }>(path`/api/v1/sets/${set}/snapshots?limit=1000`, { signal }), [set]);
    const times = useMemo(() => new Map((list.value?.snapshots ?? []).flatMap((one) => [[one.id, one.time], [one.short_id, one.time]] as const)), [list.value]);
    const timeOf = (id: string): string => { const time = times.get(id); return time === undefined ? '' : absoluteText(time); };
    const columns: Column<Match>[] = [
        { title: t.look.path, kind: 'main', cell: (one) => canBeAsked(one.path) && one.path_b64 === undefined
            ? <a href={one.type === 'dir' ? href`/snapshots/${set}/${one.snapshot}?path=${one.path}` : href`/snapshots/${set}/${one.snapshot}?path=${parentOf(one.path)}`}><Name text={one.path} /></a>
            : <Name text={one.path} />, sort: (a, b) => (a.path < b.path ? -1 : 1) },
        { title: t.snapshot.title, cell: (one) => <a href={href`/snapshots/${set}/${one.snapshot}`}>{timeOf(one.snapshot) || <code>{one.snapshot.slice(0, 8)}</code>}</a>,
            sort: (a, b) => ((times.get(a.snapshot) ?? '') < (times.get(b.snapshot) ?? '') ? -1 : 1) },
        { title: t.overview.size, kind: 'number', cell: (one) => one.size === undefined ? '' : <Bytes n={one.size} />, sort: (a, b) => (a.size ?? -1) - (b.size ?? -1) },
        { title: t.snapshot.changed, kind: 'wide', cell: (one) => <At time={one.mtime} />, sort: (a, b) => (a.mtime < b.mtime ? -1 : 1) },
    ];
    return (
        <>
            {found.problem && <div class="trouble" role="alert"><p>{problemText(found.problem)} {found.items.length > 0 && t.snapshot.notWhole}</p></div>}
            {!found.isWhole && !found.problem && <Waiting />}
            {(found.isWhole || found.items.length > 0) && (
                <>
                    <p role="status">{found.isWhole ? t.look.found(found.items.length, numberText(found.items.length)) : t.look.foundSoFar(numberText(found.items.length))}</p>
                    <Table label={t.look.search} columns={columns} rows={found.items} rowKey={(one) => `${one.snapshot}${one.path_b64 ?? one.path}`} empty={t.look.foundNone} />
                </>
            )}
        </>
    );
}

function SearchPage({ values, query }: PageProps) {
    const set = values['set']!;
    const t = texts.value;
    const pattern = query.get('pattern') ?? '';
    const [word, setWord] = useState(pattern);
    return (
        <>
            <p class="crumbs"><a href="#/snapshots">{t.snapshots.title}</a> / <a href={href`/snapshots/${set}`}><Name text={set} /></a></p>
            <h1>{t.look.search}</h1>
            <form class="choices" role="search" onSubmit={(event) => {
                event.preventDefault();
                // Part of a name is what people mean who write no pattern.
                const wanted = /[*?[]/.test(word) || word.includes('/') ? word : `*${word}*`;
                if (word !== '') go(href`/snapshots/${set}/search?pattern=${wanted}`);
            }}>
                <label class="filter">{t.look.nameOrPattern}<input type="search" required maxLength={990} value={word} onInput={(event) => setWord(event.currentTarget.value)} aria-describedby="pattern-help" /></label>
                <button type="submit" class="main">{t.look.go}</button>
            </form>
            <p class="faint" id="pattern-help">{t.look.patternHelp}</p>
            {pattern !== '' && <Matches key={pattern} set={set} pattern={pattern} />}
        </>
    );
}

export const searchPage: PageRow = { path: '/snapshots/:set/search', title: (t, values) => `${values['set']} · ${t.look.search}`, view: SearchPage };
