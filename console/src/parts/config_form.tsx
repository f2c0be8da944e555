// A backup configuration as a form over its texts: each field changes its own value in them and nothing else.
import { createContext } from 'preact';
import type { ComponentChildren } from 'preact';
import { useContext, useId } from 'preact/hooks';
import { visibleText } from '../format';
import type { Path } from '../json_text';
import { texts } from '../texts';
import type { SourcePlaces } from '../types';
import { Cron } from './cron';

export interface Fault {
    path: string; // "destinations[1].config.path"; "" is about the whole
    sentence: string;
}

interface Form {
    value: unknown;
    fault: Fault | null;
    put: (path: Path, value: unknown) => void;
}

const Context = createContext<Form>({ value: {}, fault: null, put: () => {} });

function nameOf(path: Path): string {
    return path.map((key, i) => typeof key === 'number' ? `[${key}]` : i === 0 ? key : `.${key}`).join('');
}

function at(value: unknown, path: Path): unknown {
    return path.reduce<unknown>((inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<string | number, unknown>)[key] : undefined), value);
}

// A value, how to change it, and what is wrong with it.
function useField(path: Path) {
    const form = useContext(Context);
    const name = nameOf(path);
    const wrong = form.fault?.path === name || form.fault?.path.replace(/\[\d+\]$/, '') === name ? form.fault.sentence : undefined; // of an item too
    return { value: at(form.value, path), wrong, put: (value: unknown) => form.put(path, value) };
}

function Labelled({ label, help, wrong, children }: { label: string; help?: string | undefined; wrong: string | undefined; children: (described: string | undefined) => ComponentChildren }) {
    const id = useId();
    return (
        <label>
            {label}
            {children(wrong !== undefined || help !== undefined ? id : undefined)}
            {(wrong ?? help) !== undefined && <span id={id} class={wrong === undefined ? 'faint' : 'wrong'}>{wrong ?? help}</span>}
        </label>
    );
}

interface FieldProps {
    path: Path;
    label: string;
    help?: string | undefined;
}

function Text({ path, label, help, isFixed, isOptional }: FieldProps & { isFixed?: boolean; isOptional?: boolean }) {
    const { value, wrong, put } = useField(path);
    return (
        <Labelled label={label} help={help} wrong={wrong}>{(described) => (
            <input value={typeof value === 'string' ? value : ''} readOnly={isFixed ?? false} autocomplete="off" spellcheck={false} maxLength={1000}
                aria-invalid={wrong !== undefined} aria-describedby={described} onInput={(event) => put(isOptional && event.currentTarget.value === '' ? undefined : event.currentTarget.value)} />
        )}</Labelled>
    );
}

function Count({ path, label }: FieldProps) {
    const { value, wrong, put } = useField(path);
    return (
        <Labelled label={label} wrong={wrong}>{(described) => (
            <input type="number" min={0} max={10000} value={typeof value === 'number' ? value : ''} aria-invalid={wrong !== undefined} aria-describedby={described}
                onInput={(event) => put(event.currentTarget.value === '' ? 0 : Math.trunc(Number(event.currentTarget.value)))} />
        )}</Labelled>
    );
}

function Choice({ path, label, help, words }: FieldProps & { words: Record<string, string> }) {
    const { value, wrong, put } = useField(path);
    return (
        <Labelled label={label} help={help} wrong={wrong}>{(described) => (
            <select value={typeof value === 'string' ? value : ''} aria-invalid={wrong !== undefined} aria-describedby={described} onChange={(event) => put(event.currentTarget.value)}>
                {!(typeof value === 'string' && value in words) && <option value={typeof value === 'string' ? value : ''}>{typeof value === 'string' ? value : '–'}</option>}
                {Object.entries(words).map(([word, text]) => <option key={word} value={word}>{text}</option>)}
            </select>
        )}</Labelled>
    );
}

function Flag({ path, label, isDefault }: FieldProps & { isDefault: boolean }) {
    const { value, wrong, put } = useField(path);
    return (
        <label class="flag">
            <input type="checkbox" checked={typeof value === 'boolean' ? value : isDefault} aria-invalid={wrong !== undefined} onChange={(event) => put(event.currentTarget.checked)} />
            {label}{wrong !== undefined && <span class="wrong">{wrong}</span>}
        </label>
    );
}

