// Much of everything: 10,000 snapshots, many restores; and a menu in little room.
import assert from 'node:assert';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { SCREENSHOTS, WAIT_MS, WORK, at, becomes, catalog, enter, examine, expectRefusals, finish, hold, longestTask, newPage, resize, scroll, startService, test, watchTasks } from './desk.mjs';

const { HOLDFAST } = process.env;
const SNAPSHOTS = 10000;
const HOUR_S = 3600;

// Its repository is in memory where there is room: a disk takes minutes to keep so many objects safe.
const long = mkdtempSync(existsSync('/dev/shm') ? '/dev/shm/holdfast-long.' : `${WORK}/long.`);
process.on('exit', () => rmSync(long, { recursive: true, force: true }));
for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => process.exit(1));
mkdirSync(`${WORK}/little`);
writeFileSync(`${WORK}/little/one`, 'one');
const config = readFileSync(`${WORK}/holdfast.yaml`, 'utf8');
writeFileSync(`${WORK}/holdfast.yaml`, config.replace('sets:\n', `  long: {url: ${long}/repo, key_file: ${WORK}/key}\nsets:\n  history:\n    repositories: [long]\n    sources: [{files: {paths: [${WORK}/little]}}]\n`));
const { HOLDFAST_REPOSITORY: _, ...env } = process.env;
const quietly = { cwd: WORK, stdio: 'ignore', env };
execFileSync(HOLDFAST, ['init', '-r', `${long}/repo`, '--key-file', `${WORK}/key`], quietly);
execFileSync(HOLDFAST, ['backup', '--set', 'history'], quietly);
execFileSync(`${dirname(HOLDFAST)}/../tests/job/job_many_snapshots`, [`${long}/repo`, `${WORK}/key`, String(SNAPSHOTS - 2), String(HOUR_S)]);
writeFileSync(`${WORK}/little/two`, 'was not there before');
execFileSync(HOLDFAST, ['backup', '--set', 'history'], quietly);

await startService();
const page = await newPage({ acceptDownloads: true });
const button = (name) => page.getByRole('button', { name, exact: true });
const table = page.getByRole('region', { name: 'Snapshots of history' });
const rows = (n) => becomes(() => page.evaluate(() => document.querySelector('table')?.getAttribute('aria-rowcount')), String(n + 1), 'rows');

await test('the first login', async () => {
    expectRefusals();
    await enter(page);
}, { isNeeded: true });

await test('10,000 snapshots are read in pages, and few rows of them are drawn', async () => {
    await at(page, '#/snapshots/history');
    await rows(200);
    await page.reload(); // without axe
    await rows(200);
    await watchTasks(page);
    const began = Date.now();
    for (let n = 200; n < SNAPSHOTS; n = Math.min(n + 1000, SNAPSHOTS)) {
        await button(`Show more than these ${n}`).click();
        await rows(Math.min(n + 1000, SNAPSHOTS));
    }
    console.log(`    all pages: ${((Date.now() - began) / 1000).toFixed(1)} s`);
    assert.equal(await page.getByRole('button', { name: /Show more/ }).count(), 0);
    await longestTask(page, '10,000 snapshots read');
    assert(await page.locator('.mark').count() <= 301);
    await watchTasks(page);
    const scrolled = page.getByText(new Date(Date.now() - (SNAPSHOTS - 3) * HOUR_S * 1000).getFullYear().toString()).first();
    for (const share of [0.5, 1, 0.25, 1]) {
        await scroll(table, share);
        assert(await page.locator('tbody tr').count() < 100);
    }
    await scrolled.waitFor();
    await longestTask(page, 'scrolling');
    await watchTasks(page);
    await page.getByRole('columnheader', { name: 'Time' }).getByRole('button').click();
    await page.locator('th[aria-sort=ascending]').waitFor();
    await longestTask(page, 'order');
    const wire = await page.context().newCDPSession(page);
    await wire.send('HeapProfiler.collectGarbage');
    const { usedSize } = await wire.send('Runtime.getHeapUsage');
    console.log(`    memory: ${(usedSize / 1048576).toFixed(1)} MiB`);
    assert(usedSize < 64 * 1048576);
});

