// @ts-expect-error the types of Node are not installed for two imports
import { test } from 'node:test';
// @ts-expect-error as above
import assert from 'node:assert';
import jsqr from 'jsqr';
import { encode } from 'uqr';

const SCALE = 4; // dots of a module

test('what the service gives as a link is read from the code by another program', () => {
    for (const name of ['a', 'ann%2Bx%40example.org', 'n'.repeat(120)]) {
        const link = `otpauth://totp/Holdfast:${name}?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&issuer=Holdfast&algorithm=SHA1&digits=6&period=30`;
        const { data, size } = encode(link, { ecc: 'M', border: 4 });
        const width = size * SCALE;
        const dots = new Uint8ClampedArray(width * width * 4).map((_, i) => (i % 4 < 3 && data[Math.floor(i / 4 / width / SCALE)]![Math.floor(((i >> 2) % width) / SCALE)] ? 0 : 255));
        const read = (jsqr as unknown as { default?: typeof jsqr }).default ?? jsqr;
        assert.equal(read(dots, width, width)?.data, link);
    }
});
