// Settings: sets of the file are shown, those of the API made, changed, tried and deleted; schedules and retention are
// computed by the service; messages are listed.
import assert from 'node:assert';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { SCREENSHOTS, WORK, at, becomes, catalog, enter, enterFirst, examine, expectRefusals, finish, hold, longestTask, newPage, proveNow, startService, test, watchTasks } from './desk.mjs';

const FILE = `${WORK}/holdfast.yaml`;
const before = readFileSync(FILE, 'utf8');
const SECRET = 'T0KEN-IN-A-PATH';
mkdirSync(`${WORK}/places`, { recursive: true });
mkdirSync(`${WORK}/uploads`, { recursive: true });
writeFileSync(`${WORK}/uploads/one.txt`, 'one');
writeFileSync(FILE, before
    .replace('schedule: "0 2 * * *"', `schedule: {cron: "30 2 * * *", timezone: Europe/Berlin}
    retention: {daily: 7, weekly: 4, monthly: 6, max_percent: 100}
    drill: after_backup
    health_checks: [[/bin/true, --token, ${SECRET}]]
    notify: {on_failure: ["https://hooks.example.org/${SECRET}"]}`)
    .replace(/^serve: \{(.*)\}$/m, `serve: {$1, compat: {pos: {key_file: ${WORK}/key, upload_dir: ${WORK}/uploads, roots: [${WORK}/places],
    source_roots: [${WORK}/apps], servers: {main: {dsn: "host=127.0.0.1 port=1 user=${SECRET}"}}}}}`));
mkdirSync(`${WORK}/apps/files`, { recursive: true });
writeFileSync(`${WORK}/apps/files/one.txt`, 'one');
copyFileSync(`${WORK}/app.db`, `${WORK}/apps/app.db`);

await startService();
const page = await newPage();
const service = (method, path, body, headers = {}) => page.evaluate(async ([method, path, body, headers]) => {
    const { csrf } = await (await fetch('/api/v1/auth/session')).json();
    const answer = await fetch(path, { method, ...(body === undefined ? {} : { body }), headers: { 'Content-Type': 'application/json', 'X-HF-CSRF': csrf, ...headers } });
    return { status: answer.status, etag: answer.headers.get('ETag'), text: await answer.text() };
}, [method, path, body, headers]);
const textBox = page.getByLabel('Text', { exact: true });
// A picture of all of a page, to be looked at.
const picture = (name) => page.screenshot({ path: `${SCREENSHOTS}/${name}-whole.png`, fullPage: true });

let recovery;
await test('the first login', async () => {
    expectRefusals();
    ({ recovery } = await enter(page));
}, { isNeeded: true });

await test('sets say where they come from', async () => {
    await page.getByRole('link', { name: 'Settings', exact: true }).click();
    const row = page.getByRole('row', { name: /shop/ });
    await row.getByText('configuration file').waitFor();
    assert.equal(await page.getByRole('row').count(), 4);
    await examine(page, 'settings');
});

await test('a set of the file is shown without what is secret, and cannot be changed', async () => {
    await page.getByRole('link', { name: 'shop' }).click();
    await page.getByText('read only here').waitFor();
    await page.getByText('files/files').waitFor();
    await page.getByText('https://hooks.example.org/...').waitFor();
    assert.doesNotMatch(await page.content(), new RegExp(`${SECRET}|${WORK}`));
    assert.equal(await page.getByRole('link', { name: 'Edit' }).count() + await page.getByRole('button', { name: 'Delete' }).count(), 0);
});

await test('its next runs are those of its zone', async () => {
    await page.getByText('Next runs, times of Europe/Berlin').waitFor();
    const runs = await page.locator('.runs li').allInnerTexts();
    assert.equal(runs.length, 10);
    for (const run of runs) assert.match(run, /\d{4}-\d\d-\d\d 0(2:30|3:00) \+0[12]:00/);
});

