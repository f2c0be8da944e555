// Tables.  Long ones draw only the rows that can be seen, so that a folder of 50,000 entries scrolls as one of ten.
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { texts } from '../texts';

export interface Column<T> {
    title: string;
    cell: (row: T) => ComponentChildren;
    kind?: 'number' | 'main' | 'wide'; // wide: left out where there is little room
    sort?: (a: T, b: T) => number;
}

interface Props<T> {
    label: string;
    columns: Column<T>[];
    rows: T[];
    rowKey: (row: T) => string;
    empty: string;
}

const ROW_PX = 40; // as styles.css has it
const LONG = 120; // rows, from which on not all are drawn
const FIRST = 40; // rows that are drawn before it is known how many can be seen: laying out more takes longer than all else
const BEYOND = 10; // rows that are drawn above and below what is seen

export function Table<T>({ label, columns, rows, rowKey, empty }: Props<T>) {
    const [order, setOrder] = useState<{ column: number; isDown: boolean } | null>(null);
    const [seen, setSeen] = useState({ from: 0, until: FIRST });
    const box = useRef<HTMLDivElement>(null);
    const isLong = rows.length > LONG;
    // Columns are made anew with each look at the page; which of them it is stays.
    const shown = useMemo(() => {
        const compare = order ? columns[order.column]?.sort : undefined;
        return compare ? [...rows].sort(order!.isDown ? (a, b) => compare(b, a) : compare) : rows;
    }, [rows, order]);
    const from = isLong ? Math.max(0, Math.min(seen.from, rows.length - 1)) : 0;
    const until = isLong ? Math.min(rows.length, seen.until) : rows.length;

    function look(): void {
        const at = box.current;
        if (!at || !isLong) return;
        const first = Math.floor(at.scrollTop / ROW_PX);
        const next = { from: Math.max(0, first - BEYOND), until: first + Math.ceil(at.clientHeight / ROW_PX) + BEYOND };
        setSeen((before) => (before.from === next.from && before.until === next.until ? before : next));
    }
    useLayoutEffect(() => {
        look();
        addEventListener('resize', look);
        return () => removeEventListener('resize', look);
    }, [isLong, rows.length]);

    if (rows.length === 0) return <p class="empty">{empty}</p>;
    return (
        <div class={isLong ? 'table long' : 'table'} ref={box} onScroll={look} tabIndex={0} role="region" aria-label={label}>
            <table aria-rowcount={rows.length + 1}>
                <thead>
                    <tr aria-rowindex={1}>
                        {columns.map((column, i) => {
                            const isOrder = order?.column === i;
                            return (
                                <th key={i} scope="col" class={column.kind} aria-sort={isOrder ? (order.isDown ? 'descending' : 'ascending') : 'none'}>
                                    {column.sort ? (
                                        <button type="button" title={texts.value.sortBy(column.title)}
                                            onClick={() => setOrder(isOrder && order.isDown ? null : { column: i, isDown: isOrder })}>
                                            {column.title}<span aria-hidden="true">{isOrder ? (order.isDown ? ' ↓' : ' ↑') : ''}</span>
                                        </button>
                                    ) : column.title}
                                </th>
                            );
                        })}
                    </tr>
                </thead>
                <tbody>
                    {from > 0 && <tr aria-hidden="true" class="gap"><td colSpan={columns.length} style={{ height: `${from * ROW_PX}px` }} /></tr>}
                    {shown.slice(from, until).map((row, i) => (
                        <tr key={rowKey(row)} aria-rowindex={from + i + 2}>
                            {columns.map((column, j) => <td key={j} class={column.kind}>{column.cell(row)}</td>)}
                        </tr>
                    ))}
                    {until < rows.length && (
                        <tr aria-hidden="true" class="gap"><td colSpan={columns.length} style={{ height: `${(rows.length - until) * ROW_PX}px` }} /></tr>
                    )}
                </tbody>
            </table>
        </div>
    );
}