// Texts, one a line; without any, the member goes where it may be missing.
function Lines({ path, label, help, isOptional }: FieldProps & { isOptional?: boolean }) {
    const { value, wrong, put } = useField(path);
    const none = isOptional ? undefined : [];
    const text = Array.isArray(value) ? value.join('\n') : '';
    return (
        <Labelled label={label} help={help} wrong={wrong}>{(described) => (
            <textarea rows={Math.max(2, text.split('\n').length)} value={text} autocomplete="off" spellcheck={false} aria-invalid={wrong !== undefined} aria-describedby={described}
                onInput={(event) => put(event.currentTarget.value === '' ? none : event.currentTarget.value.split('\n'))}
                onBlur={(event) => {
                    const lines = event.currentTarget.value.split('\n').map((line) => line.trim()).filter((line) => line !== '');
                    if (lines.join('\n') !== text) put(lines.length > 0 ? lines : none);
                }} />
        )}</Labelled>
    );
}

type Source = { type?: unknown; config?: unknown };
const NEW_SOURCES = { postgres: { server: '' }, sqlite: { path: '' }, files: { paths: [] } };

// What is backed up: what the host has for the type, or sources of its own, of what the host has opened to configurations.
function Sources({ places }: { places: SourcePlaces }) {
    const t = texts.value.settings.form;
    const { value, wrong, put } = useField(['sources']);
    const list = Array.isArray(value) ? value as Source[] : [];
    const add = (type: keyof typeof NEW_SOURCES, config: object): void => put([...list, { type, config }]);
    const server = places.servers[0];
    return (
        <fieldset>
            <legend>{texts.value.settings.sources}</legend>
            <p class="faint">{list.length === 0 ? t.sourcesOfHost : t.sourcesOwn}</p>
            {wrong !== undefined && <p class="wrong">{wrong}</p>}
            {list.map((source, i) => (
                <SourceFields key={i} i={i} source={source} places={places} remove={() => put(list.length > 1 ? list.filter((_, other) => other !== i) : undefined)} />
            ))}
            <div class="buttons">
                {server && <button type="button" onClick={() => add('postgres', { server: server.name, ...(server.database === null ? { database: '' } : {}) })}>{t.addPostgres}</button>}
                {places.folders.length > 0 && <button type="button" onClick={() => add('sqlite', NEW_SOURCES.sqlite)}>{t.addSqlite}</button>}
                {places.folders.length > 0 && <button type="button" onClick={() => add('files', NEW_SOURCES.files)}>{t.addFiles}</button>}
            </div>
            {(!server || places.folders.length === 0) && <p class="faint">{t.notOpened(!server, places.folders.length === 0)}</p>}
            <p class="faint">{t.noPrograms}</p>
        </fieldset>
    );
}

function SourceFields({ i, source, places, remove }: { i: number; source: Source; places: SourcePlaces; remove: () => void }) {
    const t = texts.value.settings.form;
    const path: Path = ['sources', i, 'config'];
    const type = useField(['sources', i, 'type']);
    const server = useField([...path, 'server']);
    const isKnown = typeof source?.type === 'string' && source.type in NEW_SOURCES;
    const fixed = places.servers.find((one) => one.name === server.value)?.database;
    const below = t.below(places.folders.map(visibleText).join(', '));
    return (
        <div class="place" role="group" aria-label={t.source(i + 1)}>
            <div class="title">
                <b>{t.source(i + 1)}: {isKnown ? t.kinds[source.type as keyof typeof NEW_SOURCES] : t.other}</b>
                <button type="button" aria-label={t.removeSource(i + 1)} onClick={remove}>{t.remove}</button>
            </div>
            {type.wrong !== undefined && <p class="wrong">{type.wrong}</p>}
            {source?.type === 'postgres' && (
                <div class="row">
                    <Choice path={[...path, 'server']} label={t.server} help={t.serverHelp} words={Object.fromEntries(places.servers.map((one) => [one.name, visibleText(one.name)]))} />
                    <Text path={[...path, 'database']} label={t.database} help={typeof fixed === 'string' ? t.fixed(visibleText(fixed)) : undefined} isOptional />
                </div>
            )}
            {source?.type === 'sqlite' && <Text path={[...path, 'path']} label={t.sqlitePath} help={below} />}
            {source?.type === 'files' && (
                <>
                    <Lines path={[...path, 'paths']} label={t.paths} help={below} />
                    <Lines path={[...path, 'exclude']} label={t.exclude} help={t.excludeHelp} isOptional />
                </>
            )}
            {isKnown && <Text path={['sources', i, 'name']} label={t.sourceName} help={t.sourceNameHelp} isOptional />}
        </div>
    );
}