await test('news of a job leave the list where it is', async () => {
    await button('Drill now: history').click();
    await page.getByText('proven', { exact: true }).first().waitFor();
    await rows(SNAPSHOTS);
});

let oldest;
await test('a filter looks through all snapshots, those too that were not read yet', async () => {
    oldest = await page.evaluate(async () => {
        let next = '';
        for (;;) {
            const answer = await (await fetch(`/api/v1/sets/history/snapshots?limit=1000${next}`)).json();
            if (answer.next === null) return answer.snapshots.at(-1);
            next = `&after=${answer.next}`;
        }
    });
    await page.reload();
    await rows(200);
    await watchTasks(page);
    const letGo = await hold(page, '**/snapshots?limit=1000&after=*');
    await page.getByLabel('Filter').fill(oldest.id.slice(0, 12));
    await page.getByText(/others are being read/).waitFor();
    assert.equal(await page.getByText('Nothing fits the filter').count(), 0);
    await letGo();
    await page.getByText('1 of 10,000 snapshots').waitFor({ timeout: 10 * WAIT_MS }); // ten pages, and it tells how far it is
    await rows(1);
    await longestTask(page, 'filter that reads all');
    await watchTasks(page);
    await page.getByLabel('Filter').fill('no such thing');
    await page.getByText('Nothing fits the filter').waitFor();
    await page.getByLabel('Filter').fill('');
    await rows(SNAPSHOTS);
    await longestTask(page, 'filter');
});

await test('any two of the 10,000 are chosen and compared', async () => {
    await scroll(table, 1);
    await page.locator('tbody tr:not(.gap)').last().getByRole('button', { name: /^Compare:/ }).click();
    await page.getByText('Now choose what it is compared with').waitFor();
    await scroll(table, 0);
    await table.getByText('proven', { exact: true }).waitFor();
    await examine(page, 'snapshots-many');
    await page.reload();
    await rows(200);
    await page.locator('tbody tr:not(.gap)').last().getByRole('button', { name: /^Compare:/ }).click();
    await scroll(table, 0);
    await watchTasks(page);
    await table.getByRole('row', { name: /proven/ }).getByRole('link', { name: /^With this one:/ }).click();
    const files = page.getByRole('region', { name: 'Files' });
    await files.getByRole('row', { name: /little\/two added/ }).waitFor();
    await page.getByText('Only the newest 200 stand here').waitFor();
    await longestTask(page, 'comparing');
    assert(await page.locator('option').count() < 500);
    await at(page, `#/snapshots/history/diff?to=${oldest.id}`);
    await page.getByText('Choose what it is compared with').waitFor();
    await page.getByRole('combobox', { name: 'To' }).locator(`option[value="${oldest.id}"]`, { hasText: `· ${oldest.short_id}` }).waitFor({ state: 'attached' });
    await page.getByRole('combobox', { name: 'From' }).selectOption({ index: 1 });
    await files.getByRole('row', { name: /little\/two removed/ }).waitFor();
});

