// @ts-expect-error the types of Node are not installed for two imports
import assert from 'node:assert';
// @ts-expect-error as above
import { test } from 'node:test';
import { joined } from './parts/paged';

const same = (item: string): string => item;
const before = { items: ['d', 'c', 'b', 'a'], next: 'a' };

test('what was read behind the first page stays when that is read again', () => {
    assert.deepEqual(joined({ items: ['d', 'c'], next: 'c' }, before, same), before);
    assert.deepEqual(joined({ items: ['f', 'e', 'd'], next: 'd' }, before, same), { items: ['f', 'e', 'd', 'c', 'b', 'a'], next: 'a' });
});

test('what is gone from the first page is gone', () => {
    assert.deepEqual(joined({ items: ['d', 'b'], next: 'b' }, before, same), { items: ['d', 'b', 'a'], next: 'a' });
});

test('a list begins anew when the pages do not meet, or one page is all', () => {
    assert.deepEqual(joined({ items: ['h', 'g'], next: 'g' }, before, same), { items: ['h', 'g'], next: 'g' });
    assert.deepEqual(joined({ items: ['d'], next: null }, before, same), { items: ['d'], next: null });
    assert.deepEqual(joined({ items: [], next: null }, before, same), { items: [], next: null });
    assert.deepEqual(joined({ items: ['b', 'a'], next: 'a' }, { items: ['b', 'a'], next: null }, same), { items: ['b', 'a'], next: 'a' });
});
