// @ts-expect-error the types of Node are not installed for two imports
import { test } from 'node:test';
// @ts-expect-error as above
import assert from 'node:assert';
import { bytesText, durationText, relativeText, visibleText } from './format';
import { href, match, placeOf } from './router';
import { path } from './api';

test('bytes have the unit that fits', () => {
    assert.deepEqual([0, 1023, 1024, 1536, 1024 ** 3 * 123, 1024 ** 6].map(bytesText), ['0 B', '1,023 B', '1.0 KiB', '1.5 KiB', '123 GiB', '1,024 PiB']);
});
test('durations have two units at most', () => {
    assert.deepEqual([0, 0.44, 59.6, 61, 3600, 90061].map(durationText), ['0 s', '0.4 s', '1 min', '1 min 1 s', '1 h', '1 d 1 h']);
});
test('a time is never told as longer ago than it is', () => {
    const now = Date.parse('2026-11-22T12:00:00Z');
    assert.equal(relativeText('2026-11-22T10:00:01Z', now), '1 hour ago');
    assert.equal(relativeText('2026-11-20T12:00:00Z', now), '2 days ago');
    assert.equal(relativeText('2026-11-22T12:30:00Z', now), 'in 30 minutes');
    assert.equal(relativeText('2026-11-22T11:59:58Z', now), 'now');
});
test('what cannot be seen is shown by its number', () => assert.equal(visibleText('a\u202efdp.exe\n<b>'), 'a\\u202efdp.exe\\u000a<b>'));
test('values become one segment each', () => {
    assert.equal(href`/snapshots/${'a/b?c#d'}/${'x'}`, '#/snapshots/a%2Fb%3Fc%23d/x');
    assert.deepEqual(match('/snapshots/:set/:snapshot', placeOf('#/snapshots/a%2Fb/x?path=%2Fa%26b').path), { set: 'a/b', snapshot: 'x' });
    assert.equal(placeOf('#/x?path=%2Fa%26b').query.get('path'), '/a&b');
    assert.equal(match('/snapshots/:set', '/snapshots/%zz'), null);
    assert.equal(path`/api/v1/sets/${'a/../b'}/backup`, '/api/v1/sets/a%2F..%2Fb/backup');
});
