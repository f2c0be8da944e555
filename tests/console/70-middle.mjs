// What goes wrong in the middle of work: a slow network, a restart of the service, a session that ends, no mouse.
import assert from 'node:assert';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { PASSWORD, WORK, at, becomes, catalog, enter, expectRefusals, finish, hold, newPage, proveNow, startService, stopService, test } from './desk.mjs';

mkdirSync(`${WORK}/little/sub`, { recursive: true });
for (const folder of ['restored', 'uploads']) { // of this case alone
    rmSync(`${WORK}/${folder}`, { recursive: true, force: true });
    mkdirSync(`${WORK}/${folder}`);
}
writeFileSync(`${WORK}/little/one`, 'one');
const config = readFileSync(`${WORK}/holdfast.yaml`, 'utf8');
writeFileSync(`${WORK}/holdfast.yaml`, config
    .replace('sets:\n', `sets:\n  history:\n    repositories: [main]\n    sources: [{files: {paths: [${WORK}/little]}}]\n`)
    .replace('serve: {', `serve: {restore_targets: [${WORK}/restored], compat: {pos: {key_file: ${WORK}/key, upload_dir: ${WORK}/uploads, roots: [${WORK}/restored]}}, `));

await startService();
const page = await newPage({ acceptDownloads: true });
const button = (name) => page.getByRole('button', { name, exact: true });
const network = async (ms) => {
    const wire = await page.context().newCDPSession(page);
    await wire.send('Network.enable');
    await wire.send('Network.emulateNetworkConditions', { offline: false, latency: ms, downloadThroughput: -1, uploadThroughput: -1 });
};

let recovery;
await test('the first login', async () => {
    expectRefusals();
    ({ recovery } = await enter(page));
}, { isNeeded: true });

await test('a backup over a slow network is seen to its end', async () => {
    await at(page, '#/snapshots/history');
    await network(2000);
    await button('Back up now: history').click();
    await page.locator('tbody tr').first().waitFor();
    await network(0);
}, { isNeeded: true });

await test('a restore over a slow network is planned and ordered once', async () => {
    const jobs = () => page.evaluate(async () => (await (await fetch('/api/v1/runs?kind=restore&limit=100')).json()).runs.length);
    await at(page, '#/restore/history/latest?path=/');
    proveNow();
    await page.getByRole('radio', { name: 'Into a new folder' }).check();
    await page.getByLabel('Name of the new folder').fill('slowly');
    const before = await jobs();
    await network(2000);
    await button('Show the plan').click();
    await button('Show the plan').click({ force: true, timeout: 1000 }).catch(() => {});
    await button('Restore into the folder').waitFor();
    await button('Restore into the folder').click();
    await button('Restore into the folder').click({ force: true, timeout: 1000 }).catch(() => {});
    await page.getByText('were restored into').waitFor();
    await network(0);
    assert.equal(await jobs(), before + 2);
    assert(readdirSync(`${WORK}/restored/slowly`).length > 0);
});

