// Coming in: name and password, and a code when the service asks for one.
import { useState } from 'preact/hooks';
import { Problem, api, session } from '../api';
import { problemFrom, problemText } from '../parts/read';
import { texts } from '../texts';
import type { Session } from '../types';

export function Login() {
    const t = texts.value;
    const [username, setName] = useState('');
    const [password, setPassword] = useState('');
    const [code, setCode] = useState('');
    const [wantsCode, setWants] = useState(false);
    const [wrong, setWrong] = useState('');
    const [isBusy, setBusy] = useState(false);

    async function submit(event: Event): Promise<void> {
        event.preventDefault();
        setBusy(true);
        setWrong('');
        try {
            session.value = await api<Session>('/api/v1/auth/login', {
                method: 'POST', body: { username, password, ...(wantsCode ? { code: code.trim() } : {}) },
            });
        } catch (error) {
            setBusy(false);
            if (error instanceof Problem && error.code === 'totp_required') setWants(true);
            else setWrong(problemText(problemFrom(error)));
        }
    }
    return (
        <form class="card" onSubmit={submit}>
            <h1>holdfast</h1>
            <label>
                {t.login.name}
                <input name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required autofocus value={username}
                    onInput={(event) => setName(event.currentTarget.value)} />
            </label>
            <label>
                {t.login.password}
                <input name="password" type="password" autocomplete="current-password" required value={password}
                    onInput={(event) => setPassword(event.currentTarget.value)} />
            </label>
            {wantsCode && (
                <label>
                    {t.login.code}
                    <input name="code" autocomplete="one-time-code" required ref={(at) => { if (code === '') at?.focus(); }} value={code}
                        onInput={(event) => setCode(event.currentTarget.value)} aria-describedby="code-help" />
                    <span id="code-help" class="faint">{t.login.codeHelp}</span>
                </label>
            )}
            {wrong && <p class="wrong" role="alert">{wrong}</p>}
            <button type="submit" class="main" disabled={isBusy}>{isBusy ? t.waiting : t.login.go}</button>
        </form>
    );
}
