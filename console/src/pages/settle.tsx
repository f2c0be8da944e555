// What a user has to do before anything else: choose a password, set up a second factor.
import { useEffect, useState } from 'preact/hooks';
import { api, readSession, session } from '../api';
import { QrCode } from '../parts/qr';
import { Trouble, Waiting, problemFrom, problemText, useRead } from '../parts/read';
import { tellProblem } from '../parts/toast';
import { texts } from '../texts';
import type { Must, Session } from '../types';

export function Settle({ must, leave }: { must: NonNullable<Must>; leave: () => void }) {
    const t = texts.value;
    return (
        <div class="card">
            {must === 'password_change_required' ? <Password isFirst /> : <SecondFactor isFirst done={() => readSession().catch(tellProblem)} />}
            <button type="button" class="quiet" onClick={leave}>{t.logOut}</button>
        </div>
    );
}

// done: it is saved, and the session goes on.
export function Password({ isFirst, done }: { isFirst?: boolean; done?: () => void }) {
    const t = texts.value.settle;
    const [current, setCurrent] = useState('');
    const [chosen, setChosen] = useState('');
    const [repeated, setRepeated] = useState('');
    const [wrong, setWrong] = useState('');
    const [isBusy, setBusy] = useState(false);

    async function submit(event: Event): Promise<void> {
        event.preventDefault();
        if (chosen !== repeated) return setWrong(t.differ);
        setBusy(true);
        try {
            session.value = await api<Session>('/api/v1/auth/password', { method: 'POST', body: { current, new: chosen } });
            setCurrent('');
            setChosen('');
            setRepeated('');
            setWrong('');
            done?.();
        } catch (error) {
            setWrong(problemText(problemFrom(error)));
        }
        setBusy(false);
    }
    return (
        <form onSubmit={submit}>
            {isFirst && <h1>{t.passwordTitle}</h1>}
            {isFirst && <p>{t.passwordWhy}</p>}
            <input type="hidden" name="username" autocomplete="username" value={session.value?.user.name ?? ''} />
            <label>
                {t.current}
                <input name="current" type="password" autocomplete="current-password" required autofocus={isFirst} value={current}
                    onInput={(event) => setCurrent(event.currentTarget.value)} />
            </label>
            <label>
                {t.chosen}
                <input name="new" type="password" autocomplete="new-password" required minLength={8} aria-describedby="password-rule" value={chosen}
                    onInput={(event) => setChosen(event.currentTarget.value)} />
                <span id="password-rule" class="faint">{t.rule}</span>
            </label>
            <label>
                {t.repeated}
                <input name="repeated" type="password" autocomplete="new-password" required value={repeated}
                    onInput={(event) => setRepeated(event.currentTarget.value)} />
            </label>
            {wrong && <p class="wrong" role="alert">{wrong}</p>}
            <button type="submit" class="main" disabled={isBusy}>{t.save}</button>
        </form>
    );
}

interface Secret {
    secret: string;
    link: string;
}

// done: it is kept, and so are the recovery codes.
export function SecondFactor({ isFirst, done }: { isFirst?: boolean; done: () => void }) {
    const Title = isFirst ? 'h1' : 'h2';
    const t = texts.value.settle;
    const made = useRead<Secret>(() => api('/api/v1/auth/totp/new', { method: 'POST' }), []);
    const [code, setCode] = useState('');
    const [wrong, setWrong] = useState('');
    const [isBusy, setBusy] = useState(false);
    const [recovery, setRecovery] = useState<string[] | null>(null);

    async function submit(event: Event): Promise<void> {
        event.preventDefault();
        setBusy(true);
        try {
            const kept = await api<{ recovery_codes: string[] }>('/api/v1/auth/totp/confirm', {
                method: 'POST', body: { secret: made.value!.secret, code: code.trim() },
            });
            setRecovery(kept.recovery_codes);
        } catch (error) {
            setWrong(problemText(problemFrom(error)));
        }
        setBusy(false);
    }
    if (recovery) return <Recovery codes={recovery} Title={Title} done={done} />;
    return (
        <form onSubmit={submit}>
            <Title>{t.totpTitle}</Title>
            <p>{t.totpWhy}</p>
            <Trouble reading={made} />
            {made.value === undefined ? !made.problem && <Waiting /> : (
                <>
                    <QrCode text={made.value.link} label={texts.value.people.qr} />
                    <p class="secret"><code>{made.value.secret.replace(/(.{4})(?=.)/g, '$1 ')}</code></p>
                    <p><a href={made.value.link}>{t.openApp}</a></p>
                    <label>
                        {t.firstCode}
                        <input name="code" inputMode="numeric" autocomplete="one-time-code" required minLength={6} maxLength={6} value={code}
                            onInput={(event) => setCode(event.currentTarget.value)} />
                    </label>
                    {wrong && <p class="wrong" role="alert">{wrong}</p>}
                    <button type="submit" class="main" disabled={isBusy}>{t.confirm}</button>
                </>
            )}
        </form>
    );
}

// Shown once: whoever goes on has kept them.
export function Recovery({ codes, Title, done }: { codes: string[]; Title: 'h1' | 'h2'; done: () => void }) {
    const t = texts.value.settle;
    useEffect(() => {
        const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
        addEventListener('beforeunload', warn);
        return () => removeEventListener('beforeunload', warn);
    }, []);
    return (
        <>
            <Title>{t.recoveryTitle}</Title>
            <p>{t.recoveryWhy}</p>
            <ul class="codes">{codes.map((code) => <li key={code}><code>{code}</code></li>)}</ul>
            <button type="button" class="main" onClick={done}>{t.kept}</button>
        </>
    );
}
