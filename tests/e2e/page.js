// SPDX-License-Identifier: MIT
//
// page.js CASE - open the page in Debian's Chromium and use it as an operator
// would, while packets flow.
//
// Runs in the gateway's namespace; page.sh sets the environment.
'use strict';

const assert = require('node:assert/strict');
const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const { chromium } = require('playwright-core');

const E = process.env;
const CHROMIUM = '/usr/bin/chromium';
const LIMIT = { timeout: 120000 };

// --- the machine around it --------------------------------------------------

function run(...command) {
	return new Promise((resolve) => {
		execFile(command[0], command.slice(1), { maxBuffer: 1 << 26 },
			(err, out, said) => resolve(
				{ code: err ? err.code : 0, out, said }));
	});
}

const onClient = (...command) =>
	['ip', 'netns', 'exec', E.PAGE_CLIENT, ...command];

async function ctl(...words) {
	const r = await run(E.PAGE_CTL, '-S', E.PAGE_SOCKET, '-j', ...words);

	assert.equal(r.code, 0, r.said);
	return JSON.parse(r.out);
}

// The counters of all services together, as penstockctl tells them.
async function counters() {
	const sums = {};

	for (const m of await ctl('ask', '{"cmd":"counters"}'))
		sums[m.name] = (sums[m.name] || 0) + m.value;
	return sums;
}

const curl = (name, ...options) => run(...onClient('curl', '-s', '--max-time',
	'30', '-o', '/dev/null', ...options, `${E.PAGE_WEB}/${name}`));

async function until(what, fn) {
	const end = Date.now() + LIMIT.timeout;

	for (;;) {
		const got = await fn();

		if (got)
			return got;
		assert.ok(Date.now() < end, `never: ${what}`);
		await new Promise((done) => setTimeout(done, 100));
	}
}

// --- the browser ------------------------------------------------------------

const seen = { errors: [], requests: [] };

