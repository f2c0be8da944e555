// A backup configuration of the API: as a form and as its text, side by side.  The text as JSON is what is saved, byte for byte.
import { useState } from 'preact/hooks';
import { Problem, api, ask, isAdmin, newKey, path } from '../api';
import { changes } from '../events';
import { visibleText } from '../format';
import { pathOf } from '../json_text';
import type { PageProps, PageRow } from '../pages';
import { ConfigForm, zoneOf } from '../parts/config_form';
import type { Fault } from '../parts/config_form';
import { Dialog } from '../parts/dialog';
import { Name } from '../parts/figures';
import { JobOutcome } from '../parts/job_outcome';
import { Trouble, Waiting, problemFrom, useRead } from '../parts/read';
import { Simulator } from '../parts/simulator';
import { TextEditor } from '../parts/text_editor';
import { tell, tellProblem } from '../parts/toast';
import { useTwoTexts } from '../parts/two_texts';
import { go, href } from '../router';
import { texts } from '../texts';
import type { Rules, SourcePlaces } from '../types';

interface Saved {
    text: string;
    etag: string; // "" of what was never saved
}

const FIRST = `{
  "id": "",
  "name": "",
  "type": "full",
  "schedule": "0 2 * * *",
  "retention": {
    "daily": 7,
    "weekly": 4,
    "monthly": 12
  },
  "destinations": [
    {
      "type": "local",
      "config": {
        "path": ""
      }
    }
  ],
  "notifications": {
    "onSuccess": [],
    "onFailure": []
  },
  "enabled": true
}
`;

async function read(set: string): Promise<Saved> {
    const answer = await ask(path`/api/v1/configs/${set}`);
    return { text: await answer.text(), etag: answer.headers.get('ETag') ?? '' };
}

// Where the service says that the fault is: "retention.daily: must be ..." or "name is required".
export function faultOf(sentence: string): Fault {
    const found = /^([\w.-]+(?:\[\d+\][\w.[\]-]*)?): /.exec(sentence)?.[1] ?? /^(\w+) is required$/.exec(sentence)?.[1];
    return { path: found ?? (sentence === 'Invalid cron schedule' ? 'schedule' : ''), sentence };
}

function New() {
    return <Editor set={null} saved={{ text: FIRST, etag: '' }} />;
}

function Edit({ values }: PageProps) {
    const set = values['set']!;
    const reading = useRead(() => read(set), [set]);
    return reading.value ? <Editor key={set} set={set} saved={reading.value} /> : <><h1><Name text={set} /></h1>{reading.problem ? <Trouble reading={reading} /> : <Waiting />}</>;
}