await test('what is not known of old snapshots is not said', async () => {
    const now = BigInt(Date.now()) * 1000000n;
    catalog(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100) INSERT INTO runs (id, attempt, set_name, kind, state, cause, requested_by,
        created_ns, started_ns, ended_ns, bytes, bytes_added, files) SELECT printf('%032x', 5000000 + i), 1, 'history', 'drill', 'failed', 'schedule', 'system',
        ${now} - i * 60000000000, ${now} - i * 60000000000, ${now} - i * 60000000000 + 1, 0, 0, 0 FROM n`);
    await page.reload();
    await at(page, '#/snapshots/history');
    await table.getByRole('row').nth(3).getByText('not drilled').waitFor();
    assert.equal(await table.getByRole('row').nth(30).getByText('not drilled').count(), 0);
    catalog('DELETE FROM runs WHERE id >= \'000000000000000000000000004c4b40\' AND id < \'000000000000000000000000004d0000\'');
});

await test('all restores are listed, and what was done since', async () => {
    const now = BigInt(Date.now()) * 1000000n;
    // 60 restores, newest first 1: each with its plan; the oldest was undone by the newest but one.
    const of = (i, kind) => (7000000 + 10 * i + kind).toString(16).padStart(32, '0');
    const details = (i) => `{"restored":["files"],"restore_id":"r${i}","sources":null}`;
    const add = (id, told, said, age) => {
        catalog(`INSERT INTO runs (id, job_id, attempt, set_name, kind, state, cause, requested_by, created_ns, started_ns, ended_ns, bytes, bytes_added, files, details)
            VALUES ('${id}', '${id}', 1, 'history', 'restore', 'success', 'api', 'ann', ${now - age}, ${now - age}, ${now - age + 1000n}, 0, 0, 0, '${said}')`);
        catalog(`INSERT INTO jobs (id, run_id, kind, set_name, arguments, cause, requested_by, state, priority, not_before_ns, attempts, attempts_max, backoff_ms, interruptions, fence, created_ns, ended_ns)
            VALUES ('${id}', '${id}', 'restore', 'history', '${told}', 'api', 'ann', 'done', 0, 0, 1, 1, 0, 0, 1, ${now - age}, ${now - age + 1000n})`);
    };
    for (let i = 1; i <= 60; i++) {
        const age = BigInt(i) * 3600000000000n;
        add(of(i, 1), '{"in_place":true,"snapshot":"ab12cd34"}', details(i), age);
        add(of(i, 2), '{"plan":true,"snapshot":"ab12cd34"}', '{"sources":[]}', age + 1000000000n);
    }
    add(of(0, 3), '{"restore":"r60"}', '{"phase":"undone","restore_id":"r60"}', 5000000000n);
    await at(page, '#/restores');
    const list = page.getByRole('region', { name: 'Restores', exact: true });
    await list.getByRole('row').nth(10).waitFor();
    for (let i = 0; i < 6 && await button('Show older ones').count() > 0; i++) {
        await button('Show older ones').click();
        await becomes(() => page.locator('button:disabled').count(), 0, 'buttons that wait for older ones');
    }
    await becomes(() => list.locator('table').getAttribute('aria-rowcount'), String(60 + 1 + 1), 'rows');
    await list.getByRole('row').last().getByRole('link', { name: 'undone' }).waitFor();
    await at(page, `#/restores/${of(60, 1)}`);
    await page.getByText('and that was undone').waitFor();
    assert.equal(await button('Undo the restore').count(), 0);
    await at(page, `#/restores/${of(0, 3)}`);
    await page.getByRole('link', { name: 'The restore that it was about' }).click();
    await page.waitForURL(new RegExp(of(60, 1)));
    await page.getByText('and that was undone').waitFor();
    await at(page, '#/');
    await page.waitForLoadState();
    catalog('DELETE FROM jobs WHERE requested_by = \'ann\'');
    catalog('DELETE FROM runs WHERE requested_by = \'ann\'');
});

await test('the menu is one row from 1100 pixels on, in both languages', async () => {
    await at(page, '#/');
    for (const language of ['de', 'en']) {
        await page.locator('header select').selectOption(language);
        for (const width of [1100, 1279, 1280, 1599, 1600, 1920, 1099, 800, 390]) {
            await resize(page, width, 800);
            await page.locator('.live:not(.off)').waitFor({ state: 'attached' });
            const tops = await page.locator('header nav a').evaluateAll((all) => all.map((one) => one.getBoundingClientRect().top));
            const [height, content] = await page.evaluate(() => [document.querySelector('header').offsetHeight, document.documentElement.scrollWidth]);
            assert.equal(new Set(tops).size, 1, `${language} ${width}`);
            assert(content <= width, `${language} ${width}: ${content} wide`);
            if (width === 1100 || width === 1280) await page.screenshot({ path: `${SCREENSHOTS}/menu-${language}-${width}.png`, clip: { x: 0, y: 0, width, height: 120 } });
            const parts = await page.locator('header > *').evaluateAll((all) => all.map((one) => Math.round(one.getBoundingClientRect().width)));
            if (width >= 1100) assert(height < 60, `${language} ${width}: ${height} high, of parts of ${parts}`);
        }
    }
    await resize(page, 1280, 860);
});

await finish();