await test('what is kept is a calendar with reasons', async () => {
    await page.getByText(/of 365 snapshots/).waitFor();
    const kept = await page.locator('.day.keep').count() - 1; // and one of the legend
    assert(kept >= 13 && kept <= 17, `${kept} kept`);
    assert(await page.locator('.month').count() >= 12);
    await watchTasks(page);
    await page.locator('.month .day.keep').last().click();
    await page.getByRole('region', { name: 'Snapshots and why' }).getByText(/daily snapshot|proven/).first().waitFor();
    assert.equal(await page.getByRole('row').count(), 2);
    await page.locator('.month .day.remove').first().click();
    await page.getByText('no rule keeps it').waitFor();
    await page.getByRole('button', { name: 'Show all that are there' }).click();
    await page.getByRole('button', { name: 'Now', exact: true }).click();
    await page.getByText('0 of 0 snapshots').waitFor();
    await page.getByRole('button', { name: 'In a year' }).click();
    await page.getByText(/of 365 snapshots/).waitFor();
    await longestTask(page, 'calendar');
    await examine(page, 'settings-set');
    await picture('settings-set');
});

await test('a test of the connection tells what does not work', async () => {
    await at(page, '#/settings/crm');
    await page.getByRole('button', { name: 'Test connection' }).click();
    const outcome = page.getByRole('region', { name: 'Job' });
    await outcome.getByText('failed').first().waitFor();
    await outcome.getByText(/missing\.db/).first().waitFor();
    await examine(page, 'settings-test');
});

await test('a schedule rests with a reason, whatever it is, and goes on', async () => {
    const reason = '<img src=x onerror=window.hit=1>\u202e';
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByLabel('Reason').fill(reason);
    await page.getByRole('dialog').getByRole('button', { name: 'Pause' }).click();
    await page.getByText('<img src=x onerror=window.hit=1>\\u202e').waitFor();
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByRole('button', { name: 'Pause' }).waitFor();
    assert.equal(await page.evaluate(() => window.hit), undefined);
});

await test('a new set is made by the form, and what is wrong is shown where it is', async () => {
    expectRefusals();
    await at(page, '#/settings');
    await page.getByRole('link', { name: 'New set' }).click();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('The id is missing').first().waitFor();
    await page.getByLabel('Id').fill('uploads');
    await page.getByLabel('Name', { exact: true }).fill('Uploads "of all"');
    await page.getByLabel('What is backed up').selectOption('files');
    await page.getByLabel('Folder on the host').fill('/etc/elsewhere');
    await page.getByRole('button', { name: 'Save' }).click();
    const field = page.getByLabel('Folder on the host');
    await page.locator('.form .wrong').getByText('lies outside').waitFor();
    assert.equal(await field.getAttribute('aria-invalid'), 'true');
    const line = (await textBox.inputValue()).split('\n').findIndex((one) => one.includes('"path"')) + 1;
    assert.equal((await page.locator('.lines .bad').innerText()).trim(), String(line));
    await examine(page, 'settings-wrong');
    await field.fill(`${WORK}/places/one`);
    assert.equal(await page.locator('.wrong').count(), 0);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('uploads is saved').waitFor();
    await page.getByText('made here').waitFor();
    const saved = JSON.parse((await service('GET', '/api/v1/configs/uploads')).text);
    assert.deepEqual([saved.name, saved.type, saved.destinations[0].config.path], ['Uploads "of all"', 'files', `${WORK}/places/one`]);
});

