// People and keys: one's account, users, tokens, the audit log, repositories with their keys, the recovery kit, and logs of runs.
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import {
    PASSWORD, SCREENSHOTS, WORK, at, becomes, catalog, enter, enterFirst, examine, expectRefusals, finish, hold, longestTask, newPage, origin, proveNow, startService, test, totp, watchTasks,
} from './desk.mjs';

const ODD = 'ann+gpj.exe@example.org';
const EVIL = '<img src=x onerror=window.hit=1>\u202e';
const button = (page, name) => page.getByRole('button', { name, exact: true });
const dialog = (page, name) => page.getByRole('dialog').getByRole('button', { name, exact: true });
// Asks in a question and answers it.
async function press(page, name, label = name) {
    await button(page, name).click();
    await dialog(page, label).click();
}
const ask = (page, path) => page.evaluate(async (to) => (await fetch(to)).json(), path);

await startService();
const page = await newPage({ acceptDownloads: true });
await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
let secret = '';
let recovery = [];

// A code that was not used yet: each is good once.
let used = '';
async function freshCode() {
    for (;;) {
        const code = totp(secret);
        if (code !== used) return (used = code);
        await page.waitForTimeout(1000);
    }
}

await test('the first login shows the second factor as a QR code too', async () => {
    expectRefusals();
    ({ secret, recovery } = await enter(page));
    used = totp(secret);
    assert.equal(recovery.length, 10);
}, { isNeeded: true });

await test('a check is ordered beside backup and drill, and the run shows its log', async () => {
    const card = page.getByRole('article', { name: 'shop' });
    await card.getByRole('button', { name: 'Back up now' }).click();
    await page.getByRole('link', { name: 'Watch it' }).click();
    await page.getByText('succeeded').waitFor();
    await page.getByRole('heading', { name: 'Log' }).waitFor();
    await page.locator('.log').getByText('summary').first().waitFor(); // at its end
    await examine(page, 'run-log');
    await button(page, 'Check now: shop').click();
    await page.getByLabel('Read all data').check();
    await dialog(page, 'Check now').click();
    await page.locator('.toast', { hasText: 'A check was ordered' }).getByRole('link').click();
    await page.getByText('verified').waitFor();
});

await test('a job that fails says why in its log, and no log has a secret', async () => {
    await at(page, '#/');
    await page.getByRole('article', { name: 'crm' }).getByRole('button', { name: 'Back up now' }).click();
    await page.getByRole('article', { name: 'crm' }).getByText('1 failure').waitFor();
    await page.getByRole('article', { name: 'crm' }).getByText('failed').click();
    await page.locator('.log li.errors').filter({ hasText: 'missing.db' }).first().waitFor();
    const key = readFileSync(`${WORK}/key`, 'latin1').trim();
    const { runs } = await ask(page, '/api/v1/runs?limit=100');
    for (const run of runs) {
        const log = JSON.stringify(await ask(page, `/api/v1/runs/${run.id}/log`));
        assert(!log.includes(key) && !log.includes(key.slice(0, 24)), run.kind);
    }
});

await test('a log is there while its job runs, and what stands in it is text', async () => {
    await at(page, '#/');
    await page.getByRole('article', { name: 'wiki' }).getByRole('button', { name: 'Back up now' }).click();
    await page.locator('.toast', { hasText: 'wiki' }).getByRole('link').click();
    await page.getByRole('progressbar').waitFor();
    const run = (await ask(page, '/api/v1/jobs')).jobs.find((job) => job.set === 'wiki').run;
    const line = JSON.stringify({ from: 'errors', text: JSON.stringify({ message_type: 'warning', warning: { message: EVIL }, item: '/srv' }), time: '2026-11-22T21:00:00.000000000Z' });
    catalog(`INSERT INTO run_logs (run_id, log) VALUES ('${run}', '${line}')`);
    await page.reload();
    await page.locator('.log').getByText('\\u202e').waitFor();
    assert.equal(await page.evaluate(() => window.hit), undefined);
    await page.getByRole('button', { name: 'Stop' }).click();
    await dialog(page, 'Stop').click();
    await page.getByText('cancelled').first().waitFor();
});

