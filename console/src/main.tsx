// Where the page begins: who is in, what the address asks for, and the frame around it.
import { effect } from '@preact/signals';
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import { Problem, api, readSession, session } from './api';
import { followNews, isLive } from './events';
import { visibleText } from './format';
import { pages } from './pages';
import { Login } from './pages/login';
import { Settle } from './pages/settle';
import { Proof } from './parts/proof';
import { Waiting, problemText } from './parts/read';
import { Toasts, tellProblem } from './parts/toast';
import { followAddress, match, place } from './router';
import { chooseLanguage, language, languages, texts } from './texts';
import { theme, turnTheme } from './theme';
import { signal } from '@preact/signals';

const trouble = signal<Problem | null>(null);

async function begin(): Promise<void> {
    trouble.value = null;
    try {
        if (!(await readSession())) session.value = null;
    } catch (error) {
        trouble.value = error instanceof Problem ? error : new Problem(0, 'page', String(error));
    }
}

async function logOut(): Promise<void> {
    try {
        await api('/api/v1/auth/logout', { method: 'POST' });
    } catch (error) {
        if (session.value) return tellProblem(error);
    }
    session.value = null;
}

function Frame() {
    const t = texts.value;
    const user = session.value!.user;
    const found = pages.filter((page) => page.isFor?.() ?? true).map((page) => ({ page, values: match(page.path, place.value.path) })).find(({ values }) => values !== null);
    const title = found ? found.page.title(t, found.values!) : t.notFound;
    useEffect(() => {
        document.title = `${visibleText(title)} · holdfast`;
    }, [title]);
    return (
        <>
            <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); document.getElementById('main')?.focus(); }}>{t.skip}</a>
            <header>
                <a class="brand" href="#/"><img src={icon} alt="" width={24} height={24} /><span>holdfast</span></a>
                <nav aria-label={t.menu}>
                    {pages.filter((page) => page.isInMenu && (page.isFor?.() ?? true)).map((page) => {
                        const isHere = page.path === '/' ? place.value.path === '/' : place.value.path.startsWith(page.path);
                        return <a key={page.path} href={`#${page.path}`} {...(isHere ? { 'aria-current': 'page' as const } : {})}>{(page.inMenu ?? page.title)(t, {})}</a>;
                    })}
                </nav>
                <div class="tools">
                    <span class={isLive.value ? 'live' : 'live off'} role="status" title={isLive.value ? t.liveHelp : t.offHelp}>
                        <span>{isLive.value ? t.live : t.off}</span>
                    </span>
                    <Tastes />
                    <a class="who" href="#/account" title={`${t.people.account}: ${t.roles[user.role]}`}><bdi>{visibleText(user.name)}</bdi></a>
                    <button type="button" onClick={logOut}>{t.logOut}</button>
                </div>
            </header>
            <main id="main" tabIndex={-1}>
                {found
                    ? <found.page.view key={place.value.path} values={found.values!} query={place.value.query} />
                    : <><h1>{t.notFound}</h1><p><a href="#/">{t.overview.title}</a></p></>}
            </main>
        </>
    );
}

const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]')?.getAttribute('href') ?? '';

function Tastes() {
    const t = texts.value;
    return (
        <>
            <select aria-label={t.language} value={language.value} onChange={(event) => chooseLanguage(event.currentTarget.value)}>
                {languages.map((name) => <option key={name} value={name}>{name.toUpperCase()}</option>)}
            </select>
            <button type="button" class="quiet" aria-label={theme.value === 'dark' ? t.toLight : t.toDark} onClick={turnTheme}>
                {theme.value === 'dark' ? '☀' : '☾'}
            </button>
        </>
    );
}

function App() {
    const t = texts.value;
    if (trouble.value) {
        return (
            <main class="door">
                <h1>holdfast</h1>
                <p role="alert">{problemText(trouble.value)}</p>
                <button type="button" class="main" onClick={() => void begin()}>{t.again}</button>
            </main>
        );
    }
    if (session.value === undefined) return <main class="door"><Waiting /></main>;
    const isSettled = session.value !== null && session.value.must === null;
    return (
        <>
            {isSettled ? <Frame /> : (
                <main class="door">
                    <div class="tastes"><Tastes /></div>
                    {session.value === null ? <Login /> : <Settle must={session.value.must!} leave={() => void logOut()} />}
                </main>
            )}
            <Proof />
            <Toasts />
        </>
    );
}

effect(() => {
    document.documentElement.lang = language.value;
});
followAddress();
followNews();
void begin();
render(<App />, document.getElementById('app')!);
