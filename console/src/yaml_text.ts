// A configuration as YAML, beside its JSON: what JSON can say, and nothing that a reader could take for something else.
// Anchors, aliases, tags, directives and several documents are refused, so that a text is as long as what it says.
// This file and the library behind it are loaded when somebody asks for YAML (parts/two_texts.ts).
import { Composer, Document, Lexer, LineCounter, Parser, isCollection, isMap, isScalar, isSeq, visit } from 'yaml';
import type { CST, Node, Scalar } from 'yaml';
import type { Path } from './json_text';

export class YamlFault extends Error {
    constructor(readonly line: number, sentence: string) {
        super(sentence);
    }
}

const TEXT_MAX = 64 << 10; // characters; the service takes as many bytes of JSON
const OPEN_MAX = 150; // levels; two or three of them are one of JSON's
const FORM = { lineWidth: 0 } as const;

// The parser keeps what is open on a stack of its own; what comes after it calls itself for each level.
function* tokensOf(text: string, counter: LineCounter): Generator<CST.Token> {
    const parser = new Parser(counter.addNewLine);
    counter.addNewLine(0);
    for (const lexeme of new Lexer().lex(text)) {
        yield* parser.next(lexeme);
        if (parser.stack.length > OPEN_MAX) throw new YamlFault(counter.linePos(parser.offset).line, 'nested too deeply');
    }
    yield* parser.end();
}

function parse(text: string): { document: Document; lineAt: (at: number) => number } {
    if (text.length > TEXT_MAX) throw new YamlFault(1, `longer than ${TEXT_MAX} characters`);
    const counter = new LineCounter();
    const lineAt = (at: number): number => Math.max(1, counter.linePos(Math.min(at, text.length)).line);
    const composer = new Composer({ version: '1.2', schema: 'core', merge: false, resolveKnownTags: false, stringKeys: true, uniqueKeys: true });
    const [document, second] = composer.compose(tokensOf(text, counter), true, text.length);
    const wrong = document!.errors[0] ?? document!.warnings[0];
    if (wrong) throw new YamlFault(lineAt(wrong.pos[0]), wrong.message);
    if (second) throw new YamlFault(lineAt(second.range[0]), 'a second document begins');
    if (/^%/m.test(text.slice(0, document!.contents?.range?.[0] ?? 0))) throw new YamlFault(1, 'directives are not taken');
    return { document: document!, lineAt };
}

function check(document: Document, lineAt: (at: number) => number): void {
    const fail = (node: Node, sentence: string): never => { throw new YamlFault(lineAt(node.range?.[0] ?? 0), sentence); };
    if (!document.contents) throw new YamlFault(1, 'there is nothing in it');
    visit(document, {
        Alias: (_, node) => fail(node, 'aliases are not taken'),
        Node: (_, node) => {
            if (node.anchor !== undefined) fail(node, 'anchors are not taken');
            if (node.tag !== undefined) fail(node, 'tags are not taken');
        },
        Scalar: (_, node) => {
            const { value } = node;
            if (node.anchor !== undefined) fail(node, 'anchors are not taken');
            if (node.tag !== undefined) fail(node, 'tags are not taken');
            if (typeof value === 'number' && !(Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value))) fail(node, 'a number that JSON does not have');
        },
    });
}

// Without a prototype: "__proto__" is a name like others.
function valueOf(node: unknown): unknown {
    if (isSeq(node)) return node.items.map(valueOf);
    if (isMap(node)) {
        const out = Object.create(null) as Record<string, unknown>;
        for (const pair of node.items) out[String((pair.key as Scalar).value)] = valueOf(pair.value);
        return out;
    }
    return isScalar(node) ? node.value : null;
}

// What a text says; a YamlFault where it is no YAML of this kind.
export function readYaml(text: string): unknown {
    const { document, lineAt } = parse(text);
    check(document, lineAt);
    return valueOf(document.contents);
}

export function writeYaml(value: unknown): string {
    return new Document(value, { version: '1.2', aliasDuplicateObjects: false }).toString(FORM);
}

// The text with one value changed, as putJson() does; comments and the rest stay.  What it says then is wanted: where the
// change would not lead there, the text is written anew.
export function putYaml(text: string, path: Path, value: unknown, wanted: unknown): string {
    try {
        const { document } = parse(text);
        putNode(document, path, value);
        const changed = document.toString(FORM);
        if (JSON.stringify(readYaml(changed)) === JSON.stringify(wanted)) return changed;
    } catch { // a change that it cannot express
    }
    return writeYaml(wanted);
}

function putNode(document: Document, path: Path, value: unknown): void {
    if (value === undefined) {
        document.deleteIn(path);
        return;
    }
    for (let i = 1; i < path.length; i++) {
        if (isCollection(document.getIn(path.slice(0, i), true))) continue;
        const inner = path.slice(i).reduceRight<unknown>((rest, key) => ({ [key]: rest }), value);
        document.setIn(path.slice(0, i), document.createNode(inner));
        return;
    }
    document.setIn(path, typeof value === 'object' && value !== null ? document.createNode(value) : value);
}

// The line on which a value stands, or else the nearest collection that would have it.
export function lineAtYaml(text: string, path: Path): number {
    const { document, lineAt } = parse(text);
    let node: unknown = document.contents;
    let at = document.contents?.range?.[0] ?? 0;
    for (const key of path) {
        const pair = isMap(node) ? node.items.find((one) => String((one.key as Scalar).value) === key) : undefined;
        const next: unknown = pair ? pair.value : isSeq(node) && typeof key === 'number' ? node.items[key] : undefined;
        if (next === undefined) break;
        at = ((pair ? pair.key : next) as Node).range?.[0] ?? at;
        node = next;
    }
    return lineAt(at);
}
