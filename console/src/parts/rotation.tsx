// How far the rotation of a repository's keys has come: what past keys still read, as it was measured last, and packing it again.
import { isAdmin } from '../api';
import { progress } from '../events';
import { bytesText, numberText } from '../format';
import { isLeft, opens, percentOf, totalOf } from '../left';
import { CancelButton, order } from '../orders';
import { href } from '../router';
import { texts } from '../texts';
import type { Epoch, Job, KeySlot, KeysLeft } from '../types';
import { Act } from './act';
import { At, Bytes, Progress, State, workText } from './figures';
import { Table } from './table';
import type { Column } from './table';

function Epochs({ epochs }: { epochs: Epoch[] }) {
    const t = texts.value;
    const columns: Column<Epoch>[] = [
        { title: t.epochs.epoch, kind: 'main', cell: (one) => numberText(one.epoch) },
        { title: t.epochs.slots, kind: 'number', cell: (one) => numberText(one.keys) },
        { title: t.people.packs, kind: 'number', cell: (one) => numberText(one.packs) },
        { title: t.people.stored, kind: 'number', cell: (one) => <Bytes n={one.pack_bytes} /> },
        { title: t.people.trash, kind: 'number', cell: (one) => <Bytes n={one.bytes_in_trash} /> },
        { title: t.snapshots.title, kind: 'number', cell: (one) => numberText(one.snapshots) },
    ];
    return <Table label={t.epochs.epochs} columns={columns} rows={[...epochs].reverse()} rowKey={(one) => String(one.epoch)} empty="" />;
}

function Leaked({ left }: { left: KeysLeft }) {
    const t = texts.value.epochs;
    const reads = [
        left.packs_left > 0 && t.files(left.packs_left, bytesText(left.bytes_left)),
        left.index_objects_left > 0 && t.index(left.index_objects_left),
        left.packs_left_in_trash > 0 && t.trash(left.packs_left_in_trash, bytesText(left.bytes_left_in_trash)),
        left.snapshots_left > 0 && t.records(left.snapshots_left),
    ].filter((one) => one !== false);
    return (
        <>
            <p>{t.leaked}</p>
            <ul>{(reads.length > 0 ? reads : [t.nothing]).map((one) => <li key={one}>{one}</li>)}</ul>
            <p class="faint">{t.versions}</p>
        </>
    );
}

function Measured({ left }: { left: KeysLeft }) {
    const t = texts.value.epochs;
    const percent = percentOf(left);
    const sentence = t.share(left.epoch, numberText(percent), bytesText(totalOf(left)));
    return (
        <>
            {left.epoch === 1 ? <p>{t.never}</p> : (
                <>
                    <div class={`verdict ${isLeft(left) ? 'warn' : 'good'}`}>
                        <p>{sentence}</p>
                        <div class="bar" role="progressbar" aria-label={sentence} aria-valuemin={0} aria-valuemax={100} aria-valuenow={percent}><div style={{ width: `${percent}%` }} /></div>
                    </div>
                    <Leaked left={left} />
                    <Epochs epochs={left.epochs} />
                </>
            )}
            {left.keys_past + left.keys_unfinished > 0 && <p class="wrong">{t.strange}</p>}
            {left.unreadable > 0 && <p class="wrong">{t.unreadable(left.unreadable)}</p>}
            <p class="faint">{t.measured} <At time={left.measured_at} /></p>
        </>
    );
}

interface Props {
    name: string;
    set: string | undefined; // for which orders are given
    left: KeysLeft | null;
    slots: KeySlot[];
    job: Job | undefined; // that packs again
}

export function Rotation({ name, set, left, slots, job }: Props) {
    const t = texts.value;
    const newest = Math.max(1, ...slots.filter(opens).map((slot) => slot.epoch ?? 1));
    const isStale = left !== null && left.epoch < newest;
    return (
        <section aria-label={t.epochs.title}>
            <h2>{t.epochs.title}</h2>
            {left === null ? <p class={newest > 1 ? 'verdict warn' : 'faint'}>{t.epochs.unknown}</p> : isStale ? <p class="verdict warn">{t.epochs.stale}</p> : <Measured left={left} />}
            {job !== undefined && (
                <article class="card" aria-label={t.epochs.runs}>
                    <h3><a href={href`/jobs/${job.id}`}>{workText(job)}</a> <State state={job.state} /></h3>
                    {job.state === 'running' && <Progress status={progress.value.get(job.id)} label={t.epochs.runs} />}
                    {!job.cancelled && <div class="buttons"><CancelButton job={job.id} /></div>}
                </article>
            )}
            {isAdmin() && set !== undefined && (
                <div class="buttons">
                    <Act label={t.epochs.measure} run={() => order(set, 'epochs', { repository: name })} />
                    {(left === null || isStale || isLeft(left)) && (
                        <Act label={t.epochs.go} why={t.epochs.why} isDanger isDisabled={job !== undefined} run={() => order(set, 'reencrypt', { repository: name })} />
                    )}
                </div>
            )}
            <p class="faint">{t.epochs.how}</p>
            <pre tabIndex={0}>holdfast key rotate -r ADDRESS --key-file FILE --new-key-file NEW.key</pre>
        </section>
    );
}