function Editor({ set, saved: first }: { set: string | null; saved: Saved }) {
    const t = texts.value.settings;
    const [saved, setSaved] = useState(first);
    const both = useTwoTexts(first.text);
    const places = useRead(async (signal) => isAdmin() ? api<SourcePlaces>('/api/v1/source-places', { signal }) : undefined, []);
    const [said, setSaid] = useState<{ of: string; fault: Fault } | null>(null);
    const [theirs, setTheirs] = useState<Saved | null>(null);
    const [job, setJob] = useState<string | null>(null);
    const [isBusy, setBusy] = useState(false);
    const [simulates, setSimulates] = useState(false);
    const { json: text, broken } = both;
    const fault = said?.of === text ? said.fault : null; // what was found wrong was said of one text
    const setFault = (found: Fault): void => setSaid({ of: text, fault: found });
    const value = both.value as { id?: unknown; schedule?: unknown; timezone?: unknown; retention?: unknown } | undefined;
    const wrong = broken ?? (fault && { line: both.lineAt(pathOf(fault.path)), sentence: fault.sentence });

    async function showYaml(): Promise<void> {
        try {
            await both.showYaml();
        } catch {
            tellProblem(new Problem(0, 'not_loaded', t.yamlNotLoaded));
        }
    }
    async function save(etag: string): Promise<void> {
        const id = set ?? (typeof value?.id === 'string' ? value.id : '');
        if (id === '') return setFault({ path: 'id', sentence: t.idMissing });
        setBusy(true);
        setTheirs(null);
        try {
            const answer = await ask(path`/api/v1/configs/${id}`, { method: 'PUT', text, match: etag });
            setSaved({ text, etag: answer.headers.get('ETag') ?? '' });
            setSaid(null);
            changes.value++;
            tell(t.saved(visibleText(id)));
            if (set === null) go(href`/settings/${id}`);
        } catch (error) {
            await refused(problemFrom(error), id);
        }
        setBusy(false);
    }
    // Somebody was quicker, something in it is wrong, or it could not be done.
    async function refused(problem: Problem, id: string): Promise<void> {
        if (problem.code === 'invalid_field') return setFault(faultOf(problem.message));
        if (problem.status !== 412) return tellProblem(problem);
        if (set === null) return setFault({ path: 'id', sentence: t.idTaken });
        try {
            setTheirs(await read(id));
        } catch (error) {
            tellProblem(error);
        }
    }
    async function tryIt(): Promise<void> {
        setBusy(true);
        try {
            setJob((await api<{ job: string }>('/api/backup/configs/test', { method: 'POST', text, isAsync: true, key: newKey() })).job);
            changes.value++;
        } catch (error) {
            const problem = problemFrom(error);
            if (problem.status === 400) setFault(faultOf(problem.message));
            else tellProblem(problem);
        }
        setBusy(false);
    }
    return (
        <>
            <p class="crumbs"><a href="#/settings">{t.title}</a>{set !== null && <> / <a href={href`/settings/${set}`}><Name text={set} /></a></>}</p>
            <div class="title">
                <h1>{set === null ? t.create : <Name text={set} />}</h1>
                {isAdmin() && (
                    <div class="buttons">
                        {(text !== saved.text || broken) && <span class="chip warn" role="status">{t.unsaved}</span>}
                        <button type="button" disabled={isBusy || broken !== null} onClick={() => void tryIt()}>{t.test}</button>
                        <button type="button" class="main" disabled={isBusy || broken !== null} onClick={() => void save(saved.etag)}>{t.save}</button>
                    </div>
                )}
            </div>
            <Trouble reading={places} />
            {fault?.path === '' && <p class="wrong" role="alert">{fault.sentence}</p>}
            {job !== null && <JobOutcome job={job} />}
            <div class="beside">
                {value !== undefined ? <ConfigForm form={{ value, fault, put: both.put }} isNew={set === null} places={places.value} /> : <p class="note">{t.formWaits}</p>}
                <section>
                    <h2>{t.text}</h2>
                    <div class="buttons" role="group" aria-label={t.notation}>
                        <button type="button" aria-pressed={!both.isYaml} disabled={broken !== null} onClick={both.showJson}>JSON</button>
                        <button type="button" aria-pressed={both.isYaml} disabled={broken !== null} onClick={() => void (both.isYaml || showYaml())}>YAML</button>
                    </div>
                    <p class="faint">{both.isYaml ? t.yamlHelp : t.textHelp}</p>
                    <TextEditor label={t.text} text={both.shown} onChange={both.write} wrong={wrong} />
                </section>
            </div>
            {simulates && typeof value?.schedule === 'string' && typeof value.retention === 'object' && value.retention !== null
                ? <Simulator set={set} rules={value.retention as Rules} schedule={{ cron: value.schedule, timezone: zoneOf(value.timezone), jitter_s: 0, run_missed: 'once' }} />
                : <p><button type="button" onClick={() => setSimulates(true)}>{t.simulation.show}</button></p>}
            {theirs && (
                <Dialog title={t.conflict.title} onClose={() => setTheirs(null)}>
                    <p>{t.conflict.why}</p>
                    <pre tabIndex={0} aria-label={t.conflict.theirs}>{theirs.text.split('\n').map(visibleText).join('\n')}</pre>
                    <div class="buttons">
                        <button type="button" autofocus onClick={() => setTheirs(null)}>{t.conflict.goOn}</button>
                        <button type="button" onClick={() => { setSaved(theirs); both.reset(theirs.text); setTheirs(null); }}>{t.conflict.take}</button>
                        <button type="button" class="danger" onClick={() => void save(theirs.etag)}>{t.conflict.over}</button>
                    </div>
                </Dialog>
            )}
        </>
    );
}

export const editPage: PageRow = { path: '/settings/:set/edit', title: (_, values) => values['set']!, view: Edit };
export const newSetPage: PageRow = { path: '/new-set', title: (t) => t.settings.create, view: New };
