// From the first login to the last logout: overview, orders, jobs, snapshots, and what a browser lives through.
import assert from 'node:assert';
import { readFileSync } from 'node:fs';
import {
    PASSWORD, SCREENSHOTS, WORK, at, becomes, catalog, enterFirst, examine, expectRefusals, finish, firstPassword, hold, longestTask, newPage, origin, proveNow, scroll, startService, stopService, test, totp,
    watchTasks,
} from './desk.mjs';

const FIRST_LOAD = 120 * 1024;

await startService();
const page = await newPage({ acceptDownloads: true });
const first = await firstPassword();
let secret = '';
let recovery = [];

await test('the page is small, strict and asked for again by its tag', async () => {
    const names = ['/', ...(await (await fetch(origin)).text()).match(/\/assets\/[^"]+/g)];
    let size = 0;
    for (const name of names) {
        const answer = await fetch(origin + name, { headers: { 'Accept-Encoding': 'gzip' } });
        assert.equal(answer.status, 200, name);
        assert.equal(answer.headers.get('content-encoding'), 'gzip');
        assert.match(answer.headers.get('content-security-policy'), /default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; .*base-uri 'none'/);
        assert.match(answer.headers.get('cache-control'), name === '/' ? /^no-cache$/ : /immutable/);
        size += Number(answer.headers.get('content-length'));
        const again = await fetch(origin + name, { headers: { 'Accept-Encoding': 'gzip', 'If-None-Match': answer.headers.get('etag') } });
        assert.equal(again.status, 304, name);
    }
    assert.equal(names.length, 4);
    assert(size <= FIRST_LOAD, `${size} bytes`);
    console.log(`    first load: ${size} bytes`);
    assert.equal((await fetch(`${origin}/assets/console.js`)).status, 404);
});

await test('a first login leads through a password and a second factor', async () => {
    expectRefusals(); // 401 before anybody is in, and for the wrong password
    await page.goto(origin);
    await page.getByLabel('Name').fill('admin');
    console.log(`    interactive after ${await page.evaluate(() => Math.round(performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd))} ms`);
    await page.getByLabel('Password').fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('are not right').waitFor();
    await examine(page, 'login');
    await page.getByLabel('Password').fill(first);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('Choose a password').waitFor();
    await page.getByLabel('Present password').fill(first);
    await page.getByLabel('New password', { exact: false }).first().fill(PASSWORD);
    await page.getByLabel('New password once more').fill(PASSWORD + 'x');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('differ').waitFor();
    await page.getByLabel('New password once more').fill(PASSWORD);
    await examine(page, 'password');
    await page.getByRole('button', { name: 'Save' }).click();
    secret = (await page.locator('.secret code').innerText()).replaceAll(' ', '');
    await examine(page, 'second-factor');
    await page.getByLabel('Code that the program shows now').fill(totp(secret));
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.locator('.codes li').first().waitFor();
    recovery = await page.locator('.codes li').allInnerTexts();
    await examine(page, 'recovery-codes');
    assert.equal(recovery.length, 10);
    await page.getByRole('button', { name: 'I have kept them' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
}, { isNeeded: true });

await test('sets that were never backed up are told first', async () => {
    await page.getByText('shop has never been backed up').waitFor();
    await page.locator('.live:not(.off)').waitFor();
});

await test('a backup and a drill are ordered, watched and told without a reload', async () => {
    const card = page.getByRole('article', { name: 'shop' });
    await card.getByRole('button', { name: 'Back up now' }).click();
    await page.getByRole('link', { name: 'Watch it' }).click();
    await page.getByText('succeeded').waitFor();
    await page.getByText('What the command told').waitFor();
    await page.getByRole('link', { name: 'Overview' }).click();
    await page.getByText('shop is backed up, and nobody has proven').waitFor();
    await card.getByRole('button', { name: 'Drill now' }).click();
    await page.getByText('shop is backed up, and nobody has proven').waitFor({ state: 'detached' });
    await page.goto(`${origin}/#/jobs`);
    await page.getByRole('link', { name: 'Drill shop' }).first().click();
    await page.getByText('proven').first().waitFor();
});

await test('a job that fails is an alarm with its reason', async () => {
    await at(page, '#/');
    await page.getByRole('article', { name: 'crm' }).getByRole('button', { name: 'Back up now' }).click();
    await page.getByRole('article', { name: 'crm' }).getByText('1 failure').waitFor();
    await page.getByText('crm has never been backed up').waitFor();
    await page.getByRole('article', { name: 'crm' }).getByText('failed').click();
    await page.getByText('missing.db').first().waitFor();
    await examine(page, 'run-failed');
});

await test('a job that runs shows its progress after a reload and can be stopped', async () => {
    await at(page, '#/');
    await page.getByRole('article', { name: 'wiki' }).getByRole('button', { name: 'Back up now' }).click();
    await page.getByRole('article', { name: 'wiki' }).getByText('running').waitFor();
    await page.reload();
    await page.getByRole('article', { name: 'wiki' }).getByRole('progressbar').waitFor();
    await examine(page, 'overview');
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Jobs' }).click();
    await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor();
    await page.getByRole('progressbar').waitFor();
    await examine(page, 'jobs');
    await page.getByRole('article').getByRole('link').first().click();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('dialog').waitFor();
    await examine(page, 'stop');
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click();
    await page.locator('dl.facts').getByText('cancelled').waitFor();
});

await test('snapshots are listed with what drills said, and filtered', async () => {
    await at(page, '#/snapshots');
    await page.getByRole('link', { name: 'shop' }).click();
    await page.getByText('proven', { exact: true }).waitFor();
    await page.getByLabel('Filter').fill('no such thing');
    await page.getByText('Nothing fits the filter').waitFor();
    await page.getByLabel('Filter').fill('');
    for (let i = 2; i <= 3; i++) { // so that there is something to draw
        await page.getByRole('button', { name: 'Back up now' }).click();
        await becomes(() => page.getByRole('region', { name: 'Snapshots of shop' }).locator('tbody tr').count(), i, 'snapshots');
    }
    await page.locator('.mark').nth(1).waitFor();
    await page.locator('.chart canvas').first().waitFor();
    await examine(page, 'snapshots');
});

async function openFolder(name) {
    await page.getByRole('link', { name: `${name}/`, exact: true }).click();
}

await test('hostile names are text, and nothing else', async () => {
    await at(page, '#/snapshots/shop/latest');
    await openFolder('files');
    for (const part of `${WORK}/data/odd`.split('/').filter((one) => one !== '')) await openFolder(part);
    await page.getByText('<img src=x onerror=window.hit=1>', { exact: true }).waitFor();
    await page.getByText('a\\u202egpj.exe', { exact: true }).waitFor();
    await page.getByText('line\\u000abreak', { exact: true }).waitFor();
    await page.getByText('by folder only').first().waitFor();
    assert.equal(await page.locator('main img, main script, main iframe').count(), 0);
    assert.equal(await page.evaluate(() => window.hit), undefined);
    await examine(page, 'snapshot');
    await openFolder('<b>folder & more');
    await page.getByText('The folder is empty').waitFor();
    await page.goBack();
});

await test('a file is downloaded as it was, after a proof that is not old', async () => {
    expectRefusals();
    catalog('UPDATE sessions SET stepped_up_ns = stepped_up_ns - 600000000000');
    const button = page.getByRole('button', { name: 'Download: "\'><script>window.hit=1<script>' });
    await button.click();
    await page.getByRole('dialog').getByLabel('Code').fill('000000');
    await page.getByRole('dialog').getByRole('button', { name: 'Go on' }).click();
    await page.getByText('That was not right').waitFor();
    await examine(page, 'proof');
    await page.getByRole('dialog').getByLabel('Code').fill(recovery[1]);
    const begun = page.waitForEvent('download');
    await page.getByRole('dialog').getByRole('button', { name: 'Go on' }).click();
    const download = await begun;
    assert.equal(readFileSync(await download.path(), 'utf8'), 'content of "\'><script>window.hit=1<script>');
});

await test('a folder of 50,000 entries is a table of a few rows', async () => {
    await page.getByLabel('Folder').getByRole('link', { name: 'data' }).click();
    await watchTasks(page);
    await openFolder('long');
    await page.getByText('50000 entries').waitFor();
    const table = page.getByRole('region', { name: /Files in/ });
    for (const share of [0.5, 1, 0.25]) {
        await scroll(table, share);
        const wanted = share === 1 ? 'file-49999' : `file-${String(Math.round(50000 * share)).padStart(5, '0')}`;
        await page.getByText(wanted, { exact: true }).waitFor();
        assert(await page.locator('tbody tr').count() < 100);
    }
    await longestTask(page, 'reading and scrolling');
    await page.getByLabel('Filter this folder').fill('file-4321');
    await becomes(() => page.locator('tbody tr').count(), 10, 'rows that fit the filter');
});

await test('a folder never shows what another has, and has a filter of its own', async () => {
    await page.evaluate(() => { // notes what is there whenever something changes
        window.wrong = [];
        new MutationObserver(() => {
            const where = document.querySelector('nav.crumbs [aria-current]')?.textContent;
            const rows = [...document.querySelectorAll('td.main')].map((cell) => cell.textContent);
            if (where === 'data' && (rows.some((name) => name.startsWith('file-')) || document.querySelector('input[type=search]')?.value)) window.wrong.push(rows[0] ?? 'a filter');
        }).observe(document.body, { childList: true, subtree: true, characterData: true, attributes: true });
    });
    await page.getByLabel('Folder').getByRole('link', { name: 'data' }).click();
    await page.getByRole('link', { name: 'odd/' }).waitFor();
    assert.equal(await page.getByLabel('Filter this folder').inputValue(), '');
    assert.deepEqual(await page.evaluate(() => window.wrong), []);
    // One that is left while it is read is no part of the next.
    await page.getByRole('link', { name: 'long/' }).click();
    await page.getByLabel('Folder').getByRole('link', { name: 'data' }).click();
    await page.getByText(/^\d entries$/).waitFor();
    assert.deepEqual(await page.evaluate(() => window.wrong), []);
});

await test('who may only look finds nothing to order', async () => {
    proveNow();
    const name = 'ann.example@shop';
    const made = await page.evaluate(async (wanted) => {
        const { csrf } = await (await fetch('/api/v1/auth/session')).json();
        const answer = await fetch('/api/v1/users', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-HF-CSRF': csrf },
            body: JSON.stringify({ name: wanted, role: 'viewer' }) });
        return answer.json();
    }, name);
    const other = await newPage();
    expectRefusals();
    await enterFirst(other, name, made.password);
    await other.getByRole('article', { name: 'shop' }).waitFor();
    await other.getByText(name, { exact: true }).waitFor();
    assert.equal(await other.getByRole('button', { name: 'now' }).count(), 0);
    await at(other, '#/snapshots/shop/latest');
    await other.getByText('2 entries').waitFor();
    assert.equal(await other.getByRole('button', { name: 'Download' }).count() + await other.getByRole('button', { name: 'As tar' }).count(), 0);
    await other.context().close();
});

await test('a slow network makes no second order', async () => {
    const runs = () => page.evaluate(async () => (await (await fetch('/api/v1/runs?kind=backup&set=shop')).json()).runs.length);
    await at(page, '#/');
    await page.reload(); // without what was said of earlier orders
    const before = await runs();
    const letGo = await hold(page, '**/api/v1/sets/shop/backup');
    const button = page.getByRole('article', { name: 'shop' }).getByRole('button', { name: 'Back up now' });
    await button.click();
    await button.click({ force: true });
    assert(await button.isDisabled());
    await letGo();
    await page.getByText('A backup of shop was ordered').waitFor();
    assert.equal(await runs(), before + 1);
});

await test('a restart of the service is lived through', async () => {
    expectRefusals();
    await at(page, '#/');
    await page.locator('.live:not(.off)').waitFor();
    await stopService();
    await page.locator('.live.off').waitFor();
    await startService();
    await page.locator('.live:not(.off)').waitFor();
    await page.getByRole('article', { name: 'shop' }).waitFor();
});

await test('a late answer to a session that is over ends no other', async () => {
    expectRefusals();
    await at(page, '#/snapshots/shop');
    await page.getByText('proven', { exact: true }).waitFor();
    catalog('DELETE FROM sessions');
    const letGo = await hold(page, '**/api/v1/sets/shop/drill');
    await page.getByRole('button', { name: 'Drill now' }).click();
    await page.getByRole('button', { name: 'Back up now' }).or(page.getByRole('button', { name: 'Log in' })).click();
    await page.getByLabel('Name').fill('admin');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByLabel('Code').fill(recovery[2]);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'shop' }).waitFor();
    const told = await page.locator('.toast.bad').count();
    await letGo();
    await becomes(() => page.locator('.toast.bad').count(), told + 1, 'toasts of problems');
    assert.equal(await page.getByRole('heading', { name: 'shop' }).count(), 1);
});

await test('a session that is over leads to the login and back to where one was', async () => {
    expectRefusals();
    await at(page, '#/snapshots/shop');
    catalog('DELETE FROM sessions');
    // What the page looks up by itself may be told before the order is; a login without a name asks nothing.
    await page.getByRole('button', { name: 'Back up now' }).or(page.getByRole('button', { name: 'Log in' })).click();
    await page.getByLabel('Name').fill('admin');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByLabel('Code').fill('000000');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('are not right').waitFor();
    await page.getByLabel('Code').fill(recovery[0]);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('heading', { name: 'shop' }).waitFor();
});

await test('the second language and the chosen theme stay', async () => {
    await page.emulateMedia({ colorScheme: 'light' });
    await page.getByLabel('Language').selectOption('de');
    await page.getByRole('button', { name: 'Dunkle Farben' }).click();
    await page.reload();
    await page.getByRole('link', { name: 'Übersicht' }).click();
    await page.getByRole('heading', { name: 'Übersicht' }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang + document.documentElement.dataset.theme), 'dedark');
    await page.screenshot({ path: `${SCREENSHOTS}/overview-german.png` });
    await page.getByRole('button', { name: 'Abmelden' }).click();
    await page.getByRole('button', { name: 'Anmelden' }).waitFor();
});

await finish();
