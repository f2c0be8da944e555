// Content of snapshots, which is for those who may restore and have just proved who they are.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Problem, ask, lines, path } from '../api';
import { bytesText, visibleText } from '../format';
import { texts } from '../texts';
import { Dialog } from './dialog';
import { Name } from './figures';
import { Waiting, problemFrom, problemText } from './read';

const ROWS = 100; // of a table that are shown
const ROWS_CHARS = 1 << 20; // and no more of them than this
const CELL_CHARS = 300;
const EDGE_PX = 1600; // of a picture; larger ones are made smaller

type Seen = { kind: 'text'; text: string; isCut: boolean } | { kind: 'picture'; picture: ImageBitmap };

// Never as an element that loads something: text becomes a text node, and a picture dots on a canvas.
async function readPreview(address: string, size: number | undefined, signal: AbortSignal): Promise<Seen> {
    const answer = await ask(address, { signal });
    if (!answer.headers.get('Content-Type')?.startsWith('image/')) {
        const bytes = await answer.arrayBuffer();
        return { kind: 'text', text: new TextDecoder().decode(bytes), isCut: size !== undefined && bytes.byteLength < size };
    }
    try {
        return { kind: 'picture', picture: await createImageBitmap(await answer.blob()) };
    } catch {
        throw new Problem(0, 'no_preview', 'the picture cannot be read');
    }
}

function Picture({ picture, label }: { picture: ImageBitmap; label: string }) {
    const canvas = useRef<HTMLCanvasElement>(null);
    const scale = Math.min(1, EDGE_PX / Math.max(picture.width, picture.height));
    const [width, height] = [picture.width, picture.height].map((edge) => Math.max(1, Math.round(edge * scale))) as [number, number];
    // With the element, before anybody sees it empty.
    useLayoutEffect(() => canvas.current?.getContext('2d')?.drawImage(picture, 0, 0, width, height), [picture]);
    return (
        <>
            <canvas class="picture" ref={canvas} width={width} height={height} role="img" aria-label={label} />
            <p class="faint">{texts.value.look.pixels(picture.width, picture.height)}</p>
        </>
    );
}

export interface Wanted {
    set: string;
    snapshot: string;
    path: string;
    size?: number | undefined;
}

export function Preview({ wanted, onClose }: { wanted: Wanted; onClose: () => void }) {
    const t = texts.value;
    const [seen, setSeen] = useState<Seen | Problem | null>(null);
    useEffect(() => {
        const control = new AbortController();
        readPreview(path`/api/v1/sets/${wanted.set}/snapshots/${wanted.snapshot}/preview?path=${wanted.path}`, wanted.size, control.signal).then(
            (one) => { if (!control.signal.aborted) setSeen(one); },
            (error: unknown) => { if (!control.signal.aborted) setSeen(problemFrom(error)); });
        return () => control.abort();
    }, []);
    const name = wanted.path.slice(wanted.path.lastIndexOf('/') + 1);
    return (
        <Dialog title={t.look.previewOf(visibleText(name))} onClose={onClose} isWide>
            {seen === null ? <Waiting /> : seen instanceof Problem ? <p class="wrong" role="alert">{problemText(seen)}</p>
                : seen.kind === 'picture' ? <Picture picture={seen.picture} label={visibleText(name)} /> : (
                    <>
                        {seen.text === '' ? <p class="empty">{t.look.emptyFile}</p> : <pre tabIndex={0} aria-label={visibleText(name)}>{seen.text.split('\n').map((line) => visibleText(line.replace(/\r$/, '')).replaceAll('\\u0009', '\t')).join('\n')}</pre>}
                        {seen.isCut && <p class="faint">{t.look.cut(bytesText(wanted.size!))}</p>}
                    </>
                )}
            <div class="buttons"><button type="button" onClick={onClose}>{t.close}</button></div>
        </Dialog>
    );
}

type Row = Record<string, string | null>;

export function RowsPreview({ address, title, total, onClose }: { address: string; title: string; total: number | undefined; onClose: () => void }) {
    const t = texts.value;
    const [rows, setRows] = useState<Row[] | null>(null);
    const [problem, setProblem] = useState<Problem | null>(null);
    useEffect(() => {
        const control = new AbortController();
        const all: Row[] = [];
        lines<Row>(`${address}&format=json&rows=${ROWS}`, (some) => all.push(...some), control.signal, ROWS_CHARS).then(
            () => { if (!control.signal.aborted) setRows(all); },
            (error: unknown) => { if (!control.signal.aborted) setProblem(problemFrom(error)); });
        return () => control.abort();
    }, []);
    const columns = rows?.[0] ? Object.keys(rows[0]) : [];
    const cell = (value: string | null | undefined) => value === null || value === undefined ? <span class="null">NULL</span>
        : value === '' ? <span class="null">{t.look.emptyText}</span>
            : <Name text={value.length > CELL_CHARS ? `${value.slice(0, CELL_CHARS)} …` : value} />;
    return (
        <Dialog title={t.look.rowsOf(title)} onClose={onClose} isWide>
            {problem ? <p class="wrong" role="alert">{problemText(problem)}</p> : rows === null ? <Waiting /> : rows.length === 0 ? <p class="empty">{t.look.noRows}</p> : (
                <>
                    <div class="table rows" tabIndex={0} role="region" aria-label={t.look.rowsOf(title)}>
                        <table>
                            <thead><tr>{columns.map((name) => <th key={name} scope="col"><Name text={name} /></th>)}</tr></thead>
                            <tbody>{rows.map((row, i) => <tr key={i}>{columns.map((name) => <td key={name}>{cell(row[name])}</td>)}</tr>)}</tbody>
                        </table>
                    </div>
                    <p class="faint">{t.look.firstRows(rows.length, total)}</p>
                </>
            )}
            <div class="buttons"><button type="button" onClick={onClose}>{t.close}</button></div>
        </Dialog>
    );
}