await test('a repository shows its state, what a check covered, parity, size and keys, as jobs told them', async () => {
    proveNow();
    await at(page, '#/repositories');
    await page.getByRole('link', { name: 'main' }).click();
    await page.getByText('No damage was found').waitFor();
    await page.getByText('All data was read').waitFor();
    for (const name of ['Look at the keys', 'Look at parity', 'Measure']) await button(page, name).click();
    await page.getByText('key file', { exact: true }).waitFor();
    await page.getByText('in use by the service').waitFor();
    await page.getByText('Before compression').waitFor();
    await page.getByText('Size of parity').waitFor();
    await press(page, 'Make the index again');
    await page.getByText('The index will be made again').waitFor();
    await press(page, 'Prune');
    await page.getByText('In the trash').nth(1).waitFor();
    await at(page, '#/repositories');
    await page.getByRole('link', { name: 'main' }).waitFor();
    await examine(page, 'repositories');
    await at(page, '#/repositories/main');
    await page.getByText('in use by the service').waitFor();
    await examine(page, 'repository');
});

await test('what past keys read after a rotation is measured, packed again with a stop in between, and gone', async () => {
    proveNow();
    await becomes(async () => (await ask(page, '/api/v1/jobs')).jobs.length, 0, 'jobs under way');
    execFileSync(process.env.HOLDFAST, ['key', 'rotate', '-r', `${WORK}/repo`, '--key-file', `${WORK}/key`, '--yes'], { stdio: 'ignore' });
    const rotation = page.getByRole('region', { name: 'Rotation of keys', exact: true });
    await button(page, 'Look at the keys').click();
    await page.getByRole('region', { name: 'Keys', exact: true }).getByRole('cell', { name: '2', exact: true }).waitFor();
    await rotation.locator('.verdict.warn', { hasText: 'was not measured yet' }).waitFor();
    await rotation.getByText('holdfast key rotate').waitFor();
    await button(page, 'Measure what past keys read').click();
    await rotation.getByText('Keys of epoch 2: 0 % of').waitFor();
    await rotation.getByText('the files in').waitFor();
    await rotation.getByText('but no file').waitFor();
    await examine(page, 'rotation');
    await at(page, '#/repositories');
    await page.getByText('past keys read some of it').waitFor();
    await page.getByRole('link', { name: 'main' }).click();

    const config = readFileSync(`${WORK}/holdfast.yaml`, 'utf8');
    writeFileSync(`${WORK}/holdfast.yaml`, config.replace('/key}', '/key, options: {limit-upload: 2}}'));
    await press(page, 'Re-encrypt now');
    await rotation.getByRole('article', { name: 'Re-encryption under way' }).getByRole('progressbar').waitFor();
    assert.equal(await button(page, 'Re-encrypt now').isDisabled(), true);
    await at(page, '#/jobs');
    await page.getByRole('article', { name: /^Re-encryption/ }).getByRole('progressbar').waitFor();
    await page.screenshot({ path: `${SCREENSHOTS}/rotation-job.png` });
    await button(page, 'Stop').click();
    await dialog(page, 'Stop').click();
    const row = page.getByRole('row', { name: /^Re-encryption/ });
    await page.getByRole('heading', { name: 'Jobs' }).waitFor();
    await page.getByRole('article', { name: /^Re-encryption/ }).waitFor({ state: 'detached' });
    writeFileSync(`${WORK}/holdfast.yaml`, config);
    await at(page, '#/jobs');
    await page.reload();
    await row.getByText('cancelled', { exact: true }).waitFor();

    await at(page, '#/repositories/main');
    await press(page, 'Re-encrypt now');
    await rotation.locator('.verdict.good', { hasText: 'Keys of epoch 2: 100 % of' }).waitFor();
    assert.equal(await rotation.getByText('the files in').count(), 0);
    await rotation.getByText('in the trash, ').waitFor();
    assert.equal(await button(page, 'Re-encrypt now').count(), 0);
    await examine(page, 'rotation-done');
    await at(page, '#/repositories');
    await page.getByRole('link', { name: 'main' }).waitFor();
    assert.equal(await page.getByText('past keys read some of it').count(), 0);
    const left = (await ask(page, '/api/v1/stores')).stores.find((one) => one.name === 'main').keys;
    assert.deepEqual([left.epoch, left.packs_left, left.index_objects_left, left.epochs.length], [2, 0, 0, 2]);
});

await test('the recovery kit is printed without a secret and without what is no part of it', async () => {
    await at(page, '#/kit');
    await page.getByRole('heading', { name: '2. To bring everything back' }).waitFor();
    await examine(page, 'kit');
    assert(!(await page.locator('main').innerText()).includes(readFileSync(`${WORK}/key`, 'latin1').trim().slice(0, 24)));
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    assert.equal(await page.locator('.kit .store').evaluate((box) => getComputedStyle(box).backgroundColor), 'rgb(255, 255, 255)');
    assert.equal(await page.locator('header').isVisible(), false);
    assert.equal(await button(page, 'Print').isVisible(), false);
    assert.equal(await page.getByText('Key: kept where').first().isVisible(), true);
    await page.screenshot({ path: `${SCREENSHOTS}/kit-print.png`, fullPage: true });
    await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
});

