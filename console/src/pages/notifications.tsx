// Messages to people and programs: what waits, what was sent, what failed; and one to try a channel.
import { useState } from 'preact/hooks';
import { api, path } from '../api';
import type { PageRow } from '../pages';
import { Name, When } from '../parts/figures';
import { MoreButton, pageQuery, usePaged } from '../parts/paged';
import { Trouble, Waiting } from '../parts/read';
import { Table } from '../parts/table';
import type { Column } from '../parts/table';
import { tell, tellProblem } from '../parts/toast';
import { href } from '../router';
import { texts } from '../texts';
import type { Notification, Page } from '../types';

const STATES = ['waiting', 'sent', 'failed'] as const;
const TONES = { waiting: 'busy', sent: 'good', failed: 'bad' };

// The address may be a secret: it is kept nowhere, and gone when it was sent.
function Try({ done }: { done: () => void }) {
    const t = texts.value.settings.notices;
    const [channel, setChannel] = useState('');
    const [isBusy, setBusy] = useState(false);
    async function send(event: Event): Promise<void> {
        event.preventDefault();
        setBusy(true);
        try {
            const sent = await api<{ channel: string }>('/api/v1/notifications/test', { method: 'POST', body: { channel } });
            setChannel('');
            tell(t.queued(sent.channel));
            done();
        } catch (error) {
            tellProblem(error);
        }
        setBusy(false);
    }
    return (
        <form class="card" onSubmit={send}>
            <h2>{t.tryTitle}</h2>
            <label>{t.channel}
                <input type="password" required autocomplete="off" maxLength={2000} value={channel} aria-describedby="channel-help" onInput={(event) => setChannel(event.currentTarget.value)} />
                <span id="channel-help" class="faint">{t.channelHelp}</span>
            </label>
            <div class="buttons"><button type="submit" class="main" disabled={isBusy}>{t.send}</button></div>
        </form>
    );
}

function Notifications() {
    const t = texts.value.settings.notices;
    const [state, setState] = useState('');
    const list = usePaged<Notification>(async (after, signal) => {
        const { notifications, next } = await api<Page & { notifications: Notification[] }>('/api/v1/notifications' + pageQuery(after) + (state === '' ? '' : path`&state=${state}`), { signal });
        return { items: notifications, next };
    }, (one) => one.id, [state]);
    const columns: Column<Notification>[] = [
        { title: t.to, kind: 'main', cell: (one) => <Name text={one.recipient ?? one.channel} /> },
        { title: t.state, cell: (one) => <span class={`chip ${TONES[one.state]}`}>{t.states[one.state]}</span> },
        { title: t.tries, kind: 'number', cell: (one) => one.attempts },
        { title: t.made, cell: (one) => <When time={one.created_at} /> },
        { title: t.again, kind: 'wide', cell: (one) => <When time={one.next_at} /> },
        { title: t.error, kind: 'wide', cell: (one) => one.error === null ? '–' : <Name text={one.error} /> },
        { title: t.run, kind: 'wide', cell: (one) => one.run === null ? '–' : <a href={href`/runs/${one.run}`}><code>{one.run.slice(0, 8)}</code></a> },
    ];
    return (
        <>
            <p class="crumbs"><a href="#/settings">{texts.value.settings.title}</a></p>
            <div class="title">
                <h1>{t.title}</h1>
                <label class="filter">{t.state}
                    <select value={state} onChange={(event) => setState(event.currentTarget.value)}>
                        <option value="">{texts.value.jobs.all}</option>
                        {STATES.map((one) => <option key={one} value={one}>{t.states[one]}</option>)}
                    </select>
                </label>
            </div>
            <Trouble reading={list} />
            {list.value ? <Table label={t.title} columns={columns} rows={list.value} rowKey={(one) => one.id} empty={t.none} /> : !list.problem && <Waiting />}
            <MoreButton list={list} />
            <Try done={list.again} />
        </>
    );
}

export const notificationsPage: PageRow = { path: '/notifications', title: (t) => t.settings.notices.title, view: Notifications };