await test('plain choices and the expression are one', async () => {
    expectRefusals();
    await at(page, '#/settings/uploads/edit');
    await page.getByLabel('How often').selectOption('weekly');
    await page.getByLabel('Day of the week').selectOption('3');
    await page.getByLabel('Time', { exact: true }).fill('04:15');
    assert.equal(await page.getByLabel('Expression of cron').inputValue(), '15 4 * * 3');
    await becomes(() => page.locator('.runs li').allInnerTexts(), (runs) => runs.length === 10 && runs.every((one) => /Wed .* 04:15/.test(one)), 'next runs');
    await page.getByLabel('Expression of cron').fill('0 0 32 * *');
    await page.getByText('32 is above 31').waitFor();
    assert.equal(await page.locator('.runs').count(), 0);
    await page.getByLabel('Expression of cron').fill('30 6 1 * *');
    await page.locator('.runs li').first().waitFor();
    await page.getByLabel('How often').selectOption('monthly');
    assert.equal(await page.getByLabel('Day of the month').inputValue(), '1');
    await page.getByLabel('Time zone').fill('Europe/Nowhere');
    await page.locator('.wrong').first().waitFor();
    await page.getByLabel('Time zone').fill('Asia/Kolkata');
    await page.getByText('Next runs, times of Asia/Kolkata').waitFor();
    for (const run of await page.locator('.runs li').allInnerTexts()) assert.match(run, /06:30 \+05:30/);
    const letGo = await hold(page, '**/api/v1/schedules/next?*');
    await page.getByLabel('Time zone').fill('Asia/Tokyo');
    await page.locator('.next[aria-busy=true]').waitFor(); // what stands there is still that of the other zone, and says so
    await page.getByText('Next runs, times of Asia/Kolkata').waitFor();
    await letGo();
    await page.getByText('Next runs, times of Asia/Tokyo').waitFor();
    for (const run of await page.locator('.runs li').allInnerTexts()) assert.match(run, /06:30 \+09:00/);
    await page.getByLabel('Time zone').fill('Asia/Kolkata');
    assert.equal(JSON.parse(await textBox.inputValue()).timezone, 'Asia/Kolkata');
    await page.getByLabel('Time zone').fill('');
    await page.getByText('Next runs, times of the host').waitFor();
    assert(!('timezone' in JSON.parse(await textBox.inputValue())));
    await examine(page, 'settings-edit');
    await picture('settings-edit');
});

await test('form and text are the same, and what the form does not show stays as it is', async () => {
    const odd = (await textBox.inputValue()).replace('"enabled": true', '"compression":   "none",\n\n  "enabled" : true');
    await textBox.fill(odd);
    await page.getByLabel('Name', { exact: true }).fill('Other');
    await page.getByLabel('Weeks').fill('9');
    assert.equal(await textBox.inputValue(), odd.replace('"Uploads \\"of all\\""', '"Other"').replace('"weekly": 4', '"weekly": 9'));
    await textBox.fill((await textBox.inputValue()).replace('"Other"', '"From the text"'));
    assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'From the text');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('not saved').waitFor({ state: 'detached' });
    assert.equal((await service('GET', '/api/v1/configs/uploads')).text, await textBox.inputValue());
});

await test('a text that is not JSON is marked, and cannot be saved', async () => {
    const good = await textBox.inputValue();
    await textBox.fill(good.replace('"name":', '"name"'));
    await page.getByText('Line 3 is not JSON').waitFor();
    assert.equal((await page.locator('.lines .bad').innerText()).trim(), '3');
    assert(await page.getByRole('button', { name: 'Save' }).isDisabled());
    await page.getByText('Line 3 is not JSON').click();
    assert.match(await page.evaluate(() => document.activeElement.value.slice(document.activeElement.selectionStart, document.activeElement.selectionEnd)), /"name" /);
    await textBox.fill(good);
});

