// @ts-expect-error the types of Node are not installed for two imports
import { test } from 'node:test';
// @ts-expect-error as above
import assert from 'node:assert';
import { JsonFault, lineAt, lineOf, pathOf, putJson, readJson } from './json_text';

const TEXT = `{
    "id" : "a",   "other": [1,  2],
    "retention": {"daily": 7, "weekly": 4},
    "destinations": [
        { "type": "local", "config": {"path": "/a"} }
    ]
}
`;
const say = (value: unknown): unknown => JSON.parse(JSON.stringify(value));

test('what is read is what JSON says', () => {
    for (const text of [TEXT, '[]', '{}', ' {"a":[{"b":null}]} ', '-1.5e3', '"\\u00e9\\n"', 'true', '{"__proto__":1}'])
        assert.equal(JSON.stringify(readJson(text)), JSON.stringify(JSON.parse(text)));
});
test('a fault is named with its line', () => {
    for (const [text, line] of [['{', 1], ['{\n"a": 01}', 2], ['{"a":1,\n}', 2], ['{"a":1}\n\nx', 3],
        ['{"a":1,\n"a":2}', 2], ['["\n"]', 1], ['{a:1}', 1], ['', 1], ['['.repeat(70), 1], ['truex', 1]] as const) {
        assert.throws(() => readJson(text), (error: JsonFault) => error instanceof JsonFault && lineOf(text, error.at) === line, text);
    }
});
test('a change touches its value and nothing else', () => {
    assert.equal(putJson(TEXT, ['id'], 'b'), TEXT.replace('"a"', '"b"'));
    assert.equal(putJson(TEXT, ['retention', 'weekly'], 12), TEXT.replace('4}', '12}'));
    assert.equal(putJson(TEXT, ['destinations', 0, 'config', 'path'], '/x"y'), TEXT.replace('"/a"', '"/x\\"y"'));
    assert.equal(putJson(TEXT, ['retention', 'monthly'], 1), TEXT.replace('4}', '4, "monthly": 1}'));
    assert.equal(putJson(TEXT, ['enabled'], true), TEXT.replace('    ]\n}', '    ],\n    "enabled": true\n}'));
});
test('objects on the way are made', () => {
    assert.deepEqual(say(readJson(putJson('{}', ['notifications', 'onFailure'], ['a@b.c']))), { notifications: { onFailure: ['a@b.c'] } });
    assert.deepEqual(say(readJson(putJson('{"a": 1}', ['a', 'b'], 2))), { a: { b: 2 } });
});
test('what is removed leaves JSON behind', () => {
    for (const key of ['id', 'other', 'retention', 'destinations']) {
        const wanted = JSON.parse(TEXT) as Record<string, unknown>;
        delete wanted[key];
        assert.deepEqual(say(readJson(putJson(TEXT, [key], undefined))), wanted);
    }
    assert.equal(putJson('{"a": 1}', ['a'], undefined), '{}');
    assert.equal(putJson(TEXT, ['nothing'], undefined), TEXT);
});
test('a path finds its line, or that of what lacks it', () => {
    assert.deepEqual(pathOf('destinations[1].config.path'), ['destinations', 1, 'config', 'path']);
    assert.equal(lineAt(TEXT, pathOf('destinations[0].config.path')), 5);
    assert.equal(lineAt(TEXT, pathOf('destinations[0].config.bucket')), 5);
    assert.equal(lineAt(TEXT, pathOf('destinations[3]')), 4);
    assert.equal(lineAt(TEXT, pathOf('name')), 1);
});
