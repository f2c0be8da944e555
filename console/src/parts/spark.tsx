// A line without axes: how figures went.  The last of them stands beside it in words.
export function Spark({ label, values }: { label: string; values: number[] }) {
    const width = 90;
    const height = 22;
    const top = Math.max(...values, 1);
    if (values.length < 2) return null;
    const points = values.map((value, i) => `${((i / (values.length - 1)) * width).toFixed(1)},${(height - 1 - (value / top) * (height - 2)).toFixed(1)}`);
    return (
        <svg class="spark" role="img" aria-label={label} viewBox={`0 0 ${width} ${height}`} width={width} height={height}>
            <polyline points={points.join(' ')} fill="none" stroke="currentColor" stroke-width="1.5" />
        </svg>
    );
}
