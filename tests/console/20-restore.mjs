// From damage to the state before and back again: plans, restores into place and beside, undo, uploads, and what goes wrong on the way.
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { WORK, at, catalog, enter, enterFirst, examine, expectRefusals, finish, hold, newPage, proveNow, startService, stopService, test } from './desk.mjs';

// A server of PostgreSQL of its own, which ends with this process.

const bin = execFileSync('sh', ['-c', 'find /usr/lib/postgresql -maxdepth 2 -name bin | sort -V | tail -1'], { encoding: 'utf8' }).trim();
const server = mkdtempSync('/tmp/holdfast-postgres.');
const isRoot = process.getuid() === 0;
const as = isRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups', '--'] : [];
const run = (...argv) => execFileSync(argv[0], argv.slice(1), { cwd: '/', encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
if (isRoot) run('chown', 'postgres', server);
run('chmod', 'a+x', WORK);
run(...as, `${bin}/initdb`, '-D', `${server}/data`, '-U', 'postgres', '-A', 'trust', '--no-sync');
execFileSync([...as, `${bin}/pg_ctl`][0], [...as, `${bin}/pg_ctl`].slice(1).concat(['-D', `${server}/data`, '-w', '-l', `${server}/log`, '-o', `-c fsync=off -c listen_addresses= -k ${server}`, 'start']),
    { cwd: '/', stdio: 'ignore' });
process.on('exit', () => {
    run(...as, `${bin}/pg_ctl`, '-D', `${server}/data`, '-m', 'immediate', 'stop');
    rmSync(server, { recursive: true, force: true });
});
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => process.exit(1));
const sql = (statement, base = 'shop') => run(`${bin}/psql`, '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-h', server, '-U', 'postgres', '-d', base, '-c', statement).trim();
const lite = (statement) => execFileSync('/usr/bin/python3', ['-c',
    'import sqlite3, sys\nwith sqlite3.connect(sys.argv[1]) as db: print(*[row[0] for row in db.execute(sys.argv[2])])', `${WORK}/books.db`, statement], { encoding: 'utf8' }).trim();

// What is backed up

const NASTY = '<img src=x onerror=window.hit=1>';
sql('CREATE DATABASE shop', 'postgres');
sql('CREATE TABLE sale (id int PRIMARY KEY, name text); INSERT INTO sale SELECT i, md5(i::text) FROM generate_series(1, 500) i');
lite('CREATE TABLE book (id INTEGER PRIMARY KEY)');
lite('INSERT INTO book VALUES (1), (2), (3)');
mkdirSync(`${WORK}/site/${NASTY}`, { recursive: true });
mkdirSync(`${WORK}/restored`, { recursive: true });
writeFileSync(`${WORK}/site/page`, 'as it should be');
writeFileSync(`${WORK}/site/gone`, 'it was here');
writeFileSync(`${WORK}/site/${NASTY}/a\u202egpj.exe`, 'odd');
writeFileSync(`${WORK}/site/${NASTY}/some.log`, 'left out');
writeFileSync(`${WORK}/health`, `#!/bin/sh\nwhile [ -e ${WORK}/slow ]; do sleep .2; done\n[ ! -e ${WORK}/sick ] || { echo 'not well' >&2; exit 1; }\n`, { mode: 0o755 });
writeFileSync(`${WORK}/switch`, '#!/bin/sh\n', { mode: 0o755 });
const { PORT } = process.env;
const sources = `[{postgres: {name: shop, dsn: "host=${server} user=postgres dbname=shop"}}, {sqlite: {path: ${WORK}/books.db}}, {files: {paths: [${WORK}/site]}}]`;
writeFileSync(`${WORK}/holdfast.yaml`, `state: ${WORK}/state
repositories:
  main: {url: ${WORK}/repo, key_file: ${WORK}/key}
sets:
  app: {repositories: [main], sources: ${sources}, health_checks: [[${WORK}/health]], restore: {stop: [[${WORK}/switch]], start: [[${WORK}/switch]]}}
serve: {listen: ["127.0.0.1:${PORT}"], restore_targets: [${WORK}/restored], import_max: 1M}
`, { mode: 0o600 });

const state = () => [sql('SELECT count(*) FROM sale'), lite('SELECT count(*) FROM book'), readFileSync(`${WORK}/site/page`, 'utf8'), readdirSync(`${WORK}/site`).length].join(' | ');
function damage() {
    sql('DELETE FROM sale WHERE id > 100');
    lite('DELETE FROM book WHERE id > 1');
    writeFileSync(`${WORK}/site/page`, 'broken');
    rmSync(`${WORK}/site/gone`, { force: true });
    writeFileSync(`${WORK}/site/intruder`, 'was not here');
    writeFileSync(`${WORK}/site/second`, 'was not here');
}
const SOUND = '500 | 3 | as it should be | 3';
const DAMAGED = '100 | 1 | broken | 4';

await startService();
const page = await newPage({ acceptDownloads: true });
const button = (name) => page.getByRole('button', { name, exact: true });
const chip = (text) => page.locator('.chip', { hasText: text });
let recovery = [];
let longest = 0;
await page.exposeFunction('tookLong', (ms) => (longest = Math.max(longest, ms)));
await page.addInitScript(() => new PerformanceObserver((list) => list.getEntries().forEach((one) => window.tookLong(one.duration))).observe({ type: 'longtask' }));
const forgetProof = () => catalog('UPDATE sessions SET stepped_up_ns = stepped_up_ns - 600000000000');
async function prove() {
    await page.getByRole('dialog').getByLabel('Code').fill(recovery.pop());
    await button('Go on').click();
}

// From the snapshot to a plan into place.
async function plan(path = '/', snapshot = 'latest') {
    proveNow();
    await at(page, `#/restore/app/${snapshot}?path=${encodeURIComponent(path)}`);
    await button('Show the plan').click();
    await page.getByRole('heading', { name: 'Plan' }).waitFor();
}
async function restore(path = '/', snapshot = 'latest') {
    await plan(path, snapshot);
    await page.getByLabel('To confirm').fill('app');
    await button('Restore into place').click();
    await page.waitForURL(/#\/restores\//);
}
const snapshots = () => page.evaluate(async () => (await (await fetch('/api/v1/sets/app/snapshots?limit=100')).json()).snapshots);
const jobs = () => page.evaluate(async () => (await (await fetch('/api/v1/runs?limit=1000')).json()).runs.length);

await test('a first login, a backup and a drill', async () => {
    expectRefusals();
    ({ recovery } = await enter(page));
    await at(page, '#/snapshots/app');
    await button('Back up now: app').click();
    await page.locator('tbody tr').first().waitFor();
    await button('Drill now: app').click();
    await page.getByText('proven', { exact: true }).waitFor();
    assert.equal(state(), SOUND);
}, { isNeeded: true });

await test('a plan says what would be written, replaced and removed, and changes nothing', async () => {
    damage();
    assert.equal(state(), DAMAGED);
    await at(page, '#/snapshots/app/latest');
    await page.getByText('proven', { exact: true }).waitFor();
    await at(page, '#/snapshots/app');
    await page.locator('tbody tr').first().getByRole('link').first().click();
    await page.getByRole('heading', { level: 1 }).waitFor();
    await page.getByRole('link', { name: 'Restore', exact: true }).click();
    await page.getByText('proven', { exact: true }).waitFor();
    await examine(page, 'restore-choose');
    await button('Show the plan').click();
    await page.getByText('postgres/shop').waitFor();
    await page.getByText('1 table with 500 rows').waitFor();
    await page.getByText('1 table with 3 rows').waitFor();
    await page.getByText('1 new, 1 replaced, 2 unchanged').waitFor();
    await page.getByText('2 removed').waitFor();
    await page.getByText(`The application is stopped: ${WORK}/switch`).waitFor();
    await page.getByText(`The application is started again: ${WORK}/switch`).waitFor();
    assert.equal(await page.getByText('Stop the application first').count(), 0);
    await page.getByText('The health check has to pass').waitFor();
    await page.reload();
    await page.getByText('2 removed').waitFor();
    await examine(page, 'restore-plan');
    assert.equal(state(), DAMAGED);
});

await test('a restore into place wants the name of the set and a proof, and is told when it is done', async () => {
    expectRefusals();
    assert(await button('Restore into place').isDisabled());
    await page.getByLabel('To confirm').fill('App');
    assert(await button('Restore into place').isDisabled());
    await page.getByLabel('To confirm').press('Enter');
    await page.getByLabel('To confirm').fill('app');
    forgetProof();
    await button('Restore into place').click();
    await page.getByRole('dialog').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Nothing was done: you did not prove').waitFor();
    assert.equal(state(), DAMAGED);
    await button('Restore into place').click();
    await prove();
    await page.waitForURL(/#\/restores\//);
    await page.reload();
    await page.getByText('The set is restored.').waitFor();
    await page.getByText('1 check passed').waitFor();
    assert.equal(state(), SOUND);
    for (const place of ['postgres/shop', 'sqlite/books.db', 'files']) await chip(place).waitFor();
    await page.getByText('has the state before').waitFor();
    await examine(page, 'restore-done');
});

await test('a restore is undone, which is asked for by itself', async () => {
    proveNow();
    await button('Undo the restore').click();
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    await examine(page, 'restore-undo');
    assert(await dialog.getByRole('button', { name: 'Undo the restore' }).isDisabled());
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(state(), SOUND);
    await button('Undo the restore').click();
    await dialog.getByLabel('To confirm').fill('app');
    await dialog.getByRole('button', { name: 'Undo the restore' }).click();
    await page.getByText('The restore is undone').waitFor();
    assert.equal(state(), DAMAGED);
    const letGo = await hold(page, /runs\?kind=restore.*from=/); // what was done since is not known yet
    await page.reload();
    await page.getByRole('link', { name: 'The restore that it was about' }).waitFor();
    assert.equal(await button('Undo the restore').count(), 0);
    await letGo();
    await page.getByRole('link', { name: 'The restore that it was about' }).click();
    await page.getByText('and that was undone').waitFor();
    assert.equal(await page.getByText('The set is restored.').count(), 0);
    assert.equal(await button('Undo the restore').count(), 0);
    await button('Discard what was kept').click();
    await page.getByRole('dialog').getByLabel('To confirm').fill('app');
    await page.getByRole('dialog').getByRole('button', { name: 'Discard what was kept' }).click();
    await page.getByText('What was kept is removed').waitFor();
    assert.equal(sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'holdfast%'"), '0');
    assert.equal(state(), DAMAGED);
});

await test('a restore whose health check fails says that the state before is back, and it is', async () => {
    writeFileSync(`${WORK}/sick`, '');
    await restore();
    await page.getByText('The restore did not succeed.').waitFor();
    await page.getByText('the state before is back').waitFor();
    await page.getByText('The state before the restore is back in its place.').waitFor();
    await page.getByText('not well').waitFor();
    await page.getByText('safety snapshot that was made meanwhile').waitFor();
    assert.equal(await page.getByText('The set is restored').count() + await button('Undo the restore').count(), 0);
    assert.equal(state(), DAMAGED);
    await examine(page, 'restore-failed');
    rmSync(`${WORK}/sick`);
});

await test('a plan that fails says that nothing was changed, and cannot be confirmed', async () => {
    await at(page, `#/restore/app/latest?path=${encodeURIComponent(`/sqlite/${NASTY}`)}`);
    await button('Show the plan').click();
    await page.getByText('There is no plan, and nothing was changed.').waitFor();
    assert.equal(await page.getByLabel('To confirm').count(), 0);
    assert.equal(await page.locator('main img').count(), 0);
    await examine(page, 'restore-no-plan');
    const foreign = new URL(page.url()).hash.match(/plan=([0-9a-f]+)/)[1];
    const { id } = (await snapshots()).find((one) => one.tags?.includes('safety'));
    await at(page, `#/restore/app/${id}?path=%2F&plan=${foreign}`);
    await page.getByText('This is no plan for this snapshot').waitFor();
});

await test('one source comes back alone', async () => {
    await restore('/sqlite/books.db');
    await page.getByText('The set is restored.').waitFor();
    await chip('sqlite/books.db').waitFor();
    assert.equal(state(), '100 | 3 | broken | 4');
});

const chooseTable = async (how) => {
    proveNow();
    await at(page, `#/restore/app/latest?path=${encodeURIComponent('/postgres/shop')}&table=public.sale`);
    await page.getByLabel('Table or schema').waitFor();
    await page.getByRole('combobox', { name: 'How', exact: true }).selectOption(how);
    await button('Show the plan').click();
};

await test('a table comes back beside the present one, from the list of tables', async () => {
    proveNow();
    await at(page, '#/snapshots/app/latest/tables');
    await page.getByRole('link', { name: 'Restore: public.sale' }).click();
    await page.getByLabel('Table or schema').waitFor();
    assert.equal(await page.getByLabel('Its new name').inputValue(), 'public.sale_before');
    await examine(page, 'restore-tables');
    await button('Show the plan').click();
    await page.getByText('is not there, and is made').waitFor();
    await page.getByText('500 rows').first().waitFor();
    await page.reload();
    await page.getByText('is not there, and is made').waitFor();
    assert.equal(sql("SELECT to_regclass('sale_before') IS NULL"), 't');
    await examine(page, 'restore-tables-plan');
    assert(await button('Restore it').isDisabled());
    await page.getByLabel('To confirm').fill('app');
    await button('Restore it').click();
    await page.getByText('1 table with 500 rows: restored into database shop').waitFor();
    await page.getByText('compared with the snapshot').waitFor();
    await page.reload();
    await page.getByText('restored into database shop').waitFor();
    await examine(page, 'restore-tables-done');
    assert.equal(sql('SELECT count(*) FROM sale_before'), '500');
    assert.equal(state(), '100 | 3 | broken | 4');
    await chooseTable('beside');
    await page.getByText('There is no plan, and nothing was changed.').waitFor();
    await page.getByText('there is a table public.sale_before already').waitFor();
    sql('DROP TABLE sale_before');
});

await test('rows of a table are replaced, which cannot be undone and says so', async () => {
    await chooseTable('replace');
    await page.getByText('its rows that are there').waitFor();
    await page.getByText('This cannot be undone').waitFor();
    assert.equal(state(), '100 | 3 | broken | 4');
    await page.getByLabel('To confirm').fill('app');
    await button('Restore it').click();
    await page.getByText('restored into database shop').waitFor();
    assert.equal(state(), '500 | 3 | broken | 4');
    assert.equal(await button('Undo the restore').count(), 0);
    await chooseTable('add');
    await page.getByText('is added to its rows').waitFor();
    await page.getByLabel('To confirm').fill('app');
    await button('Restore it').click(); // their keys are there
    await page.getByText('The restore did not succeed.').waitFor();
    await page.getByText('what was there before is there').waitFor();
    assert.equal(state(), '500 | 3 | broken | 4');
    sql('DELETE FROM sale WHERE id > 100');
});

await test('a database goes into a new one, and into none that is there', async () => {
    const choose = async (name) => {
        proveNow();
        await at(page, `#/restore/app/latest?path=${encodeURIComponent('/postgres/shop')}`);
        await page.getByRole('radio', { name: 'Into a new database' }).check();
        await page.getByLabel('Name of the new database').fill(name);
        await button('Show the plan').click();
    };
    await choose('postgres');
    await page.getByText('There is no plan, and nothing was changed.').waitFor();
    await page.getByText('there is a database postgres already').waitFor();
    await choose('shop look');
    await page.getByText('Nothing that is in use is touched.').waitFor();
    assert.equal(await page.getByLabel('To confirm').count(), 0);
    await examine(page, 'restore-database-plan');
    await button('Restore it').click();
    await page.getByText('restored into database shop look').waitFor();
    assert.equal(sql('SELECT count(*) FROM sale', 'shop look'), '500');
    assert.equal(state(), '100 | 3 | broken | 4');
    sql('DROP DATABASE "shop look"');
});

await test('a restart of the service in the middle ends in what came of it', async () => {
    expectRefusals();
    writeFileSync(`${WORK}/slow`, '');
    await restore();
    await page.getByRole('progressbar').waitFor();
    await page.getByText('You may leave this page').waitFor();
    await examine(page, 'restore-runs');
    await stopService();
    await page.locator('.live.off').waitFor();
    await startService();
    rmSync(`${WORK}/slow`); // what checks the health waits for it, for 60 s at most
    await page.getByText('The set is restored.').waitFor();
    assert.equal(state(), SOUND);
});

await test('a folder with hostile names goes beside, without what is left out', async () => {
    expectRefusals();
    proveNow();
    await at(page, `#/snapshots/app/latest?path=${encodeURIComponent(`/files${WORK}/site`)}`);
    await page.getByRole('link', { name: `Restore: ${NASTY}`, exact: true }).click();
    await page.getByText('A part of a source cannot go into its place by itself').waitFor();
    await page.getByLabel('Name of the new folder').fill('../elsewhere');
    await button('Show the plan').click();
    await page.getByText('restore_targets').waitFor();
    await page.getByLabel('Name of the new folder').fill('beside');
    await page.getByLabel('Leave out').fill('*.log\n');
    await examine(page, 'restore-beside');
    await button('Show the plan').click();
    await page.getByText('1 files, 3 B').waitFor();
    assert(!existsSync(`${WORK}/restored/beside`));
    await button('Restore into the folder').click();
    await page.getByText('were restored into').waitFor();
    await page.getByText('were read back and are right').waitFor();
    assert.deepEqual(readdirSync(`${WORK}/restored/beside`), ['a\u202egpj.exe']);
    assert.equal(readFileSync(`${WORK}/restored/beside/a\u202egpj.exe`, 'utf8'), 'odd');
    assert.equal(await page.evaluate(() => window.hit), undefined);
    assert.equal(state(), SOUND);
});

await test('an archive is judged before it is stored, and restored from then', async () => {
    expectRefusals();
    await at(page, '#/restores');
    await page.getByRole('link', { name: 'for app', exact: true }).click();
    await page.getByText('At most 1.0 MiB').waitFor();
    const pick = (name, content) => page.getByLabel('Archive', { exact: false }).first().setInputFiles({ name, mimeType: 'application/octet-stream', buffer: Buffer.from(content) });
    await pick('large.zip', 'x'.repeat(1100000));
    await page.getByText('at most 1.0 MiB are taken').waitFor();
    assert(await button('Send it and check it').isDisabled());
    const before = (await snapshots()).length;
    await pick(`${NASTY}.zip`, 'nothing that anybody knows');
    forgetProof();
    await button('Send it and check it').click();
    await prove();
    await page.getByText('The archive was refused, and nothing was stored.').waitFor();
    await examine(page, 'import-refused');
    await pick('backup_20261120_205152.json', JSON.stringify({ users: [{ name: NASTY }] }));
    await page.getByText('The archive was refused').waitFor({ state: 'detached' });
    await page.getByLabel('Kind').selectOption('bundle');
    await button('Send it and check it').click();
    await page.getByText('Not authenticated: anybody').waitFor();
    assert.equal((await snapshots()).length, before);
    assert(await button('Store it as a snapshot').isDisabled());
    await examine(page, 'import-judged');
    await page.getByLabel('I know where it comes from').check();
    await button('Store it as a snapshot').click();
    await page.getByText('It is stored as snapshot').waitFor();
    await examine(page, 'import-stored');
    await page.getByRole('link', { name: 'Restore', exact: true }).click();
    await page.getByRole('radio', { name: 'Into a new folder' }).check();
    await page.getByLabel('Name of the new folder').fill('bundles');
    await button('Show the plan').click();
    await button('Restore into the folder').click();
    await page.getByText('were restored into').waitFor();
    assert(run('grep', '-r', '-l', NASTY, `${WORK}/restored/bundles`).includes('backup_20261120_205152'));
});

await test('an upload that is stopped stores nothing and makes no job', async () => {
    expectRefusals();
    proveNow();
    const wire = await page.context().newCDPSession(page);
    await at(page, '#/import/app');
    await page.getByLabel('Archive', { exact: false }).first().setInputFiles({ name: 'slow.zip', mimeType: 'application/zip', buffer: Buffer.alloc(900000, 1) });
    const before = await jobs();
    await wire.send('Network.enable');
    await wire.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 30000 });
    await button('Send it and check it').click();
    await page.waitForFunction(() => Number(document.querySelector('[role=progressbar]')?.getAttribute('aria-valuenow')) > 3);
    await button('Stop sending').click();
    await page.getByText('The upload was stopped').waitFor();
    await page.reload(); // and one that waits for the word that nobody has to be asked who he is
    await page.getByLabel('Archive', { exact: false }).first().setInputFiles({ name: 'slow.zip', mimeType: 'application/zip', buffer: Buffer.alloc(900000, 1) });
    const letGo = await hold(page, '**/api/v1/auth/session');
    await button('Send it and check it').click();
    await button('Stop sending').click();
    await letGo();
    await page.getByText('The upload was stopped').waitFor();
    await wire.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
    assert.equal(await jobs(), before);
});

await test('restores and restore points are listed', async () => {
    proveNow();
    catalog(`INSERT INTO restore_points VALUES ('${'0'.repeat(31)}1', NULL, 'ab12cd34', '${NASTY}', 0, 'ann', ${Date.now()}000000, NULL)`);
    await at(page, '#/restores');
    await page.getByRole('link', { name: 'Restore of app' }).first().waitFor();
    await page.getByText(NASTY, { exact: true }).waitFor();
    assert.equal(await page.getByText('Plan for').count() + await page.locator('main img').count(), 0);
    await examine(page, 'restores');
    await page.getByLabel('Language').selectOption('de');
    await page.getByRole('heading', { name: 'Wiederherstellungen' }).waitFor();
    await page.getByLabel('Sprache').selectOption('en');
    await button(`Let go: ${NASTY}`).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Let go' }).click();
    await page.getByText('There is no restore point.').waitFor();
});

await test('who may only look finds nothing to restore with', async () => {
    proveNow();
    const made = await page.evaluate(async () => {
        const { csrf } = await (await fetch('/api/v1/auth/session')).json();
        const answer = await fetch('/api/v1/users', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-HF-CSRF': csrf }, body: JSON.stringify({ name: 'eve', role: 'viewer' }) });
        return answer.json();
    });
    const restored = await page.getByRole('link', { name: 'Restore of app' }).first().getAttribute('href');
    const other = await newPage();
    expectRefusals();
    await enterFirst(other, 'eve', made.password);
    await other.getByRole('article', { name: 'app' }).waitFor();
    await at(other, '#/snapshots/app/latest');
    await other.getByText('3 entries').waitFor();
    assert.equal(await other.getByRole('link', { name: /^Restore(:|$)/ }).count(), 0);
    await at(other, '#/restore/app/latest');
    await other.getByText('You may not do this').waitFor();
    assert.equal(await other.getByRole('button', { name: 'Show the plan' }).count(), 0);
    await at(other, restored);
    await other.getByText('The set is restored.').waitFor();
    assert.equal(await other.getByRole('button', { name: /Undo|Discard/ }).count(), 0);
    await at(other, '#/import/app');
    await other.getByText('You may not do this').waitFor();
    assert.equal(await other.getByRole('button', { name: /Send/ }).count(), 0);
    await other.context().close();
});

await test('no page keeps the browser busy', async () => {
    await page.reload(); // without axe
    longest = 0;
    for (const [hash, word] of [['#/restores', 'Restore of app'], ['#/restore/app/latest', 'Show the plan'], ['#/import/app', 'Send it and check it'], ['#/restores', 'Restore of app']]) {
        await at(page, hash);
        await page.getByText(word).first().waitFor();
    }
    console.log(`    longest task: ${Math.round(longest)} ms`);
});

await finish();
