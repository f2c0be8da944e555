// A document as JSON, which is what is saved, and as YAML when somebody asks for it.  Each follows the other as soon as it can be read.
import { useMemo, useRef, useState } from 'preact/hooks';
import { JsonFault, lineAt, lineOf, putJson, readJson } from '../json_text';
import type { Path } from '../json_text';
import { texts } from '../texts';

type YamlText = typeof import('../yaml_text');

const FILE = '/assets/yaml.js'; // embed.py puts its real name here
let loading: Promise<YamlText> | undefined;

function load(): Promise<YamlText> {
    loading ??= (import(FILE) as Promise<YamlText>).catch((error: unknown) => {
        loading = undefined; // to be tried again
        throw error;
    });
    return loading;
}

interface Broken {
    line: number;
    sentence: string;
}

export interface TwoTexts {
    json: string;
    shown: string; // the one that is edited
    isYaml: boolean;
    value: unknown; // undefined where the shown text cannot be read
    broken: Broken | null;
    write: (text: string) => void; // of the shown one
    put: (path: Path, value: unknown) => void; // a value of both; only where there is one
    reset: (json: string) => void;
    showYaml: () => Promise<void>; // rejects where it cannot be loaded
    showJson: () => void;
    lineAt: (path: Path) => number; // in the shown one
}

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

function readShown(json: string, yaml: { code: YamlText; text: string } | null): { value: unknown; broken: Broken | null } {
    const t = texts.value.settings;
    try {
        return { value: yaml ? yaml.code.readYaml(yaml.text) : readJson(json), broken: null };
    } catch (error) {
        if (error instanceof JsonFault) return { value: undefined, broken: { line: lineOf(json, error.at), sentence: t.notJson(lineOf(json, error.at)) } };
        if (yaml && error instanceof yaml.code.YamlFault) return { value: undefined, broken: { line: error.line, sentence: t.notYaml(error.line, error.message) } };
        throw error;
    }
}

export function useTwoTexts(first: string): TwoTexts {
    const [json, setJson] = useState(first);
    const [yaml, setYaml] = useState<{ code: YamlText; text: string } | null>(null);
    const { value, broken } = useMemo(() => readShown(json, yaml), [json, yaml]);
    const latest = useRef(json);
    latest.current = json;

    function write(text: string): void {
        if (!yaml) return setJson(text);
        const next = { code: yaml.code, text };
        const { value: said, broken: wrong } = readShown(json, next);
        setYaml(next);
        // What says the same stays as somebody wrote it.
        if (!wrong && !same(said, readJson(json))) setJson(`${JSON.stringify(said, null, 2)}\n`);
    }
    function put(path: Path, one: unknown): void {
        const next = putJson(json, path, one);
        setJson(next);
        if (yaml) setYaml({ code: yaml.code, text: yaml.code.putYaml(yaml.text, path, one, readJson(next)) });
    }
    return {
        json, value, broken, write, put,
        shown: yaml?.text ?? json,
        isYaml: yaml !== null,
        reset: (text) => { setJson(text); setYaml(null); },
        showYaml: async () => {
            const code = await load();
            const now = readShown(latest.current, null); // somebody may have typed on meanwhile
            if (!now.broken) setYaml({ code, text: code.writeYaml(now.value) });
        },
        showJson: () => setYaml(null),
        lineAt: (path) => yaml ? yaml.code.lineAtYaml(yaml.text, path) : lineAt(json, path),
    };
}