let password = '';
await test('a user is made with a password for one login, which is shown once', async () => {
    expectRefusals(); // a name that is none
    proveNow();
    await at(page, '#/users');
    await button(page, 'Add a user').click();
    await page.getByRole('dialog').getByLabel('Name').fill('no blanks allowed');
    await dialog(page, 'Add a user').click();
    await page.locator('.wrong').waitFor();
    await page.getByRole('dialog').getByLabel('Name').fill(ODD);
    await dialog(page, 'Add a user').click();
    await page.getByRole('heading', { name: `Password of ${ODD}` }).waitFor();
    password = await page.locator('.once code').innerText();
    await button(page, 'Copy').click();
    await page.getByText('It was copied.').waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), password);
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('.once code').isVisible(), true);
    await examine(page, 'one-login');
    await button(page, 'I have kept them').click();
    assert(!(await page.content()).includes(password));
    await page.getByRole('link', { name: ODD }).waitFor();
    await examine(page, 'users');
});

await test('the last super administrator cannot be taken away', async () => {
    await page.locator('main').getByRole('link', { name: 'admin', exact: true }).click();
    await page.getByText('This is the last super administrator').waitFor();
    for (const name of ['Disable', 'Delete', 'Save the role']) assert.equal(await button(page, name).isDisabled(), true, name);
});

await test('what may be done to a user is done: role, lock, sessions, password, second factor', async () => {
    proveNow();
    await at(page, '#/users');
    await page.getByRole('link', { name: ODD }).click();
    await page.getByLabel('Role').selectOption('manager');
    await press(page, 'Save the role');
    await page.locator('dd', { hasText: 'Manager' }).waitFor();
    await press(page, 'Disable');
    await page.locator('h1 .chip', { hasText: 'disabled' }).waitFor();
    await button(page, 'Enable').click();
    await page.locator('h1 .chip', { hasText: 'disabled' }).waitFor({ state: 'detached' });
    await button(page, 'Forget failed logins').click();
    await page.getByText('Failed logins are forgotten').waitFor();
    await press(page, 'End sessions');
    await page.getByText('All sessions of the user are over').waitFor();
    assert.equal(await button(page, 'Reset the second factor').isDisabled(), true);
    await press(page, 'New password');
    await page.locator('.once code').waitFor();
    const next = await page.locator('.once code').innerText();
    assert.notEqual(next, password);
    password = next;
    await button(page, 'I have kept them').click();
    await examine(page, 'user');
});

await test('who manages sees no users, no audit log and no orders; his own account he has', async () => {
    expectRefusals();
    const other = await newPage();
    await enterFirst(other, ODD, password);
    await other.getByRole('heading', { name: 'Overview' }).waitFor();
    const names = await other.getByRole('navigation', { name: 'Pages' }).getByRole('link').allInnerTexts();
    assert(names.includes('Tokens') && names.includes('Repositories') && !names.includes('Users') && !names.includes('Audit log'), names.join());
    await at(other, '#/users');
    await other.getByRole('heading', { name: 'There is no such page' }).waitFor();
    const { runs } = await ask(other, '/api/v1/runs?kind=backup&limit=1');
    await other.evaluate(() => { // notes it whenever there is one, however short
        window.logs = 0;
        new MutationObserver(() => (window.logs += document.querySelectorAll('section[aria-label=Log]').length)).observe(document.body, { childList: true, subtree: true });
    });
    await at(other, `#/runs/${runs[0].id}`);
    await other.getByText('Began').waitFor();
    assert.equal(await other.evaluate(() => window.logs), 0);
    assert.equal(await other.evaluate(async (id) => (await fetch(`/api/v1/runs/${id}/log`)).status, runs[0].id), 403);
    await at(other, '#/repositories/main');
    await other.getByText('No damage was found').waitFor();
    assert.equal(await button(other, 'Prune').count(), 0);
    await at(other, '#/account');
    await other.getByText('whoever knows your password can log in').waitFor();
    await other.getByRole('button', { name: 'Set up a second factor' }).click();
    await other.getByRole('img', { name: 'The same as a QR code' }).waitFor();
    assert.equal(await other.locator('.qr').evaluate((svg) => svg.querySelectorAll('image, foreignObject').length), 0);
    await examine(other, 'account-factor');
    const own = (await other.locator('.secret code').innerText()).replaceAll(' ', '');
    await other.getByLabel('Code that the program shows now').fill(totp(own));
    await other.getByRole('button', { name: 'Confirm' }).click();
    await other.locator('.codes li').first().waitFor();
    const codes = await other.locator('.codes li').allInnerTexts();
    await other.getByRole('button', { name: 'I have kept them' }).click();
    await other.getByText('A code is asked for at each login').waitFor();
    await other.getByLabel('Code').fill('000000');
    await other.getByRole('button', { name: 'Remove the second factor' }).click();
    await other.getByText('That was not right').waitFor();
    await other.getByLabel('Code').fill(codes[0]);
    await other.getByRole('button', { name: 'Make other recovery codes' }).click();
    await other.locator('.codes li').first().waitFor();
    const renewed = await other.locator('.codes li').allInnerTexts();
    assert.equal(new Set([...codes, ...renewed]).size, 20);
    await examine(other, 'account-codes');
    await other.getByRole('button', { name: 'I have kept them' }).click();
    await other.getByLabel('Code').fill(codes[1]);
    await other.getByRole('button', { name: 'Remove the second factor' }).click();
    await other.getByText('That was not right').waitFor();
    await other.getByLabel('Code').fill(renewed[0]);
    await other.getByRole('button', { name: 'Remove the second factor' }).click();
    await other.getByText('whoever knows your password can log in').waitFor();
    proveNow();
    await at(page, '#/users');
    await page.getByRole('link', { name: ODD }).click();
    await press(page, 'Delete');
    await page.getByText('The user is deleted').waitFor();
    await other.reload();
    await other.getByRole('button', { name: 'Log in' }).waitFor();
    await other.context().close();
});