await test('form, YAML and JSON are one document', async () => {
    const json = await textBox.inputValue();
    const loaded = () => page.evaluate(() => performance.getEntriesByType('resource').filter((one) => /\/assets\/yaml-/.test(one.name)).length);
    assert.equal(await loaded(), 0);
    const letGo = await hold(page, '**/assets/yaml-*');
    await page.getByRole('button', { name: 'YAML' }).click();
    await page.getByLabel('Weeks').fill('6'); // while it is loaded
    await letGo();
    await becomes(() => textBox.inputValue(), (text) => text.startsWith('id: uploads\n') && text.includes('weekly: 6'), 'text');
    await becomes(loaded, 1, 'parts loaded');
    await page.getByLabel('Weeks').fill('9');
    await page.getByRole('button', { name: 'JSON' }).click();
    assert.equal(await textBox.inputValue(), json); // what was not changed stays as it was
    await page.getByRole('button', { name: 'YAML' }).click();
    await textBox.fill((await textBox.inputValue()).replace('name: From the text', 'name: From YAML # by hand').replace(/^schedule: .*$/m, 'schedule: "45 3 1 * *"'));
    assert.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'From YAML');
    assert.equal(await page.getByLabel('Expression of cron').inputValue(), '45 3 1 * *');
    await page.getByLabel('Weeks').fill('8');
    assert.match(await textBox.inputValue(), /^name: From YAML # by hand$[^]*^ {2}weekly: 8$/m);
    await examine(page, 'settings-yaml');
    await picture('settings-yaml');
    await page.getByRole('button', { name: 'JSON' }).click();
    const said = JSON.parse(await textBox.inputValue());
    assert.deepEqual([said.name, said.schedule, said.retention.weekly, said.compression], ['From YAML', '45 3 1 * *', 8, 'none']);
});

await test('YAML that is none, or means something else, is marked on its line and cannot be saved', async () => {
    expectRefusals();
    await page.getByRole('button', { name: 'YAML' }).click();
    const good = await textBox.inputValue();
    const wrong = { 'twice: 1\ntwice: 2': 2, 'a: &x [1]\nb: *x': 1, 'a: 1\n\tb: 2': 2, 'a: !!js/function x': 1, '__proto__: {x: 1}\nb: [': 2 };
    for (const [text, line] of Object.entries(wrong)) {
        await textBox.fill(text);
        await page.getByText(`Line ${line} is not taken as YAML`).waitFor();
        assert.equal((await page.locator('.lines .bad').innerText()).trim(), String(line));
        assert(await page.getByRole('button', { name: 'Save' }).isDisabled() && await page.getByRole('button', { name: 'JSON' }).isDisabled());
    }
    await textBox.fill(good.replace(/path: .*/, 'path: /etc/elsewhere'));
    await page.getByRole('button', { name: 'Save' }).click();
    await page.locator('.form .wrong').getByText('lies outside').waitFor();
    const line = (await textBox.inputValue()).split('\n').findIndex((one) => one.includes('path: /etc')) + 1;
    assert.equal((await page.locator('.lines .bad').innerText()).trim(), String(line));
    await textBox.fill(good);
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('not saved').waitFor({ state: 'detached' });
    assert.equal(JSON.parse((await service('GET', '/api/v1/configs/uploads')).text).name, 'From YAML');
    await page.getByRole('button', { name: 'JSON' }).click();
});

await test('what is found wrong is said of the text that was sent, and of no other', async () => {
    expectRefusals();
    const good = await textBox.inputValue();
    await textBox.fill(good.replace(/"path": ".*"/, '"path": "/etc/elsewhere"'));
    const letGo = await hold(page, '**/api/v1/configs/uploads');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByLabel('Folder on the host').fill(`${WORK}/places/two`);
    await letGo();
    await page.locator('button:enabled', { hasText: /^Save$/ }).waitFor();
    assert.equal(await page.locator('.wrong').count(), 0);
    await page.getByLabel('Folder on the host').fill('/etc/elsewhere');
    await page.locator('.form .wrong').getByText('lies outside').waitFor();
    await textBox.fill(good);
});

