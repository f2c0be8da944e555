// What every case needs: the service, a browser that tells what no page may do, a login, and the count of tests.
// A case is a file [0-9]*.mjs: it imports this, tests, and ends with finish(); run.sh gives each a new service.
import assert from 'node:assert';
import { spawn, execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { openSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect, isDeepStrictEqual } from 'node:util';

const { HOLDFAST, PORT } = process.env;
export const { SCREENSHOTS, WORK } = process.env;
const load = createRequire(`${WORK}/console/package.json`);
const { chromium } = load('playwright-core');
const axe = readFileSync(load.resolve('axe-core/axe.min.js'), 'utf8');
export const origin = `http://127.0.0.1:${PORT}`;
export const PASSWORD = 'correct horse battery';
export const WAIT_MS = 60000; // for what takes a moment, on a machine with other work to do
const SLOW = Number(process.env.SLOW || 1); // so many times slower is the browser made
const DELAY_MS = 300; // and a request takes up to this much longer then
const TASK_MS = 100;

// The service

let service;
// Into files: jobs outlive the service and have them open, too.
const [told, complained] = ['told', 'complained'].map((name) => ({ fd: openSync(`${WORK}/service.${name}`, 'w'), text: () => readFileSync(`${WORK}/service.${name}`, 'utf8') }));
export async function startService() {
    service = spawn(HOLDFAST, ['serve'], { cwd: WORK, stdio: ['ignore', told.fd, complained.fd] });
    for (let left = 600; ; left--) {
        assert(left > 0 && service.exitCode === null, 'the service does not come up');
        if (await fetch(`${origin}/readyz`).then((answer) => answer.ok, () => false)) return;
        await sleep(200);
    }
}
export async function stopService() {
    const ended = new Promise((resolve) => service.once('exit', resolve));
    service.kill('SIGTERM');
    await ended;
}
export async function firstPassword() {
    const found = () => /first login: user admin, password (\S+)/.exec(told.text())?.[1];
    await becomes(found, (password) => password !== undefined);
    return found();
}

// What no test can wait for by an event: waits until what is read is as expected, or as it says, and tells what it was last if it never is.
export async function becomes(read, expected, what = String(read)) {
    const isIt = typeof expected === 'function' ? expected : (value) => isDeepStrictEqual(value, expected);
    for (const end = Date.now() + WAIT_MS; ; await sleep(50)) {
        const value = await read();
        if (isIt(value)) return;
        if (Date.now() > end) assert.fail(`${what}: ${inspect(value)}, and not ${typeof expected === 'function' ? expected : inspect(expected)}`);
    }
}

// A statement on the catalog, for what would take too long to wait for.
export const catalog = (statement) => execFileSync('/usr/bin/python3', ['-c',
    'import sqlite3, sys\nwith sqlite3.connect(sys.argv[1], timeout=60) as db: db.execute(sys.argv[2])', `${WORK}/state/catalog.db`, statement]);

// As if the proof of the login were of now, however long the tests before took.
export const proveNow = () => catalog(`UPDATE sessions SET stepped_up_ns = ${Date.now()}000000`);

export function totp(secret) {
    const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
    const key = Buffer.from(bits.match(/.{8}/g).map((eight) => parseInt(eight, 2)));
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)));
    const digest = createHmac('sha1', key).update(counter).digest();
    return String((digest.readUInt32BE(digest[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0');
}

// The browser

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'], timeout: WAIT_MS });
let last; // page that was opened
const faults = []; // what no page may ever do
let expectsRefusals = false;
const expected = new Set(); // addresses that were asked last while refusals were expected; the console may tell of them later

// Failing requests are part of the flow of this test.
export function expectRefusals() {
    expectsRefusals = true;
}

export async function newPage(options = {}) {
    const context = await browser.newContext({ locale: 'en-GB', timezoneId: 'Europe/Berlin', viewport: { width: 1280, height: 860 }, ...options });
    const page = await context.newPage();
    last = page;
    page.setDefaultTimeout(WAIT_MS);
    page.on('pageerror', (error) => faults.push(`error: ${error.message}`));
    page.on('dialog', (dialog) => { faults.push(`dialog: ${dialog.message()}`); void dialog.dismiss(); });
    page.on('console', (message) => {
        const isRefusal = /Failed to load resource|net::ERR/.test(message.text());
        if (message.type() === 'error' && !(isRefusal && (expectsRefusals || expected.has(message.location().url)))) faults.push(`console: ${message.text()} ${message.location().url}`);
    });
    page.on('request', (request) => {
        if (!request.url().startsWith(origin)) faults.push(`outside: ${request.url()}`);
        if (expectsRefusals) expected.add(request.url());
        else expected.delete(request.url());
    });
    await context.exposeFunction('violated', (text) => faults.push(`policy: ${text}`));
    await context.addInitScript(() => document.addEventListener('securitypolicyviolation',
        (event) => window.violated(`${event.violatedDirective} ${event.blockedURI}`)));
    if (SLOW > 1) {
        await context.route('**', async (route) => {
            await sleep(Math.random() * DELAY_MS);
            await route.fallback().catch(() => {}); // the page may be gone
        });
        await (await context.newCDPSession(page)).send('Emulation.setCPUThrottlingRate', { rate: SLOW });
    }
    return page;
}

// Goes to a page, and comes back when it is drawn: that of before has a heading too.
export async function at(page, hash) {
    if (!page.url().startsWith(`${origin}/`)) await page.goto(`${origin}/${hash}`);
    else {
        await page.evaluate((to) => new Promise((drawn) => {
            if (new URL(to, location).hash === location.hash) return drawn();
            addEventListener('hashchange', () => setTimeout(drawn), { once: true });
            location.hash = to;
        }), hash);
    }
    await page.locator('h1').waitFor();
}

// Answers that match are on the way until the function is called that this returns; the service has done what was asked by then.
export async function hold(page, pattern) {
    const underWay = new Set();
    let letGo;
    const isOver = new Promise((resolve) => (letGo = resolve));
    const handle = async (route) => {
        const answer = await route.fetch({ timeout: WAIT_MS });
        await isOver;
        await route.fulfill({ response: answer }).catch(() => {}); // who asked may be gone
    };
    const keep = (route) => {
        const one = handle(route).finally(() => underWay.delete(one));
        underWay.add(one);
        return one;
    };
    await page.route(pattern, keep);
    return async () => {
        letGo();
        await Promise.all(underWay);
        await page.unroute(pattern, keep);
    };
}

export async function resize(page, width, height) {
    await page.setViewportSize({ width, height });
    await becomes(() => page.evaluate(() => innerWidth), width);
}

// Scrolls a long table, until rows stand where it was scrolled to.
export async function scroll(table, share) {
    await table.evaluate((box, to) => (box.scrollTop = box.scrollHeight * to), share);
    await becomes(() => table.evaluate((box) => {
        const seen = box.getBoundingClientRect();
        return [...box.querySelectorAll('tr.gap')].every((gap) => gap.getBoundingClientRect().bottom <= seen.top || gap.getBoundingClientRect().top >= seen.bottom);
    }), true, `rows at ${share} of the table`);
}

// The longest task of a page since it is watched.  The bar is for a machine with nothing else to do: ten times as much fails.
export async function watchTasks(page) {
    await page.evaluate(() => {
        window.tasks = [];
        window.watch ??= new PerformanceObserver((list) => window.tasks.push(...list.getEntries()));
        window.watch.observe({ type: 'longtask' });
    });
}
export async function longestTask(page, what) {
    const ms = await page.evaluate(() => Math.round(Math.max(0, ...[...window.tasks, ...window.watch.takeRecords()].map((one) => one.duration))));
    console.log(`    longest task, ${what}: ${ms} ms`);
    assert(ms < 10 * TASK_MS * SLOW, `${what} took ${ms} ms`);
}

// No violation that axe finds, in both themes, and a picture of each; nothing beyond the right edge of a phone.
export async function examine(page, name) {
    await becomes(() => page.locator('[aria-busy=true]').count(), 0, `parts of ${name} that wait`);
    await page.evaluate(axe);
    for (const theme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: theme });
        await page.waitForFunction((wanted) => document.documentElement.dataset.theme === wanted, theme);
        await page.screenshot({ path: `${SCREENSHOTS}/${name}-${theme}.png` });
        const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        const violations = found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
        assert(violations.length === 0, `${name}, ${theme}: ${violations.join('\n')}`);
    }
    await resize(page, 390, 800);
    await becomes(() => page.evaluate(() => document.documentElement.scrollWidth), (width) => width <= 390, `width of ${name} on a phone`);
    await page.screenshot({ path: `${SCREENSHOTS}/${name}-phone.png` });
    await resize(page, 1280, 860);
}

// The first login of somebody with the password that was made for it; PASSWORD is his own then.
export async function enterFirst(page, name, made) {
    await page.goto(origin);
    await page.getByLabel('Name').fill(name);
    await page.getByLabel('Password').fill(made);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByLabel('Present password').fill(made);
    await page.getByLabel('New password', { exact: false }).first().fill(PASSWORD);
    await page.getByLabel('New password once more').fill(PASSWORD);
    await page.getByRole('button', { name: 'Save' }).click();
}

// The first login of a new service through the page: its password, a second factor; returns what the administrator keeps.
export async function enter(page) {
    await enterFirst(page, 'admin', await firstPassword());
    const secret = (await page.locator('.secret code').innerText()).replaceAll(' ', '');
    await page.getByLabel('Code that the program shows now').fill(totp(secret));
    await page.getByRole('button', { name: 'Confirm' }).click();
    await page.locator('.codes li').first().waitFor();
    const recovery = await page.locator('.codes li').allInnerTexts();
    await page.getByRole('button', { name: 'I have kept them' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    return { secret, recovery };
}

// The tests

let passed = 0;
let failed = 0;
let isOver = false;

// Runs one test; without one that is needed nothing after it is tried.
export async function test(name, run, { isNeeded = false } = {}) {
    if (isOver) return;
    faults.length = 0;
    try {
        await run();
        assert.deepEqual(faults, [], `what no page may do: ${faults.join('; ')}`);
        passed++;
        console.log(`ok: ${name}`);
    } catch (error) {
        failed++;
        isOver = isNeeded;
        console.log(`FAILED: ${name}\n${error.stack}`);
        await last?.screenshot({ path: `${SCREENSHOTS}/failed-${basename(process.argv[1], '.mjs')}-${failed}.png` }).catch(() => {});
        await last?.unrouteAll({ behavior: 'ignoreErrors' }); // what it held back
    }
    expectsRefusals = false;
}

// Stops everything and ends the process with what the tests said.
export async function finish() {
    await browser.close();
    await stopService();
    isOver = false;
    await test('the service has no complaint about what the page asked', () => assert.doesNotMatch(complained.text(), /^error: (GET|POST|http)/m));
    console.log(`${passed} passed, ${failed} failed`);
    process.exit(failed === 0 ? 0 : 1);
}
