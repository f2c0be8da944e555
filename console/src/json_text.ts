// JSON as a text that somebody writes: where each value stands, and changes of one value that leave the rest as it is,
// byte for byte: what a form does not show is not touched by it.

export type Path = (string | number)[];

interface Node {
    from: number; // of the value in the text
    until: number;
    members?: { key: string; from: number; value: Node }[]; // of an object; from: of the key
    items?: Node[]; // of a list
    value?: unknown; // of all else
}

export class JsonFault extends Error {
    constructor(readonly at: number) {
        super('not JSON');
    }
}

const DEPTH_MAX = 64;
const WORD = /(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.+-])/y;
const TEXT = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;

function readNode(text: string): Node {
    let at = 0;
    const space = (): void => { while (' \t\r\n'.includes(text[at] ?? 'x')) at++; };
    const fail = (): never => { throw new JsonFault(at); };
    const take = (pattern: RegExp): string => {
        pattern.lastIndex = at;
        const found = pattern.exec(text)?.[0] ?? fail();
        at += found.length;
        return found;
    };
    const expect = (c: string): void => {
        if (text[at] !== c) fail();
        at++;
    };
    // Calls one() for each element up to the end of its collection.
    const each = (end: string, one: () => void): void => {
        at++;
        space();
        if (text[at] === end) {
            at++;
            return;
        }
        for (;;) {
            space();
            one();
            space();
            if (text[at] === end) break;
            expect(',');
        }
        at++;
    };
    const value = (depth: number): Node => {
        space();
        const from = at;
        if (depth > DEPTH_MAX) throw new JsonFault(at);
        if (text[at] === '{') {
            const members: Node['members'] = [];
            each('}', () => {
                const start = at;
                const key = JSON.parse(take(TEXT)) as string;
                if (members.some((member) => member.key === key)) throw new JsonFault(start);
                space();
                expect(':');
                members.push({ key, from: start, value: value(depth + 1) });
            });
            return { from, until: at, members };
        }
        if (text[at] === '[') {
            const items: Node[] = [];
            each(']', () => items.push(value(depth + 1)));
            return { from, until: at, items };
        }
        const found = JSON.parse(take(text[at] === '"' ? TEXT : WORD)) as unknown;
        return { from, until: at, value: found };
    };
    const node = value(0);
    space();
    if (at < text.length) fail();
    return node;
}

function valueOf(node: Node): unknown {
    if (node.items) return node.items.map(valueOf);
    // Without a prototype: "__proto__" is a name like others.
    if (node.members) return Object.assign(Object.create(null) as object, ...node.members.map((one) => ({ [one.key]: valueOf(one.value) })));
    return node.value;
}

function child(node: Node, key: string | number): Node | undefined {
    return typeof key === 'number' ? node.items?.[key] : node.members?.find((member) => member.key === key)?.value;
}

// What a text says; a JsonFault where it is no JSON.
export function readJson(text: string): unknown {
    return valueOf(readNode(text));
}

// The line, from 1, of a place in a text.
export function lineOf(text: string, at: number): number {
    return text.slice(0, at).split('\n').length;
}

// "destinations[1].config.path" in pieces.
export function pathOf(name: string): Path {
    return [...name.matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map((found) => found[2] === undefined ? found[1]! : Number(found[2]));
}

// The line on which a value stands, or else the nearest collection that would have it.
export function lineAt(text: string, path: Path): number {
    let node = readNode(text);
    let from = node.from;
    for (const key of path) {
        const next = child(node, key);
        if (!next) break;
        from = node.members?.find((member) => member.key === key)?.from ?? next.from;
        node = next;
    }
    return lineOf(text, from);
}

function indentAt(text: string, at: number): string {
    return /^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', at - 1) + 1))![0];
}

function written(value: unknown, indent: string): string {
    return JSON.stringify(value, null, 2).replaceAll('\n', `\n${indent}`);
}

// The text with one value changed; undefined removes a member.  Objects on the way are made; the lists are there.
export function putJson(text: string, path: Path, value: unknown): string {
    const root = readNode(text);
    let node = root;
    for (const [i, key] of path.entries()) {
        const next = child(node, key);
        if (next) {
            if (i === path.length - 1 && value === undefined && node.members) return without(text, node, key as string);
            node = next;
            continue;
        }
        if (value === undefined) return text;
        const rest = path.slice(i + 1).reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
        return node.members ? withMember(text, node, String(key), rest) : text.slice(0, node.from) + written({ [key]: rest }, indentAt(text, node.from)) + text.slice(node.until);
    }
    return text.slice(0, node.from) + written(value, indentAt(text, node.from)) + text.slice(node.until);
}

function withMember(text: string, node: Node, key: string, value: unknown): string {
    const last = node.members!.at(-1);
    if (!last) return text.slice(0, node.from) + written({ [key]: value }, indentAt(text, node.from)) + text.slice(node.until);
    const isOnOneLine = !text.slice(node.from, last.from).includes('\n');
    const indent = indentAt(text, last.from);
    const gap = isOnOneLine ? ' ' : `\n${indent}`;
    return `${text.slice(0, last.value.until)},${gap}${JSON.stringify(key)}: ${written(value, indent)}${text.slice(last.value.until)}`;
}

function without(text: string, node: Node, key: string): string {
    const members = node.members!;
    const at = members.findIndex((member) => member.key === key);
    const [from, until] = at + 1 < members.length ? [members[at]!.from, members[at + 1]!.from]
        : [at > 0 ? members[at - 1]!.value.until : members[at]!.from, members[at]!.value.until];
    return text.slice(0, from) + text.slice(until);
}
