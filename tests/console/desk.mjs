// What every case needs: the service, a browser that tells what no page may do, a login, and the count of tests.
// A case is a file [0-9]*.mjs: it imports this, tests, and ends with finish(); run.sh gives each a new service.
import assert from 'node:assert';
import { spawn, execFileSync } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const { HOLDFAST, PORT } = process.env;
export const { SCREENSHOTS, WORK } = process.env;
const load = createRequire(`${WORK}/console/package.json`);
const { chromium } = load('playwright-core');
const axe = readFileSync(load.resolve('axe-core/axe.min.js'), 'utf8');
export const origin = `http://127.0.0.1:${PORT}`;
export const PASSWORD = 'correct horse battery';
export const WAIT_MS = 60000; // for what takes a moment, on a machine with other work to do

// The service

let service;
let told = '';
let complained = '';
export async function startService() {
    service = spawn(HOLDFAST, ['serve'], { cwd: WORK, stdio: ['ignore', 'pipe', 'pipe'] });
    service.stdout.on('data', (bytes) => (told += bytes));
    service.stderr.on('data', (bytes) => (complained += bytes));
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
export const firstPassword = () => /first login: user admin, password (\S+)/.exec(told)[1];

// A statement on the catalog, for what would take too long to wait for.
export const catalog = (statement) => execFileSync('/usr/bin/python3', ['-c',
    'import sqlite3, sys\nwith sqlite3.connect(sys.argv[1], timeout=60) as db: db.execute(sys.argv[2])', `${WORK}/state/catalog.db`, statement]);

export function totp(secret) {
    const bits = [...secret].map((c) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(c).toString(2).padStart(5, '0')).join('');
    const key = Buffer.from(bits.match(/.{8}/g).map((eight) => parseInt(eight, 2)));
    const counter = Buffer.alloc(8);
    counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000)));
    const digest = createHmac('sha1', key).update(counter).digest();
    return String((digest.readUInt32BE(digest[19] & 15) & 0x7fffffff) % 1000000).padStart(6, '0');
}

// The browser

const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage'] });
let last; // page that was opened
const faults = []; // what no page may ever do
let expectsRefusals = false;

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
        if (message.type() === 'error' && !(isRefusal && expectsRefusals)) faults.push(`console: ${message.text()} ${message.location().url}`);
    });
    page.on('request', (request) => { if (!request.url().startsWith(origin)) faults.push(`outside: ${request.url()}`); });
    await context.exposeFunction('violated', (text) => faults.push(`policy: ${text}`));
    await context.addInitScript(() => document.addEventListener('securitypolicyviolation',
        (event) => window.violated(`${event.violatedDirective} ${event.blockedURI}`)));
    return page;
}

export async function at(page, hash) {
    await page.goto(`${origin}/${hash}`);
    await page.locator('h1').waitFor();
}

// No violation that axe finds, in both themes, and a picture of each; nothing beyond the right edge of a phone.
export async function examine(page, name) {
    await page.evaluate(axe);
    for (const theme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: theme });
        await page.waitForFunction((wanted) => document.documentElement.dataset.theme === wanted, theme);
        await page.screenshot({ path: `${SCREENSHOTS}/${name}-${theme}.png` });
        const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
        const violations = found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(' ')}`);
        assert(violations.length === 0, `${name}, ${theme}: ${violations.join('\n')}`);
    }
    await page.setViewportSize({ width: 390, height: 800 });
    await page.screenshot({ path: `${SCREENSHOTS}/${name}-phone.png` });
    const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert(content <= width, `${name} is ${content} wide on a phone`);
    await page.setViewportSize({ width: 1280, height: 860 });
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
    await enterFirst(page, 'admin', firstPassword());
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
    }
    expectsRefusals = false;
}

// Stops everything and ends the process with what the tests said.
export async function finish() {
    await browser.close();
    await stopService();
    isOver = false;
    await test('the service has no complaint about what the page asked', () => assert.doesNotMatch(complained, /^error: (GET|POST|http)/m));
    console.log(`${passed} passed, ${failed} failed`);
    process.exit(failed === 0 ? 0 : 1);
}