await test('a set with sources of its own is made by the form, tried and backed up', async () => {
    expectRefusals();
    await at(page, '#/new-set');
    await page.getByLabel('Id').fill('apps');
    await page.getByLabel('Name', { exact: true }).fill('Applications');
    await page.getByLabel('Folder on the host').fill(`${WORK}/places/apps`);
    await page.getByRole('button', { name: 'Add an SQLite database' }).click();
    const sqlite = page.getByRole('group', { name: 'Source 1' });
    await sqlite.getByLabel('File of the database').fill(`${WORK}/app.db`);
    await page.getByRole('button', { name: 'Save' }).click();
    await sqlite.getByText('lies outside the folders that are allowed for sources').waitFor();
    await sqlite.getByLabel('File of the database').fill(`${WORK}/apps/app.db`);
    await page.getByRole('button', { name: 'Add folders' }).click();
    const files = page.getByRole('group', { name: 'Source 2' });
    await files.getByLabel('Folders and files').fill(`${WORK}/apps/files`);
    await files.getByLabel('Left out').fill('*.tmp');
    await page.getByRole('button', { name: 'Test connection' }).click();
    await page.getByRole('region', { name: 'Job' }).getByText('succeeded').waitFor();
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('apps is saved').waitFor();
    assert.deepEqual(JSON.parse((await service('GET', '/api/v1/configs/apps')).text).sources, [
        { type: 'sqlite', config: { path: `${WORK}/apps/app.db` } },
        { type: 'files', config: { paths: [`${WORK}/apps/files`], exclude: ['*.tmp'] } }]);
    await at(page, '#/');
    await page.getByRole('article', { name: 'apps' }).getByRole('button', { name: 'Back up now' }).click();
    await page.locator('.toast', { hasText: 'apps' }).getByRole('link').click();
    await page.getByText('succeeded').first().waitFor();
});

await test('a server is chosen by its name, its address stays with the host, and commands are refused', async () => {
    expectRefusals();
    await at(page, '#/settings/apps/edit');
    await page.getByRole('button', { name: 'Add a PostgreSQL database' }).click();
    const source = page.getByRole('group', { name: 'Source 3' });
    assert.equal(await source.getByLabel('Server').inputValue(), 'main');
    await page.getByRole('button', { name: 'Save' }).click();
    await source.getByText('is empty').waitFor();
    await source.getByLabel('Database').fill('shop');
    await examine(page, 'settings-sources');
    await picture('settings-sources');
    await page.getByRole('button', { name: 'Test connection' }).click();
    await page.getByRole('region', { name: 'Job' }).getByText('failed').first().waitFor();
    assert.doesNotMatch(await page.content(), new RegExp(SECRET));
    await textBox.fill((await textBox.inputValue()).replace(/"type": "postgres",\s*"config": \{[^}]*\}/, '"type": "command", "config": {"argv": ["/bin/sh"]}'));
    await page.getByRole('button', { name: 'Save' }).click();
    await source.getByText('a command would run with the rights of the service').waitFor();
    await page.getByRole('button', { name: 'Remove source 3' }).click();
    await page.getByText('not saved').waitFor({ state: 'detached' });
    assert.equal(JSON.parse(await textBox.inputValue()).sources.length, 2);
    await at(page, '#/settings/uploads/edit');
});