type Place = { type?: unknown; config?: unknown };
const EMPTY = { local: { path: '' }, s3: { bucket: '', region: '', folder: '' } };

function Destinations() {
    const t = texts.value.settings.form;
    const { value, wrong, put } = useField(['destinations']);
    const list = Array.isArray(value) ? value as Place[] : [];
    return (
        <fieldset>
            <legend>{t.destinations}</legend>
            {wrong !== undefined && <p class="wrong">{wrong}</p>}
            {list.map((place, i) => <Destination key={i} i={i} place={place} remove={list.length > 1 ? () => put(list.filter((_, other) => other !== i)) : null} />)}
            <div class="buttons">
                <button type="button" onClick={() => put([...list, { type: 'local', config: EMPTY.local }])}>{t.addLocal}</button>
                <button type="button" onClick={() => put([...list, { type: 's3', config: EMPTY.s3 }])}>{t.addS3}</button>
            </div>
            <p class="faint">{t.secrets}</p>
        </fieldset>
    );
}

function Destination({ i, place, remove }: { i: number; place: Place; remove: (() => void) | null }) {
    const t = texts.value.settings.form;
    const path: Path = ['destinations', i, 'config'];
    return (
        <div class="place" role="group" aria-label={t.destination(i + 1)}>
            <div class="title">
                <b>{t.destination(i + 1)}: {place?.type === 's3' ? t.s3 : place?.type === 'local' ? t.local : t.other}</b>
                {remove && <button type="button" aria-label={t.removeOf(i + 1)} onClick={remove}>{t.remove}</button>}
            </div>
            {place?.type === 'local' && <Text path={[...path, 'path']} label={t.path} />}
            {place?.type === 's3' && (
                <div class="row">
                    <Text path={[...path, 'bucket']} label={t.bucket} />
                    <Text path={[...path, 'region']} label={t.region} />
                    <Text path={[...path, 'folder']} label={t.folder} />
                    <Text path={[...path, 'endpoint']} label={t.endpoint} help={t.endpointHelp} />
                </div>
            )}
        </div>
    );
}

export function ConfigForm({ form, isNew, places }: { form: Form; isNew: boolean; places: SourcePlaces | undefined }) {
    const t = texts.value.settings.form;
    return (
        <Context.Provider value={form}>
            <div class="form">
                <Text path={['id']} label={t.id} help={t.idHelp} isFixed={!isNew} />
                <Text path={['name']} label={t.name} />
                <Choice path={['type']} label={t.type} words={t.types} />
                <Flag path={['enabled']} label={t.enabled} isDefault={false} />
                <Schedule />
                <fieldset>
                    <legend>{texts.value.settings.retention}</legend>
                    <div class="row">
                        <Count path={['retention', 'daily']} label={t.daily} />
                        <Count path={['retention', 'weekly']} label={t.weekly} />
                        <Count path={['retention', 'monthly']} label={t.monthly} />
                    </div>
                    <p class="faint">{t.unproven}</p>
                    <Wrong path="retention" />
                </fieldset>
                {places && <Sources places={places} />}
                <Destinations />
                <fieldset>
                    <legend>{t.notifications}</legend>
                    <Lines path={['notifications', 'onSuccess']} label={texts.value.settings.onSuccess} help={t.mails} />
                    <Lines path={['notifications', 'onFailure']} label={texts.value.settings.onFailure} help={t.mails} />
                </fieldset>
            </div>
        </Context.Provider>
    );
}

function Wrong({ path }: { path: string }) {
    const { fault } = useContext(Context);
    return fault?.path === path ? <p class="wrong">{fault.sentence}</p> : null;
}

// The zone of a schedule, in the words of the API.
export function zoneOf(timezone: unknown): string {
    return typeof timezone === 'string' && timezone !== '' ? timezone : 'local';
}

function Schedule() {
    const t = texts.value.settings.form;
    const { value, wrong, put } = useField(['schedule']);
    return (
        <>
            <Cron value={typeof value === 'string' ? value : ''} onChange={put} zone={zoneOf(useField(['timezone']).value)} wrong={wrong} />
            <Text path={['timezone']} label={t.timezone} help={t.timezoneHelp} isOptional />
        </>
    );
}
