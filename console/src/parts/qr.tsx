// A code that a telephone reads, drawn as one path: a square for each dark module.
import { useMemo } from 'preact/hooks';
import { encode } from 'uqr';

export function QrCode({ text, label }: { text: string; label: string }) {
    const [path, size] = useMemo(() => {
        const code = encode(text, { ecc: 'M', border: 4 });
        const squares = code.data.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])));
        return [squares.join(''), code.size] as const;
    }, [text]);
    return (
        <svg class="qr" role="img" aria-label={label} viewBox={`0 0 ${size} ${size}`} shape-rendering="crispEdges">
            <rect width={size} height={size} fill="#fff" />
            <path d={path} fill="#000" />
        </svg>
    );
}
