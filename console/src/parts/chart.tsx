// A chart over time.  Colours come from styles.css; who cannot see it gets its words.
import { useLayoutEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { locale } from '../texts';
import { theme } from '../theme';

export interface Series {
    label: string;
    color: string; // a custom property
    values: (number | null)[];
}

interface Props {
    label: string; // what it shows, in words
    times: number[]; // seconds, ascending
    series: Series[];
    text: (value: number) => string; // of the axis
    isBytes?: boolean; // steps are powers of two
}

const HEIGHT_PX = 180;
const BYTE_STEPS = Array.from({ length: 50 }, (_, i) => 2 ** i);
const DAY_S = 86400;

function timesText(splits: number[]): string[] {
    const span = splits.at(-1)! - splits[0]!;
    const options: Intl.DateTimeFormatOptions = span > 2 * DAY_S ? { day: 'numeric', month: 'short' }
        : { hour: '2-digit', minute: '2-digit', ...(span < 300 ? { second: '2-digit' } : {}) };
    const format = new Intl.DateTimeFormat(locale.value, options);
    return splits.map((at) => format.format(at * 1000));
}

export function Chart({ label, times, series, text, isBytes }: Props) {
    const box = useRef<HTMLDivElement>(null);
    useLayoutEffect(() => { // with the element, before anybody sees it empty
        const at = box.current!;
        const style = getComputedStyle(at);
        const color = (name: string): string => style.getPropertyValue(name).trim();
        const axis = { stroke: color('--faint'), grid: { stroke: color('--line'), width: 1 }, ticks: { show: false }, font: `12px ${style.fontFamily}` };
        const plot = new uPlot({
            width: at.clientWidth,
            height: HEIGHT_PX,
            cursor: { drag: { x: false, y: false } },
            legend: { show: series.length > 1, live: false },
            scales: { y: { range: (_, __, top) => [0, top > 0 ? top * 1.1 : 1] } },
            axes: [
                { ...axis, space: 90, values: (_, splits) => timesText(splits) },
                { ...axis, size: 75, values: (_, splits) => splits.map(text), ...(isBytes ? { incrs: BYTE_STEPS } : {}) },
            ],
            series: [{}, ...series.map((one) => ({
                label: one.label, stroke: color(one.color), fill: `${color(one.color)}22`, width: 2, points: { show: times.length < 40, size: 5 },
            }))],
        }, [times, ...series.map((one) => one.values)], at);
        const watch = new ResizeObserver(() => plot.setSize({ width: at.clientWidth, height: HEIGHT_PX }));
        watch.observe(at);
        return () => {
            watch.disconnect();
            plot.destroy();
        };
    }, [times, series, theme.value, locale.value]);
    return <div class="chart" ref={box} role="img" aria-label={label} />;
}