async function open(options = {}) {
	const browser = await chromium.launch({ executablePath: CHROMIUM,
		args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
	const context = await browser.newContext(
		{ viewport: { width: 1280, height: 900 }, ...options });
	const page = await context.newPage();

	page.setDefaultTimeout(LIMIT.timeout);
	page.on('console', (m) => {
		if (m.type() === 'error')
			seen.errors.push(m.text());
	});
	page.on('pageerror', (e) => seen.errors.push(String(e)));
	page.on('request', (r) => seen.requests.push(r.url()));
	await page.addInitScript(() => {
		window.violations = [];
		document.addEventListener('securitypolicyviolation',
			(e) => window.violations.push(`${e.violatedDirective} ` +
				`${e.blockedURI}`));
	});
	await page.goto(E.PAGE_URL);
	return { browser, page };
}

async function enter(page, token = E.PAGE_TOKEN) {
	await page.getByLabel('Token of this gateway').fill(token);
	await page.getByRole('button', { name: 'Open' }).click();
}

const opened = (page) =>
	page.locator('#board').waitFor({ state: 'visible' });

// What must hold at the end of each case.  expected: errors that belong to it.
async function close({ browser, page }, expected = /^$/) {
	const violations = await page.evaluate(() => window.violations);
	const elsewhere = seen.requests.filter((url) =>
		new URL(url).host !== new URL(E.PAGE_URL).host);

	await browser.close();
	assert.deepEqual(violations, [], 'violations of the policy');
	assert.deepEqual(elsewhere, [], 'requests to elsewhere');
	assert.ok(seen.requests.length > 5, 'requests were seen');
	assert.deepEqual(seen.errors.filter((e) => !expected.test(e)), [],
		'errors on the console');
}

const shot = (page, name) => page.screenshot(
	{ path: `${E.PAGE_SHOTS}/${name}-v${E.PAGE_FAMILY}.png`, fullPage: true });

// The whole number in the line below a tile's value.
async function total(page, key) {
	const text = await page.locator(`#tiles [data-key=${key}] .below`)
		.textContent();

	return Number(text.match(/[0-9][0-9,]*/)[0].replaceAll(',', ''));
}

const value = (page, key) =>
	page.locator(`#tiles [data-key=${key}] .value`).textContent();

// --- the flood --------------------------------------------------------------

const COOKIES = 'TcpExtSyncookiesSent';

// What the page says lies between what penstockctl says before and after.
async function sameAsCtl(page, key, name) {
	const before = (await counters())[name] || 0;

	await until(`${key} of the page reaches ${before}`,
		async () => await total(page, key) >= before);
	const shown = await total(page, key);
	const after = (await counters())[name] || 0;

	assert.ok(shown <= after, `${key}: ${shown} shown, ${after} in truth`);
	assert.ok(shown > 0, `${key}: 0`);
}

async function dropsAsCtl(page) {
	const shown = async () => Object.fromEntries(await page
		.locator('#drops tbody tr').evaluateAll((rows) => rows.map((r) =>
			[`drop_${r.cells[0].textContent.replaceAll(' ', '_')}`,
				Number(r.cells[2].textContent.replaceAll(',', ''))])));

	await until('drops are as penstockctl tells', async () => {
		const now = await shown();
		const truth = await counters();

		return now.drop_no_flow > 0 && Object.keys(now).every(
			(name) => now[name] === truth[name]);
	});
}

async function widths(page) {
	for (const width of [360, 768, 1280]) {
		await page.setViewportSize({ width, height: 780 });
		const [scroll, inner] = await until('it has the new width',
			async () => {
				const got = await page.evaluate(() => [
					document.documentElement.scrollWidth,
					window.innerWidth]);

				return got[1] === width && got;
			});

		assert.ok(scroll <= inner, `${width} px: ${scroll} px of text`);
		await until('charts fit', () => page.evaluate(() =>
			[...document.querySelectorAll('.plot')].every((p) =>
				p.firstElementChild.clientWidth <= p.clientWidth)));
		if (width === 360)
			await shot(page, 'narrow');
	}
}

async function pictures(page) {
	await page.emulateMedia({ colorScheme: 'light' });
	await shot(page, 'light');
	const light = await page.evaluate(() =>
		getComputedStyle(document.body).backgroundColor);
	await page.emulateMedia({ colorScheme: 'dark' });
	await shot(page, 'dark');
	assert.notEqual(light, await page.evaluate(() =>
		getComputedStyle(document.body).backgroundColor), 'a dark one');
}

// A download that its reader slows down: what is worst, and why.
async function worstShown(page) {
	const worst = page.locator('#worst li').first();

	await worst.waitFor();
	const who = await worst.locator('.who').textContent();
	const why = await ctl('why');

	assert.ok(why.some((w) => `${w.client} → ${w.server}` === who),
		`${who} is not in ${JSON.stringify(why)}`);
	assert.match(await worst.locator('.why').textContent(),
		/^The (client|server|path)/);
	await page.locator('#states tbody tr', { hasText: 'ESTABLISHED' }).waitFor();
}

async function flood() {
	const { browser, page } = await open();
	const slow = spawn('ip', onClient('curl', '-s', '--limit-rate', '20k', '-o',
		'/dev/null', `${E.PAGE_WEB}/f20000000`).slice(1));
	const packets = (kind, n) => onClient(E.PAGE_SYNFLOOD, '-i', 'up', '-d',
		E.PAGE_SERVER, '-p', '80', '-r', '2000', '-k', kind, '-t',
		String(n));
	const syns = spawn('ip', packets('syn', 600).slice(1));

	try {
		await enter(page);
		await opened(page);
		await run(...packets('ack', 1));
		await page.locator('#mood.bad').waitFor();
		await sameAsCtl(page, 'cookies', COOKIES);
		await sameAsCtl(page, 'syns', 'syn_packets');
		await until('SYNs a second', async () =>
			/^[1-9].*\/s$/.test(await value(page, 'syns')));
		await worstShown(page);
		await until('a legend tells of SYNs', async () => /^[1-9]/.test(
			await page.locator('#chart-flood b').first().textContent()));
		await pictures(page);
		await widths(page);
		await dropsAsCtl(page);
	} finally {
		syns.kill();
		slow.kill();
	}
	await close({ browser, page });
}

// --- faults -----------------------------------------------------------------

async function faultNames() {
	return (await ctl('fault', 'list')).map((f) => f.name);
}

async function refusedBy(name) {
	assert.deepEqual(await faultNames(), [name]);
	assert.equal((await curl('f1024')).code, 7, 'a connection is refused');
}

async function nothingLeft() {
	await until('the fault is gone', async () =>
		(await faultNames()).length === 0);
	assert.equal((await curl('f1024')).code, 0, 'connections work');
}

async function fault() {
	const { browser, page } = await open();
	const said = page.locator('#f-said');

	await enter(page);
	await opened(page);
	await page.getByLabel('Name').fill('no');
	await page.getByLabel('Type', { exact: true }).selectOption('refuse');
	await page.getByLabel('Keys of the type').fill('with=nonsense');
	await page.getByRole('button', { name: 'Add fault' }).click();
	await said.filter({ hasText: /^Not done: .*with/ }).waitFor();
	await page.getByLabel('Keys of the type').fill('with=rst');
	await page.getByRole('button', { name: 'Which connections?' }).click();
	await said.filter({ hasText: 'It would act on' }).waitFor();
	assert.deepEqual(await faultNames(), []);
	await page.getByRole('button', { name: 'Add fault' }).click();
	await said.filter({ hasText: 'Fault no is in force' }).waitFor();
	await refusedBy('no');
	const item = page.locator('#faults li');
	await item.filter({ hasText: /injected [1-9]/ }).waitFor();
	assert.match(await item.textContent(), /type=refuse .*removes itself in/);
	await page.emulateMedia({ colorScheme: 'light' });
	await shot(page, 'fault');
	await page.getByRole('button', { name: 'Remove fault no' }).click();
	await item.waitFor({ state: 'detached' });
	await nothingLeft();
	await close({ browser, page }, / 400 /);
}

// --- the keyboard alone -----------------------------------------------------

const focused = (page) => page.evaluate(() => {
	const e = document.activeElement;
	const style = getComputedStyle(e);

	return { id: e.id || e.getAttribute('aria-label') || e.textContent.trim(),
		seen: style.outlineStyle !== 'none' &&
			parseFloat(style.outlineWidth) >= 2 };
});

// Tab on until the element has the focus; each one on the way shows that it
// has it.
async function tabTo(page, id, key = 'Tab') {
	for (let i = 0; i < 30; i++) {
		await page.keyboard.press(key);
		const now = await focused(page);

		assert.ok(now.seen || now.id === 'content', `${now.id}: focus unseen`);
		if (now.id === id)
			return;
	}
	assert.fail(`${id} is not reached`);
}

const chosen = (page) => page.locator('#f-type').inputValue();

async function keyboard() {
	const { browser, page } = await open();

	assert.equal((await focused(page)).id, 'token', 'where typing begins');
	await page.keyboard.type(E.PAGE_TOKEN);
	await page.keyboard.press('Enter');
	await opened(page);
	await page.locator('#f-type option').nth(10).waitFor({ state: 'attached' });
	await tabTo(page, 'f-name');
	await page.keyboard.type('keys');
	await tabTo(page, 'f-type');
	for (let i = 0; i < 60 && await chosen(page) !== 'refuse'; i++)
		await page.keyboard.press('ArrowDown');
	await tabTo(page, 'f-keys');
	await page.keyboard.press('Control+A');
	await page.keyboard.type('with=rst');
	await page.keyboard.press('Enter');
	await page.locator('#faults li').waitFor();
	await refusedBy('keys');
	await tabTo(page, 'Remove fault keys', 'Shift+Tab');
	await page.keyboard.press('Enter');
	await page.locator('#faults li').waitFor({ state: 'detached' });
	await nothingLeft();
	assert.equal((await focused(page)).id, 'add-title',
		'the focus is not lost with the button');
	await tabTo(page, 'leave', 'Shift+Tab');
	await page.keyboard.press('Enter');
	assert.equal((await focused(page)).id, 'token');
	await close({ browser, page });
}

// --- the token, and a daemon that is gone -----------------------------------

async function wrong() {
	const { browser, page } = await open();
	const error = page.locator('#gate-error');

	await enter(page, `${E.PAGE_TOKEN.slice(1)}0`);
	await error.filter({ hasText: 'not the token' }).waitFor();
	await enter(page, '<img src=x onerror=alert(1)>');
	await error.filter({ hasText: 'not the token' }).waitFor();
	assert.equal(await page.locator('#board').isVisible(), false);
	assert.equal(await page.evaluate(() => sessionStorage.length), 0);
	await page.emulateMedia({ colorScheme: 'light' });
	await shot(page, 'token');
	await enter(page);
	await opened(page);
	await page.reload(); // this tab still has it
	await opened(page);
	await page.getByRole('button', { name: 'Forget token' }).click();
	await page.locator('#gate').waitFor();
	assert.equal(await page.evaluate(() => sessionStorage.length), 0);
	await close({ browser, page }, / 401 /);
}

async function lost() {
	const { browser, page } = await open();

	await enter(page);
	await opened(page);
	const pid = (await page.locator('#foot').textContent()).match(/Process \d+/);
	fs.writeFileSync(`${E.PAGE_TMP}/page.open`, '');
	await page.locator('#lost-text', { hasText: /^No numbers since .* Trying/ })
		.waitFor();
	await page.emulateMedia({ colorScheme: 'light' });
	await shot(page, 'lost');
	fs.writeFileSync(`${E.PAGE_TMP}/page.lost`, '');
	await page.locator('#lost').waitFor({ state: 'hidden' });
	await until('it shows another process', async () =>
		!(await page.locator('#foot').textContent()).includes(pid[0]));
	await close({ browser, page }, /ERR_/);
}

const cases = { flood, fault, keyboard, wrong, lost };

cases[process.argv[2]]().then(() => process.exit(0), (e) => {
	console.error(e, seen);
	process.exit(1);
});