await test('news that come while a list is asked for do not ask for it anew', async () => {
    await at(page, '#/');
    const asked = { jobs: 0, runs: 0 };
    const count = (request) => {
        if (/\/api\/v1\/jobs$/.test(request.url())) asked.jobs++;
        if (/\/api\/v1\/runs\?limit=100&ended=1$/.test(request.url())) asked.runs++;
    };
    const letGo = await hold(page, '**/api/v1/jobs');
    await at(page, '#/jobs');
    page.on('request', count);
    const runs = () => page.evaluate(async () => (await (await fetch('/api/v1/runs?set=history&kind=backup&ended=1')).json()).runs.length);
    const before = await runs();
    await page.evaluate(async () => {
        const { csrf } = await (await fetch('/api/v1/auth/session')).json();
        await fetch('/api/v1/sets/history/backup', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-HF-CSRF': csrf }, body: '{}' });
    });
    await becomes(runs, before + 1, 'backups');
    await becomes(() => asked.runs, (n) => n >= 1, 'other lists that were asked for');
    assert.equal(asked.jobs, 0);
    await letGo();
    await becomes(() => asked.jobs, 1, 'lists that were asked for afterwards');
    await page.getByText('Nothing runs').waitFor();
    page.off('request', count);
});

await test('a restart of the service in the middle of a backup ends in what came of it', async () => {
    expectRefusals();
    await at(page, '#/');
    await page.getByRole('article', { name: 'wiki' }).getByRole('button', { name: 'Back up now' }).click();
    await page.locator('.toast', { hasText: 'wiki' }).getByRole('link').click();
    await page.getByRole('progressbar').waitFor();
    await stopService();
    await page.locator('.live.off').waitFor();
    await startService();
    await page.locator('.live:not(.off)').waitFor();
    await page.getByRole('progressbar').waitFor(); // it goes on
    await button('Stop').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click();
    await page.locator('dl.facts').getByText('cancelled').waitFor();
    await at(page, '#/');
    await page.getByText('wiki has never been backed up').waitFor();
});

// Logs in again where a session was over.
async function comeBack() {
    await button('Log in').waitFor();
    await page.getByLabel('Name', { exact: true }).fill('admin');
    await page.getByLabel('Password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByLabel('Code').fill(recovery.pop());
    await page.getByRole('button', { name: 'Log in' }).click();
}

await test('a session that ends in the middle of a form saves nothing, and one is back at the form after the login', async () => {
    expectRefusals();
    await at(page, '#/new-set');
    await page.getByLabel('Id').first().fill('halfway');
    await page.locator('.runs li').first().waitFor(); // what the page asks by itself is answered
    await page.getByRole('group', { name: 'Sources' }).waitFor();
    catalog('DELETE FROM sessions');
    await button('Save').or(button('Log in')).click(); // news may have told already that the session is over
    await comeBack();
    await page.getByRole('heading', { name: 'New set' }).waitFor();
    assert.equal(await page.evaluate(async () => (await fetch('/api/v1/configs/halfway')).status), 404);
    await at(page, '#/restore/history/latest?path=/');
    await page.getByRole('radio', { name: 'Into a new folder' }).check();
    await page.getByLabel('Name of the new folder').fill('never');
    await page.getByText('not drilled').waitFor();
    catalog('DELETE FROM sessions');
    await button('Show the plan').or(button('Log in')).click();
    await comeBack();
    await button('Show the plan').waitFor();
    assert(!existsSync(`${WORK}/restored/never`));
});

await test('from the overview to a restore with the keyboard alone', async () => {
    await at(page, '#/');
    await page.getByRole('article', { name: 'history' }).waitFor();
    const where = () => page.evaluate(() => { const at = document.activeElement; return (at.getAttribute('aria-label') ?? at.labels?.[0]?.innerText ?? at.innerText ?? '').trim(); });
    const to = async (wanted, key = 'Tab') => {
        for (let i = 0; i < 120; i++) {
            await page.keyboard.press(key);
            if (wanted.test(await where())) return;
        }
        assert.fail(`the keyboard does not come to ${wanted}, but to ${await where()}`);
    };
    await page.reload(); // the keyboard begins at the top
    await page.getByRole('article', { name: 'history' }).waitFor();
    proveNow();
    await page.keyboard.press('Tab');
    assert.match(await where(), /Skip/i);
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
    await to(/^Snapshots$/, 'Shift+Tab');
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle), 'none');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Snapshots' }).waitFor();
    await page.getByRole('link', { name: 'history' }).waitFor();
    await to(/^history$/);
    await page.keyboard.press('Enter');
    await page.getByLabel('Filter').waitFor();
    await to(/^Filter$/);
    await page.keyboard.type('nothing like this');
    await page.getByText('Nothing fits the filter').waitFor();
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Delete');
    await page.locator('tbody tr').first().waitFor();
    await to(/\d{4}, \d\d:\d\d:\d\d/);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Restore', exact: true }).waitFor();
    await to(/^Restore$/);
    await page.keyboard.press('Enter');
    await button('Show the plan').waitFor();
    await to(/^Into its place/);
    await page.keyboard.press('ArrowDown');
    await to(/Name of the new folder/);
    await page.keyboard.press('Control+A');
    await page.keyboard.type('by-keys');
    await to(/^Show the plan$/);
    await page.keyboard.press('Enter');
    await button('Restore into the folder').waitFor();
    await to(/^Restore into the folder$/);
    await page.keyboard.press('Enter');
    await page.getByText('were restored into').waitFor();
    assert(existsSync(`${WORK}/restored/by-keys`));
});

await finish();