await test('a token is made with its scope, shown once, copied, used, listed and revoked', async () => {
    proveNow();
    await at(page, '#/tokens');
    await button(page, 'Make a token').click();
    await page.getByRole('dialog').getByLabel('Name').fill(EVIL);
    await page.getByRole('group', { name: 'Sets' }).getByLabel('all').uncheck();
    await dialog(page, 'Make a token').click();
    await page.getByText('Choose at least one set').waitFor();
    await page.getByRole('group', { name: 'Sets' }).getByLabel('shop').check();
    await page.getByRole('dialog').getByLabel('Ends after days').fill('7');
    await examine(page, 'token-form');
    await dialog(page, 'Make a token').click();
    await page.locator('.once code').waitFor();
    const token = await page.locator('.once code').innerText();
    assert.match(token, /^hf_[0-9a-f]{16}_[0-9a-f]{64}$/);
    await button(page, 'Copy').click();
    await page.getByText('It was copied.').waitFor();
    const get = (path) => fetch(origin + path, { headers: { Authorization: `Bearer ${token}` } });
    assert.equal((await get('/api/v1/sets/shop')).status, 200);
    assert.equal((await get('/api/v1/sets/wiki')).status, 403);
    await button(page, 'I have kept them').click();
    assert(!(await page.content()).includes(token.slice(-64)));
    await page.reload();
    await page.getByText('onerror').first().waitFor();
    assert.equal(await page.evaluate(() => window.hit), undefined);
    await page.getByRole('cell', { name: 'valid' }).waitFor();
    await examine(page, 'tokens');
    await page.getByRole('button', { name: 'Revoke' }).click();
    await dialog(page, 'Revoke').click();
    await page.getByText('revoked', { exact: true }).waitFor();
    assert.equal((await get('/api/v1/sets/shop')).status, 401);
});

