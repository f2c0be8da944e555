// @ts-expect-error the types of Node are not installed for two imports
import { test } from 'node:test';
// @ts-expect-error as above
import assert from 'node:assert';
import { readJson } from './json_text';
import { YamlFault, lineAtYaml, putYaml, readYaml, writeYaml } from './yaml_text';

const TEXT = `# who made it
id: a
retention: { daily: 7, weekly: 4 } # enough
destinations:
  - type: local
    config:
      path: "/a"
`;
const same = (a: unknown, b: unknown, hint?: string): void => assert.equal(JSON.stringify(a), JSON.stringify(b), hint);
const faultOf = (text: string): YamlFault => {
    try {
        readYaml(text);
    } catch (error) {
        if (error instanceof YamlFault) return error;
        throw error;
    }
    throw new Error(`taken: ${text.slice(0, 80)}`);
};

test('what is read is what JSON would say', () => {
    same(readYaml(TEXT), { id: 'a', retention: { daily: 7, weekly: 4 }, destinations: [{ type: 'local', config: { path: '/a' } }] });
    same(readYaml('{"a": [1, -1.5, true, null, "\\u00e9"]}'), { a: [1, -1.5, true, null, 'é'] });
    same(readYaml('a: yes\nb: 012\nc: 1_000\nd: 2001-01-01\ne:'), { a: 'yes', b: 12, c: '1_000', d: '2001-01-01', e: null });
});
test('what is written is read as the same', () => {
    const odd = ['', ' lead', 'yes', 'null', '~', '1e3', '012', '0x1f', '.inf', '- a', 'a: b', '# x', '*a', '&a', '!t', '%x', '@', '`', '"', "'", 'a\nb\n', '\t', '\u202e', '\u2028', 'true', '---', '...', 'é', '{', '[', '<<'];
    const value = readJson(JSON.stringify({ odd, keys: Object.fromEntries(odd.map((key) => [key, 1])), none: {}, empty: [], deep: [[{ a: [1.5, -2, true, null] }]] }));
    same(readYaml(writeYaml(value)), value);
});
test('a name that is one of the language is a name like others', () => {
    const value = readYaml('__proto__: {polluted: true}\nconstructor: 1\n') as Record<string, unknown>;
    assert.equal(JSON.stringify(value), '{"__proto__":{"polluted":true},"constructor":1}');
    assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    same(readYaml(writeYaml(value)), value);
    same(readYaml(putYaml('a: 1\n', ['__proto__', 'x'], 2, readJson('{"a":1,"__proto__":{"x":2}}'))), readJson('{"a":1,"__proto__":{"x":2}}'));
    assert.equal(({} as Record<string, unknown>)['x'], undefined);
});
test('a fault is named with its line', () => {
    for (const [text, line] of [['a: 1\n\tb: 2\n', 2], ['a: 1\nb: [1\n', 3], ['a: 1\na: 2\n', 2], ['a: {b: 1, b: 2}', 1], ['a: 1\nb: "x\n', 3],
        ['a: 1\n---\nb: 1\n', 2], ['a: &x 1\nb: *x\n', 1], ['a: 1\nb: *x\n', 2], ['a: 1\nb: !!binary aaaa\n', 2], ['a: !x {}', 1],
        ['%YAML 1.1\n---\na: yes\n', 1], ['a: 1\nb: .inf\n', 2], ['a: .nan', 1], ['a: 9007199254740993', 1], ['', 1], ['# only\n', 1], ['a: b: c', 1],
        ['&x a: 1', 1], ['? {a: 1}\n: 2', 1], ['? [a]\n: 2', 1], ['a: 1\n b: 2\n', 1], ['a\nb: 1\n', 1], ['a: @x', 1]] as const) {
        assert.equal(faultOf(text).line, line, `${JSON.stringify(text)}: ${faultOf(text).message}`);
    }
});
test('what would grow is refused before it does', () => {
    const began = Date.now();
    const bomb = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]', ...Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${Array(10).fill(`*a${i}`).join(', ')}]`)].join('\n');
    assert.match(faultOf(bomb).message, /anchors|aliases/);
    assert.match(faultOf(`a: &a [*a]`).message, /anchors|aliases/);
    assert.match(faultOf('x'.repeat(16 << 20)).message, /longer/);
    assert.match(faultOf('- '.repeat(30000)).message, /./);
    for (const nested of ['['.repeat(60000), '['.repeat(30000) + ']'.repeat(30000), '{a: '.repeat(16000), '? '.repeat(30000), 'a:\n' + Array.from({ length: 400 }, (_, i) => `${' '.repeat(i + 1)}a:`).join('\n') + '\n\tx'])
        assert(faultOf(nested).line >= 1);
    assert(Date.now() - began < 10000, `${Date.now() - began} ms`);
});
test('a change touches its value, and comments stay', () => {
    const put = (path: (string | number)[], value: unknown): string => {
        const wanted = JSON.parse(JSON.stringify(readYaml(TEXT))) as Record<string, unknown>;
        let at = wanted as Record<string | number, unknown>;
        for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
        at[path.at(-1)!] = value;
        const changed = putYaml(TEXT, path, value, wanted);
        same(readYaml(changed), wanted);
        return changed;
    };
    assert.equal(put(['id'], 'b'), TEXT.replace('id: a', 'id: b'));
    assert.equal(put(['destinations', 0, 'config', 'path'], '/b'), TEXT.replace('"/a"', '"/b"'));
    assert.match(put(['retention', 'weekly'], 9), /weekly: 9 } # enough/);
    assert.match(put(['id'], 'yes: no'), /^# who made it\nid: ["']yes: no["']\n/);
    assert.match(put(['destinations'], [{ type: 's3' }]), /^# who made it\nid: a\n/);
    assert.match(put(['enabled'], true), /enabled: true\n$/);
    same(readYaml(putYaml('a: 5\n', ['a', 'b'], 1, { a: { b: 1 } })), { a: { b: 1 } });
    same(readYaml(putYaml(TEXT, ['id'], 'b', { other: 1 })), { other: 1 }); // what is wanted wins
});
test('a path finds its line, or that of what lacks it', () => {
    assert.equal(lineAtYaml(TEXT, ['destinations', 0, 'config', 'path']), 7);
    assert.equal(lineAtYaml(TEXT, ['destinations', 0, 'config', 'bucket']), 6);
    assert.equal(lineAtYaml(TEXT, ['destinations', 3]), 4);
    assert.equal(lineAtYaml(TEXT, ['retention', 'daily']), 3);
    assert.equal(lineAtYaml(TEXT, ['nothing']), 2);
});
