// What past keys of a repository still read, and what opens it.
import type { KeySlot, KeysLeft, Store } from './types';

// Slots that older versions told of have no state: there was one epoch.
export const opens = (slot: KeySlot): boolean => slot.state === undefined || slot.state === 'valid';

export const isLeft = (left: KeysLeft): boolean => left.packs_left + left.index_objects_left > 0;
export const hasLeft = (store: Store | undefined): boolean => store?.keys != null && isLeft(store.keys);

// That could be of past epochs: packs of all of them.
export function totalOf(left: KeysLeft): number {
    return left.bytes_left + (left.epochs.at(-1)?.pack_bytes ?? 0);
}

// Never all of it while something is left.
export function percentOf(left: KeysLeft): number {
    const total = totalOf(left);
    const percent = total === 0 ? 100 : Math.floor((100 * (total - left.bytes_left)) / total);
    return isLeft(left) ? Math.min(percent, 99) : 100;
}