await test('who was slower sees how it is now, and chooses', async () => {
    expectRefusals();
    const change = async (name) => {
        const now = await service('GET', '/api/v1/configs/uploads');
        assert.equal((await service('PUT', '/api/v1/configs/uploads', now.text.replace(/"name": "[^"]*"/, `"name": "${name}"`), { 'If-Match': now.etag })).status, 200);
    };
    const dialog = page.getByRole('dialog');
    await page.getByLabel('Days').waitFor(); // it was read
    await change('Theirs');
    await page.getByLabel('Days').fill('3');
    await page.getByRole('button', { name: 'Save' }).click();
    await dialog.getByText('"Theirs"').waitFor();
    await examine(page, 'settings-conflict');
    await dialog.getByRole('button', { name: 'Go on editing' }).click();
    assert.equal(await page.getByLabel('Days').inputValue(), '3');
    await page.getByRole('button', { name: 'Save' }).click();
    await dialog.getByRole('button', { name: 'Take theirs' }).click();
    assert.deepEqual([await page.getByLabel('Name', { exact: true }).inputValue(), await page.getByLabel('Days').inputValue()], ['Theirs', '7']);
    await change('Theirs again');
    await page.getByLabel('Days').fill('5');
    await page.getByRole('button', { name: 'Save' }).click();
    await dialog.getByRole('button', { name: 'Save mine' }).click();
    await dialog.waitFor({ state: 'detached' });
    await page.getByText('not saved').waitFor({ state: 'detached' });
    const saved = JSON.parse((await service('GET', '/api/v1/configs/uploads')).text);
    assert.deepEqual([saved.name, saved.retention.daily], ['Theirs', 5]);
});

await test('a configuration is tried before it is saved', async () => {
    await page.getByRole('button', { name: 'Test connection' }).click();
    await page.getByRole('region', { name: 'Job' }).getByText('succeeded').waitFor();
    await page.getByRole('button', { name: 'Show what is kept' }).click();
    await page.getByText(/of 12 snapshots/).waitFor();
});

await test('a set is deleted when its name was typed', async () => {
    expectRefusals();
    await at(page, '#/settings/uploads');
    await page.getByRole('button', { name: 'Delete' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel(/Type uploads/).fill('upload');
    assert(await dialog.getByRole('button', { name: 'Delete' }).isDisabled());
    await dialog.getByLabel(/Type uploads/).fill('uploads');
    catalog('UPDATE sessions SET stepped_up_ns = NULL');
    await dialog.getByRole('button', { name: 'Delete' }).click();
    await page.getByRole('dialog', { name: 'Is it you?' }).getByLabel('Code').fill(recovery[1]);
    await page.getByRole('button', { name: 'Go on' }).click();
    await page.getByText('uploads is deleted').waitFor();
    assert.equal((await service('GET', '/api/v1/configs/uploads')).status, 404);
});

await test('messages are listed with what became of them, and secrets are not kept', async () => {
    await at(page, '#/notifications');
    await page.getByLabel('Channel').fill(`https://127.0.0.1:1/${SECRET}`);
    const letGo = await hold(page, '**/api/v1/notifications/test');
    await page.getByRole('button', { name: 'Send a test' }).click();
    assert(await page.getByRole('button', { name: 'Send a test' }).isDisabled()); // one is sent
    await letGo();
    await page.getByText('is queued').waitFor();
    await page.getByRole('cell', { name: 'webhook' }).first().waitFor();
    assert.equal(await page.getByLabel('Channel').inputValue(), '');
    assert.doesNotMatch(await page.content() + await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + location.href), new RegExp(SECRET));
    await examine(page, 'notifications');
    await page.getByLabel('State').selectOption('sent');
    await page.getByText('Nobody has been told').waitFor();
});

await test('who may only look changes nothing', async () => {
    const name = 'ann.settings@shop';
    proveNow();
    const made = JSON.parse((await service('POST', '/api/v1/users', JSON.stringify({ name, role: 'viewer' }))).text);
    const other = await newPage();
    expectRefusals();
    await enterFirst(other, name, made.password);
    await other.getByRole('link', { name: 'Settings', exact: true }).click();
    await other.getByRole('link', { name: 'shop', exact: true }).click();
    await other.getByText('read only here').waitFor();
    assert.equal(await other.getByRole('button', { name: /Test|Pause|Delete/ }).count(), 0);
    await at(other, '#/notifications');
    await other.getByText('You may not do this').waitFor();
    await at(other, '#/settings');
    await other.getByRole('row', { name: /shop/ }).waitFor();
    assert.equal(await other.getByRole('link', { name: 'New set' }).count(), 0);
    await other.context().close();
});

await test('the pages speak German', async () => {
    await page.getByLabel('Language').selectOption('de');
    await at(page, '#/new-set');
    await page.getByRole('heading', { name: 'Neues Set' }).waitFor();
    await page.getByText('Nächste Läufe').waitFor();
});

writeFileSync(FILE, before);
await finish();