await test('the audit log is filtered, paged and exported, and a change to it shows', async () => {
    await at(page, '#/audit');
    await page.getByText(/All \d+ records are as they were written/).waitFor();
    await page.getByLabel('What', { exact: true }).fill('token.add');
    await button(page, 'Search').click();
    await page.getByText('onerror').first().waitFor();
    await becomes(() => page.locator('tbody tr').count(), 1, 'records');
    await page.getByLabel('From').fill('2099-01-01T00:00');
    await button(page, 'Search').click();
    await page.getByText('Nothing fits').waitFor();
    await button(page, 'All of it').click();
    await becomes(() => page.locator('tbody tr').count(), (rows) => rows > 10, 'records');
    await page.getByLabel('Outcome').selectOption('done');
    await button(page, 'Search').click();
    await page.getByRole('region', { name: 'Audit log' }).waitFor();
    await examine(page, 'audit');
    const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Export').click()]);
    const records = readFileSync(await download.path(), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    assert(records.length > 10 && records.every((one) => one.outcome === 'done'));
    assert(records.some((one) => one.action === 'token.revoke'));
    catalog("UPDATE audit SET record = replace(record, 'token.add', 'token.adx') WHERE action = 'token.add'");
    await button(page, 'Look again').click();
    await page.getByText('Somebody changed the log').waitFor();
    await examine(page, 'audit-changed');
    catalog("UPDATE audit SET record = replace(record, 'token.adx', 'token.add') WHERE action = 'token.add'");
});

await test('a log of 1,000 records is paged without a long task', async () => {
    const pages = (await ask(page, '/api/v1/audit?limit=1')).records[0];
    await page.route('**/api/v1/audit?*', (route) => {
        const before = Number(new URL(route.request().url()).searchParams.get('before') ?? 1001);
        const records = Array.from({ length: Math.min(100, before - 1) }, (_, i) => ({ ...pages, seq: before - 1 - i, details: { name: EVIL } }));
        return route.fulfill({ json: { records } });
    });
    await at(page, '#/audit');
    await page.reload();
    await watchTasks(page);
    for (let n = 2; n <= 10; n++) {
        await button(page, 'Show older ones').click();
        await becomes(() => page.locator('table').getAttribute('aria-rowcount'), String(n * 100 + 1), 'records');
    }
    await longestTask(page, '1,000 records');
    // More of one filter is no part of what another finds.
    await page.reload();
    const letGo = await hold(page, '**/api/v1/audit?*before=*');
    await button(page, 'Show older ones').click();
    await page.getByLabel('What', { exact: true }).fill('token.add');
    const answered = page.waitForResponse(/action=token\.add/);
    await button(page, 'Search').click();
    await answered;
    await letGo();
    await button(page, 'Show older ones').click();
    await becomes(() => page.locator('table').getAttribute('aria-rowcount'), (rows) => Number(rows) > 101, 'records of the second filter');
    assert.equal(await page.locator('table').getAttribute('aria-rowcount'), '201');
    await page.unrouteAll({ behavior: 'wait' });
});

await test('the own password is changed and other sessions are ended', async () => {
    expectRefusals();
    await at(page, '#/account');
    await page.getByRole('cell', { name: 'this one' }).waitFor();
    await examine(page, 'account');
    await page.getByLabel('Present password').fill('wrong password');
    await page.getByLabel('New password', { exact: false }).first().fill(`${PASSWORD} 2`);
    await page.getByLabel('New password once more').fill(`${PASSWORD} 2`);
    await button(page, 'Save the password').click();
    await page.locator('.wrong').waitFor();
    await page.getByLabel('Present password').fill(PASSWORD);
    await button(page, 'Save the password').click();
    await page.getByText('The password is changed').waitFor();
    const second = await newPage();
    await second.goto(origin);
    await second.getByLabel('Name').fill('admin');
    await second.getByLabel('Password').fill(`${PASSWORD} 2`);
    await second.getByRole('button', { name: 'Log in' }).click();
    await second.getByLabel('Code').fill(recovery[1]);
    await second.getByRole('button', { name: 'Log in' }).click();
    await second.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: /^End the session from/ }).click();
    await page.getByText('The session is over').waitFor();
    await second.reload();
    await second.getByRole('button', { name: 'Log in' }).waitFor();
    await second.context().close();
});

await test('an act that wants a proof does nothing without it', async () => {
    expectRefusals();
    catalog('UPDATE sessions SET stepped_up_ns = 1');
    await at(page, '#/users');
    await page.getByText('Administrators need one.').waitFor();
    await press(page, 'Leave it to each');
    await page.getByRole('heading', { name: 'Is it you?' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('you did not prove').waitFor();
    assert.equal((await ask(page, '/api/v1/auth/policy')).totp, 'admins');
    await press(page, 'Leave it to each');
    await page.getByRole('dialog').getByLabel('Code').fill(await freshCode());
    await dialog(page, 'Go on').click();
    await page.getByText('Nobody needs one').waitFor();
    await press(page, 'Administrators need one');
    await page.getByText('Administrators need one.').waitFor();
});

await test('the pages speak the second language, and all sessions end', async () => {
    expectRefusals();
    await page.getByLabel('Language').selectOption('de');
    for (const [hash, word] of [['users', 'Benutzer'], ['tokens', 'Token'], ['audit', 'Prüfprotokoll'], ['repositories', 'Speicher'], ['kit', 'Notfallblatt']]) {
        await at(page, `#/${hash}`);
        await page.getByRole('heading', { name: word, exact: true, level: 1 }).waitFor();
    }
    await page.screenshot({ path: `${SCREENSHOTS}/kit-german.png` });
    await at(page, '#/account');
    await button(page, 'Alle Sitzungen beenden').click();
    await dialog(page, 'Alle Sitzungen beenden').click();
    await page.getByRole('button', { name: 'Anmelden' }).waitFor();
});

await finish();
