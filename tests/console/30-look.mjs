// Looking: statistics, comparing snapshots, searching, tables with their rows, previews; long lists, and who may not.
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { WORK, at, becomes, catalog, enter, examine, expectRefusals, finish, hold, longestTask, newPage, origin, proveNow, scroll, startService, test, watchTasks } from './desk.mjs';

const { HOLDFAST } = process.env;
const PNG = execFileSync('/usr/bin/python3', ['-c', `
import struct, sys, zlib
part = lambda kind, data: struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))
sys.stdout.buffer.write(b'\\x89PNG\\r\\n\\x1a\\n' + part(b'IHDR', struct.pack('>IIBBBBB', 200, 120, 8, 2, 0, 0, 0))
    + part(b'IDAT', zlib.compress(120 * (b'\\0' + 200 * b'\\x0b\\x6e\\x6e'))) + part(b'IEND', b''))`]);

// A server of PostgreSQL of this case's own, and a set with it.
const bin = readdirSync('/usr/lib/postgresql').map((name) => `/usr/lib/postgresql/${name}/bin`).filter((name) => existsSync(`${name}/initdb`)).at(-1);
const folder = mkdtempSync('/tmp/holdfast-look.');
const isRoot = process.getuid() === 0;
if (isRoot) execFileSync('chown', ['postgres', folder]);
const asOwner = (program, ...words) => execFileSync(isRoot ? 'setpriv' : program,
    [...(isRoot ? ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--', program] : []), ...words], { cwd: '/', stdio: 'ignore' });
asOwner(`${bin}/initdb`, '-D', `${folder}/data`, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--locale', 'C.UTF-8');
asOwner(`${bin}/pg_ctl`, '-D', `${folder}/data`, '-w', '-l', `${folder}/log`, '-o', `-c fsync=off -c listen_addresses= -k ${folder}`, 'start');
process.on('exit', () => {
    asOwner(`${bin}/pg_ctl`, '-D', `${folder}/data`, '-m', 'immediate', 'stop');
    rmSync(folder, { recursive: true, force: true });
});
const dsn = `host=${folder} user=postgres dbname=postgres`;
const sql = (statement, input) => execFileSync(`${bin}/psql`, ['-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', dsn, '-c', statement], { input, encoding: 'utf8' });
const HOSTILE = '<img src=x onerror=window.hit=1>';
sql(`CREATE TABLE orders (id int PRIMARY KEY, "${HOSTILE}" text, note text);
    INSERT INTO orders SELECT i, '<b>' || i, CASE WHEN i % 2 = 0 THEN NULL ELSE '' END FROM generate_series(1, 500) i;
    CREATE TABLE "${HOSTILE}" (a text); CREATE TABLE gone (a int); INSERT INTO gone VALUES (1)`);

execFileSync('mkdir', ['-p', `${WORK}/data/look`]);
const file = (name, content) => writeFileSync(`${WORK}/data/look/${name}`, content);
file('picture.png', PNG);
file('drawing.svg', '<svg xmlns="http://www.w3.org/2000/svg"><script>window.hit=1</script></svg>');
file('page.html', '<script>window.hit=1</script>\nsecond line \u202e\n');
file('binary', Buffer.from([0, 1, 2, 3]));
file('long.txt', 'line\n'.repeat(50000));
file('broken.png', Buffer.concat([PNG.subarray(0, 30), Buffer.alloc(200)]));
file('changes', 'short');
const config = readFileSync(`${WORK}/holdfast.yaml`, 'utf8');
writeFileSync(`${WORK}/holdfast.yaml`, config.replace('  crm:', `  store:
    repositories: [main]
    sources: [{files: {paths: [${WORK}/data/look]}}, {postgres: {name: store, dsn: "${dsn}"}}, {sqlite: {path: ${WORK}/app.db}}]
    schedule: {cron: "0 2 * * *", timezone: Asia/Tokyo}
  crm:`));
const backUp = (set) => execFileSync(HOLDFAST, ['backup', '--set', set], { cwd: WORK, stdio: 'ignore' });
backUp('store');
file('changes', 'is longer now');
file('new file', 'x');
execFileSync('rm', [`${WORK}/data/look/binary`]);
sql("INSERT INTO orders SELECT i, 'later', NULL FROM generate_series(501, 700) i; DROP TABLE gone; CREATE TABLE fresh (a int)");
file('binary2', Buffer.from([0, 1, 2, 3]));
backUp('store');
backUp('shop');

await startService();
const page = await newPage({ acceptDownloads: true });
let snapshot = '';

await test('an administrator comes in', async () => {
    expectRefusals();
    await enter(page);
    snapshot = await page.evaluate(async () => (await (await fetch('/api/v1/sets/store/snapshots')).json()).snapshots[0].id);
}, { isNeeded: true });

await test('times of a set have its zone, and a card its course', async () => {
    const card = page.getByRole('article', { name: 'store' });
    const ended = () => page.evaluate(async () => (await (await fetch('/api/v1/runs?kind=backup&set=store&ended=1')).json()).runs.filter((run) => run.cause === 'api').length);
    for (let n = 1; n <= 2; n++) {
        await card.getByRole('button', { name: 'Back up now' }).click();
        await becomes(ended, n, 'backups that ended');
    }
    await becomes(() => card.locator('.spark').count(), 2, 'courses on the card');
    assert.match(await card.locator('time').first().getAttribute('title'), /Asia\/Tokyo; .* UTC\)$/);
    await card.getByText('main: answers').waitFor();
});

await test('a drill that failed is in the state of its set, and in the sentence', async () => {
    catalog("INSERT INTO runs (id, attempt, set_name, kind, state, cause, requested_by, created_ns, ended_ns, bytes, bytes_added, files)"
        + " VALUES ('00000000000000000000000000000dad', 1, 'store', 'drill', 'failed', 'schedule', 'system', 1764000000000000000, 1764000000000000000, 0, 0, 0)");
    const asked = [];
    page.on('request', (request) => asked.push(request.url()));
    await at(page, '#/');
    await page.reload();
    await page.getByText('The last drill of store').waitFor();
    assert(!asked.some((url) => url.includes('kind=drill')), 'a second question was asked for it');
    await page.getByRole('article', { name: 'store' }).getByText('failed').first().waitFor();
    catalog("DELETE FROM runs WHERE id = '00000000000000000000000000000dad'");
});

await test('statistics are those of the service, by set and type', async () => {
    const now = Date.now() * 1e6;
    const rows = Array.from({ length: 60 }, (_, i) => `('${(0xe000 + i).toString(16).padStart(32, '0')}', 1, 'shop', 'backup', '${i % 10 === 0 ? 'failed' : i % 15 === 1 ? 'incomplete' : 'success'}',`
        + ` 'schedule', 'system', ${BigInt(now) - BigInt(i) * 43200000000000n}, ${BigInt(now) - BigInt(i) * 43200000000000n}, ${BigInt(now) - BigInt(i) * 43200000000000n + 7000000000n}, ${1e9 + i * 1e7}, ${i * 1e6}, 5, ${i % 3 === 0 ? "'full'" : 'NULL'})`);
    catalog(`INSERT INTO runs (id, attempt, set_name, kind, state, cause, requested_by, created_ns, started_ns, ended_ns, bytes, bytes_added, files, variant) VALUES ${rows.join(', ')}`);
    await page.getByRole('link', { name: 'Statistics' }).click();
    await page.locator('.chart canvas').nth(3).waitFor();
    const expected = await page.evaluate(async () => (await (await fetch('/api/v1/statistics?days=30')).json()));
    await page.getByText(`${expected.kinds.backup.runs} backups, of which`).waitFor();
    const row = page.getByRole('region', { name: 'By set' }).getByRole('row', { name: /shop/ });
    await row.getByText(`${expected.sets.find((one) => one.name === 'shop').success_rate.toFixed(1)} %`).waitFor();
    await examine(page, 'statistics');
    await page.getByRole('combobox', { name: 'Type' }).selectOption('full');
    await page.getByText('20 backups, of which').waitFor();
    await page.getByRole('combobox', { name: 'Type' }).selectOption('all');
    await page.getByRole('combobox', { name: 'Set' }).selectOption('store');
    await becomes(() => page.getByRole('region', { name: 'By set' }).locator('tbody tr').count(), 1, 'sets that are shown');
    await page.getByRole('combobox', { name: 'Time' }).selectOption('366');
    await page.getByLabel(/Success rate, 366 days/).waitFor();
});

await test('two snapshots are compared: files, tables and their rows', async () => {
    const ids = await page.evaluate(async () => (await (await fetch('/api/v1/sets/store/snapshots')).json()).snapshots.map((one) => one.id));
    await at(page, `#/snapshots/store/diff?from=${ids.at(-1)}&to=${ids.at(-2)}`);
    const tables = page.getByRole('region', { name: 'Tables' });
    await tables.getByRole('row', { name: /public\.orders changed 500 700 \+200/ }).waitFor();
    await tables.getByRole('row', { name: /public\.gone removed 1 – −1/ }).waitFor();
    await tables.getByRole('row', { name: /public\.fresh added – 0/ }).waitFor();
    assert.equal(await tables.getByRole('row', { name: /sqlite/ }).count(), 0);
    const files = page.getByRole('region', { name: 'Files' });
    await files.getByRole('row', { name: /look\/changes changed 5 B 13 B \+8 B/ }).waitFor();
    await files.getByRole('row', { name: /look\/new file added – 1 B \+1 B/ }).waitFor();
    await files.getByRole('row', { name: /look\/binary removed 4 B – −4 B/ }).waitFor();
    await examine(page, 'diff');
    await page.getByLabel('Filter').fill('new FILE');
    await becomes(() => files.locator('tbody tr').count(), 1, 'files that fit the filter');
    await page.getByLabel('Filter').fill('');
    await page.getByRole('combobox', { name: 'Change' }).selectOption('-');
    await becomes(async () => [...new Set(await files.locator('tbody .chip').allInnerTexts())], ['removed'], 'changes of the files');
    await page.getByRole('combobox', { name: 'To' }).selectOption(ids.at(-1));
    await page.getByText('The files are the same').waitFor();
    await page.getByText('All tables have the same rows').waitFor();
});

await test('files are found by name in all snapshots, with links into them', async () => {
    await at(page, '#/snapshots/store');
    await page.getByRole('link', { name: 'Search files' }).click();
    await page.getByLabel('Name').fill('PICTURE');
    await page.keyboard.press('Enter');
    await page.getByText('4 matches').waitFor();
    await examine(page, 'search');
    await page.getByRole('region', { name: 'Search files' }).getByRole('link', { name: /look\/picture\.png/ }).first().click();
    await page.getByRole('button', { name: 'Download: picture.png' }).waitFor();
    await at(page, `#/snapshots/store/search?pattern=${encodeURIComponent(HOSTILE)}`);
    await page.getByText('No snapshot of the set has such a file').waitFor();
    await page.getByLabel('Name').fill('*a*a*a*a*a*a*a*a*a*');
    expectRefusals();
    await page.keyboard.press('Enter');
    await page.getByText('at most 8 times').waitFor();
});

async function look(name) {
    await page.getByRole('button', { name: `Preview: ${name}`, exact: true }).click();
    const dialog = page.getByRole('dialog');
    await dialog.waitFor();
    return dialog;
}
async function closeLook() {
    await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
}

await test('previews show dots and text nodes, and nothing runs', async () => {
    expectRefusals(); // what has no preview
    proveNow();
    await at(page, `#/snapshots/store/${snapshot}?path=/files${WORK}/data/look`);
    await page.evaluate(() => { // notes what the picture shows at the moment it is in the page
        new MutationObserver((_, observer) => {
            const canvas = document.querySelector('canvas.picture');
            if (!canvas) return;
            window.dots = [...canvas.getContext('2d').getImageData(0, 0, 1, 1).data];
            observer.disconnect();
        }).observe(document.body, { childList: true, subtree: true });
    });
    let dialog = await look('picture.png');
    await dialog.getByRole('img', { name: 'picture.png' }).waitFor();
    await dialog.getByText('200 × 120').waitFor();
    assert.deepEqual(await page.evaluate(() => window.dots), [11, 110, 110, 255]);
    await examine(page, 'preview-picture');
    await closeLook();
    for (const [name, text] of [['drawing.svg', '<script>window.hit=1</script>'], ['page.html', 'second line \\u202e']]) {
        dialog = await look(name);
        await dialog.locator('pre').getByText(text).waitFor();
        assert.equal(await page.locator('main svg script, dialog img, dialog svg, dialog iframe').count(), 0);
        if (name === 'page.html') await examine(page, 'preview-text');
        await closeLook();
    }
    dialog = await look('long.txt');
    await dialog.getByText('This is its beginning; all of it is 244 KiB').waitFor();
    assert.equal((await dialog.locator('pre').innerText()).length, 65536);
    await closeLook();
    dialog = await look('binary2');
    await dialog.getByText('There is no preview').waitFor();
    await closeLook();
    dialog = await look('broken.png');
    await dialog.getByText('There is no preview').waitFor();
    await closeLook();
    assert.equal(await page.evaluate(() => window.hit), undefined);
});

await test('an address of a preview is a download in a sandbox wherever it is opened', async () => {
    const told = await page.evaluate(async ([set, id, path]) => {
        const answer = await fetch(`/api/v1/sets/${set}/snapshots/${id}/preview?path=${encodeURIComponent(path)}`);
        return ['content-type', 'content-disposition', 'content-security-policy', 'x-content-type-options'].map((name) => answer.headers.get(name));
    }, ['store', snapshot, `/files${WORK}/data/look/drawing.svg`]);
    assert.deepEqual([told[0], told[1], told[3]], ['text/plain; charset=utf-8', 'attachment', 'nosniff']);
    assert.match(told[2], /sandbox/);
});

await test('tables of a snapshot are listed with their rows, shown and downloaded', async () => {
    proveNow();
    await page.getByRole('link', { name: 'Tables' }).click();
    const row = page.getByRole('row', { name: /^public\.orders / });
    await row.getByText('700').waitFor();
    await page.getByRole('row', { name: /sqlite\/app.db 1,000/ }).waitFor();
    await page.getByText(`public.${HOSTILE}`, { exact: true }).waitFor();
    await examine(page, 'tables');
    await row.getByRole('button', { name: 'Preview' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('The first 100 of 700 rows').waitFor();
    await dialog.getByRole('columnheader', { name: HOSTILE }).waitFor();
    assert.equal(await dialog.locator('img').count(), 0);
    assert.deepEqual(await dialog.locator('tbody tr').nth(1).locator('td').allInnerTexts(), ['2', '<b>2', 'NULL']);
    assert.deepEqual(await dialog.locator('tbody tr').nth(0).locator('td').allInnerTexts(), ['1', '<b>1', 'empty']);
    await examine(page, 'rows');
    await closeLook();
    const begun = page.waitForEvent('download');
    await page.getByRole('button', { name: 'CSV: public.orders' }).click();
    const csv = await begun;
    assert.equal(csv.suggestedFilename(), 'public.orders.csv');
    const text = readFileSync(await csv.path(), 'utf8');
    assert.equal(text, sql('COPY orders TO STDOUT (FORMAT csv, HEADER, FORCE_QUOTE *)'));
    assert.equal(sql('BEGIN; CREATE TEMP TABLE back (LIKE orders); COPY back FROM STDIN (FORMAT csv, HEADER); SELECT count(*) FROM (TABLE back EXCEPT TABLE orders) d', text).trim(), '0');
    const other = page.waitForEvent('download');
    await page.getByRole('button', { name: 'JSON: public.orders' }).click();
    const lines = readFileSync(await (await other).path(), 'utf8').trim().split('\n').map((line) => JSON.parse(line));
    assert.deepEqual([lines.length, lines[1]], [700, { id: '2', [HOSTILE]: '<b>2', note: null }]);
    const third = page.waitForEvent('download');
    await page.getByRole('button', { name: 'CSV: orders', exact: true }).click();
    const lite = readFileSync(await (await third).path(), 'utf8').split('\n');
    assert.deepEqual([lite.length, ...lite.slice(0, 2), lite[1000]], [1002, 'id,name', '"1","order 0"', '"1000","order 999"']);
    await page.getByRole('row', { name: /sqlite\/app.db 1,000/ }).getByRole('button', { name: 'Preview' }).click();
    await page.getByRole('dialog').getByText('The first 100 of 1000 rows').waitFor();
    await closeLook();
    assert.equal(await page.evaluate(() => window.hit), undefined);
});

await test('content is shown after a proof that is not old, and not without', async () => {
    expectRefusals();
    catalog('UPDATE sessions SET stepped_up_ns = stepped_up_ns - 600000000000');
    await page.getByRole('row', { name: /^public\.orders / }).getByRole('button', { name: 'Preview' }).click();
    await page.getByRole('dialog', { name: 'Is it you?' }).waitFor();
    await page.getByRole('dialog', { name: 'Is it you?' }).getByRole('button', { name: 'Cancel' }).click();
    await page.getByText('Nothing was done: you did not prove').waitFor();
});

await test('a folder of 50,000 entries and its order take no long task', async () => {
    await at(page, `#/snapshots/shop/latest?path=/files${WORK}/data`);
    await page.getByRole('link', { name: 'long/' }).waitFor();
    await watchTasks(page);
    await page.getByRole('link', { name: 'long/' }).click();
    await page.getByText('50000 entries').waitFor();
    const table = page.getByRole('region', { name: /Files in/ });
    for (const share of [0.5, 1, 0.25]) {
        await scroll(table, share);
        assert(await page.locator('tbody tr').count() < 100);
    }
    await longestTask(page, 'reading and scrolling');
    await watchTasks(page);
    await page.getByRole('columnheader', { name: 'Size' }).getByRole('button').click();
    await page.locator('th[aria-sort=ascending]').waitFor();
    await page.getByLabel('Filter this folder').fill('file-4321');
    await becomes(() => page.locator('tbody tr').count(), 10, 'rows that fit the filter');
    await longestTask(page, 'order and filter');
});

await test('10,000 runs are a table of a few rows', async () => {
    const add = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000) INSERT INTO runs (id, attempt, set_name, kind, state, cause, requested_by,"
        + " created_ns, started_ns, ended_ns, bytes, bytes_added, files) SELECT printf('%032x', 1048576 + i), 1, 'wiki', 'check', 'success', 'schedule', 'system',"
        + ' 1700000000000000000 + i * 1000000000, 1700000000000000000 + i * 1000000000, 1700000001000000000 + i * 1000000000, i, 1, 1 FROM n';
    catalog(add);
    await at(page, '#/jobs');
    const table = page.getByRole('region', { name: 'What ran' });
    await table.waitFor();
    const letGo = await hold(page, '**/api/v1/runs?*kind=check*');
    await page.getByRole('combobox', { name: 'Kind' }).selectOption('check');
    assert.equal(await table.count(), 0); // runs of other kinds do not stand there meanwhile
    await letGo();
    await table.waitFor();
    await watchTasks(page);
    for (let n = 100; n < 10000; n = Math.min(n + 1000, 10000)) {
        await becomes(() => table.locator('table').getAttribute('aria-rowcount'), String(n + 1), 'rows');
        await page.getByRole('button', { name: 'Show older ones' }).click();
    }
    await becomes(() => table.locator('table').getAttribute('aria-rowcount'), '10001', 'rows');
    assert.equal(await page.getByRole('button', { name: 'Show older ones' }).count(), 0);
    await scroll(table, 1);
    assert(await page.locator('tbody tr').count() < 100);
    await longestTask(page, '10,000 runs');
});

await test('who may only look sees tables and differences, and no content', async () => {
    proveNow();
    const { token } = await page.evaluate(async () => {
        const { csrf } = await (await fetch('/api/v1/auth/session')).json();
        return (await fetch('/api/v1/tokens', { method: 'POST', headers: { 'Content-Type': 'application/json', 'X-HF-CSRF': csrf },
            body: JSON.stringify({ name: 'viewer', kind: 'api', role: 'viewer', verbs: ['backup:read'], sets: ['*'] }) })).json();
    });
    const ask = async (what) => (await fetch(`${origin}/api/v1/sets/store/snapshots/latest/${what}`, { headers: { Authorization: `Bearer ${token}` } })).status;
    assert.deepEqual([await ask('tables'), await ask('preview?path=/a'), await ask('rows?path=/a&format=csv')], [200, 403, 403]);
});

await finish();
