// SPDX-License-Identifier: MIT
//
// toxi.js CASE - drive penstock with toxiproxy's Node client, unchanged, and
// look at what a program behind it sees.
//
// Runs in the gateway's namespace.  Environment: TOXI_URL (of the API),
// TOXI_CLIENT (namespace of the program), TOXI_WEB (http://ADDRESS), TOXI_TMP,
// NODE_PATH.
'use strict';

const assert = require('node:assert/strict');
const { execFile } = require('node:child_process');
const fs = require('node:fs');
const http = require('node:http');
const { Toxiproxy } = require('toxiproxy-node-client');

const { TOXI_URL, TOXI_CLIENT, TOXI_WEB, TOXI_TMP } = process.env;
const toxiproxy = new Toxiproxy(TOXI_URL);

// A program on the client: its exit status and what it printed.
function run(...command) {
	return new Promise((resolve) => {
		execFile('ip', ['netns', 'exec', TOXI_CLIENT, ...command],
			{ encoding: 'latin1' }, (err, out, said) => {
				resolve({ code: err ? err.code : 0, out, said });
			});
	});
}

// GET a file; headers are in .body, too, when asked for.
let serial = 0;
async function get(name, ...options) {
	const file = `${TOXI_TMP}/toxi.${process.pid}.${serial++}`;
	const r = await run('curl', '-sS', '--max-time', '40', '-o', file,
		'-w', '%{http_code} %{time_total}', ...options,
		`${TOXI_WEB}/${name}`);
	const [status, seconds] = r.out.split(' ').map(Number);
	const body = fs.existsSync(file) ? fs.readFileSync(file) : Buffer.alloc(0);

	fs.rmSync(file, { force: true });
	return { code: r.code, said: r.said, status, ms: seconds * 1000, body };
}

const EXIT = { refused: 7, partial: 18, empty: 52, reset: 56 };
const CODES = { 0: 'well' };
for (const [name, code] of Object.entries(EXIT))
	CODES[code] = name;

function ended(r, how) {
	const got = CODES[r.code] || `exit ${r.code}`;

	assert.equal(got, how, r.said);
}

function served(r, name) {
	ended(r, 'well');
	assert.equal(r.status, 200);
	assert.ok(r.body.equals(fs.readFileSync(`${TOXI_TMP}/www/${name}`)),
		'the file is as the server has it');
}

async function refused(promise, status) {
	await assert.rejects(promise, (e) => {
		assert.match(e.message, new RegExp(`status code ${status}`));
		return true;
	});
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what, test) {
	for (const end = Date.now() + 10000; !await test();) {
		assert.ok(Date.now() < end, `${what} does not come`);
		await sleep(50);
	}
}

function connected() {
	return until('the connection', async () => (await run('ss', '-Htn',
		'state', 'established', 'dport = :80')).out);
}

// Add a toxic, do something, remove it.
async function during(type, attributes, more, fn) {
	const web = await toxiproxy.get('web');
	const toxic = await web.addToxic({ type, attributes, ...more });

	try {
		return await fn(toxic);
	} finally {
		await toxic.remove();
	}
}

// A plain request, for what the client never does.
function request(method, path, headers, body) {
	return new Promise((resolve, reject) => {
		const req = http.request(TOXI_URL + path, { method, headers },
			(res) => {
				let text = '';

				res.on('data', (d) => { text += d; });
				res.on('end', () => resolve(
					{ status: res.statusCode, text }));
			});

		req.on('error', reject);
		req.end(body);
	});
}

const cases = {
	// --- every call of the client -----------------------------------------

	async proxies() {
		const version = await toxiproxy.getVersion();
		const all = await toxiproxy.getAll();

		assert.match(version.data.version, /^[0-9]+\.[0-9]+\.[0-9]+$/);
		assert.deepEqual(Object.keys(all).sort(), ['db', 'web']);
		assert.match(all.web.listen, /:80$/);
		assert.equal(all.web.upstream, all.web.listen);
		assert.equal(all.web.enabled, true);
		for (let i = 0; i < 2; i++) {
			const made = await toxiproxy.createProxy({ name: 'web',
				listen: 'localhost:0', upstream: 'localhost:80' });

			assert.equal(made.listen, all.web.listen);
		}
		const some = await toxiproxy.populate([
			{ name: 'web', listen: all.web.listen,
				upstream: all.web.upstream },
			{ name: 'db', listen: '', upstream: 'x:1' }]);

		assert.deepEqual(Object.keys(some), ['web', 'db']);
		await (await toxiproxy.get('web')).remove();
		assert.equal((await toxiproxy.get('web')).name, 'web');
		await refused(toxiproxy.get('none'), 404);
		await refused(toxiproxy.createProxy({ name: 'none',
			listen: 'a:1', upstream: 'b:1' }), 400);
		await refused(toxiproxy.createProxy({ name: 'web',
			listen: '192.0.2.1:80', upstream: 'b:1' }), 409);
		await refused((await toxiproxy.get('web')).update({
			enabled: true, listen: all.web.listen,
			upstream: 'localhost:1' }), 409);
		await (await toxiproxy.get('web')).update({ enabled: true,
			listen: all.web.listen, upstream: all.web.upstream });
	},

	async toxics() {
		const web = await toxiproxy.get('web');
		const toxic = await web.addToxic({ type: 'latency',
			attributes: { latency: 100, jitter: 10 } });

		assert.deepEqual(toxic.toJson(), { name: 'latency_downstream',
			type: 'latency', stream: 'downstream', toxicity: 1,
			attributes: { latency: 100, jitter: 10 } });
		const again = await web.getToxic('latency_downstream');

		assert.deepEqual(again.toJson(), toxic.toJson());
		await refused(web.addToxic({ type: 'latency' }), 409);
		const changed = await toxic.update({ toxicity: 0.5,
			attributes: { latency: 200 } });

		assert.deepEqual(changed.attributes, { latency: 200, jitter: 10 });
		assert.equal(changed.toxicity, 0.5);
		await web.addToxic({ type: 'bandwidth', stream: 'upstream',
			name: 'a name with spaces', attributes: { rate: 5 } });
		const all = JSON.parse((await request('GET', '/proxies')).text);

		assert.deepEqual(all.web.toxics.map((t) => t.name),
			['a name with spaces', 'latency_downstream']);
		assert.deepEqual(all.db.toxics, []);
		await toxic.remove();
		await refused(toxic.remove(), 404);
		await refused(web.getToxic('latency_downstream'), 404);
		await refused(web.addToxic({ type: 'nonsense' }), 400);
		await refused(web.addToxic({ type: 'loss',
			attributes: { percent: 101 } }), 400);
		await toxiproxy.reset();
		await refused(web.getToxic('a name with spaces'), 404);
	},

	// --- what the program sees --------------------------------------------

	async latency() {
		const one = await during('latency', { latency: 700, jitter: 0 }, {},
			() => get('f1024'));

		served(one, 'f1024');
		assert.ok(one.ms >= 700, `${one.ms} ms`);
		await during('latency', { latency: 400 }, {}, async () => {
			const both = await during('latency', { latency: 400 },
				{ stream: 'upstream' }, () => get('f1024'));

			served(both, 'f1024');
			assert.ok(both.ms >= 800, `${both.ms} ms`);
		});
	},

	async bandwidth() {
		const r = await during('bandwidth', { rate: 100 }, {},
			() => get('f200000'));

		served(r, 'f200000');
		assert.ok(r.ms >= 1700, `${r.ms} ms`);
	},

	// Nothing passes while it is there; the living connection feels that it
	// goes.
	async living() {
		const r = await during('bandwidth', { rate: 0 }, {}, async () => {
			const promise = get('f200000');

			await connected();
			await sleep(500);
			return { promise };
		});

		served(await r.promise, 'f200000');
		assert.ok((await r.promise).ms >= 500);
	},

	// One that lives already when the toxic comes.
	async joins() {
		const web = await toxiproxy.get('web');
		const slow = await web.addToxic({ type: 'bandwidth',
			attributes: { rate: 20 } });
		const r = get('f200000');

		await connected();
		const cut = await web.addToxic({ type: 'limit_data',
			attributes: { bytes: 1000 } });

		ended(await r, 'partial');
		await cut.remove();
		await slow.remove();
	},

	async update() {
		await during('bandwidth', { rate: 1 }, {}, async (toxic) => {
			const r = get('f200000');

			await connected();
			await toxic.update({ attributes: { rate: 100000 } });
			served(await r, 'f200000');
		});
	},

	async slicer() {
		const r = await during('slicer', { average_size: 1000,
			size_variation: 100, delay: 20000 }, {}, () => get('f20000'));

		served(r, 'f20000');
		assert.ok(r.ms >= 300, `${r.ms} ms`);
	},

	async limit_data() {
		const r = await during('limit_data', { bytes: 10000 }, {},
			() => get('f200000', '--include', '--raw'));

		ended(r, 'partial');
		assert.equal(r.body.length, 10000);
	},

	async timeout() {
		const r = await during('timeout', { timeout: 600 }, {},
			() => get('f1024'));

		ended(r, 'empty');
		assert.ok(r.ms >= 600, `${r.ms} ms`);
	},

	async timeout_removed() {
		const r = await during('timeout', { timeout: 0 }, {}, async () => {
			const promise = get('f1024');

			await connected();
			await sleep(200);
			return { promise };
		});

		ended(await r.promise, 'empty');
	},

	async reset_peer() {
		ended(await during('reset_peer', { timeout: 0 }, {},
			() => get('f1024')), 'reset');
		const late = await during('reset_peer', { timeout: 500 },
			{ stream: 'upstream' }, () => get('f1024'));

		ended(late, 'reset');
		assert.ok(late.ms >= 500, `${late.ms} ms`);
		ended(await during('reset_peer', { after: 'byte:5000' }, {},
			() => get('f200000')), 'reset');
	},

	async slow_close() {
		const t0 = Date.now();
		const host = new URL(TOXI_WEB).hostname;
		const r = await during('slow_close', { delay: 900 }, {},
			() => run('sh', '-c', `printf 'GET /f1024 HTTP/1.0\\r\\n\\r\\n' |
				socat -t 30 - 'TCP:${host}:80'`));

		assert.equal(r.code, 0);
		assert.ok(r.out.length > 1024);
		assert.ok(Date.now() - t0 >= 900);
	},

	async down() {
		const web = await toxiproxy.get('web');
		const toxic = await web.addToxic({ type: 'bandwidth',
			attributes: { rate: 1 } });
		const living = get('f200000');

		await connected();
		await sleep(300);
		let now = await web.update({ enabled: false });

		assert.equal(now.enabled, false);
		assert.ok(['partial', 'empty'].includes(CODES[(await living).code]));
		ended(await get('f1024'), 'refused');
		assert.equal((await toxiproxy.get('web')).enabled, false);
		assert.equal((await toxiproxy.get('db')).enabled, true);
		await toxic.remove();
		now = await web.update({ enabled: true });
		assert.equal(now.enabled, true);
		served(await get('f1024'), 'f1024');
		await web.update({ enabled: false });
		await toxiproxy.reset();
		served(await get('f1024'), 'f1024');
	},

	async toxicity() {
		served(await during('reset_peer', { timeout: 0 }, { toxicity: 0 },
			() => get('f1024')), 'f1024');
		const codes = new Set();

		await during('reset_peer', { timeout: 0 }, { toxicity: 0.5 },
			async () => {
				for (let i = 0; i < 40; i++)
					codes.add((await get('f1024')).code);
			});
		assert.deepEqual([...codes].sort(), [0, EXIT.reset]);
	},

	// What toxiproxy does not have.
	async penstock() {
		ended(await during('refuse', { with: 'rst' }, {},
			() => get('f1024')), 'refused');
		served(await during('loss', { percent: 5 }, {},
			() => get('f200000')), 'f200000');
		ended(await during('refuse', { conn: '2', scope: 'new' }, {}, async () => {
			served(await get('f1024'), 'f1024');
			return get('f1024');
		}), 'refused');
	},

	// A web page in a browser on the gateway.
	async browsers() {
		for (const [headers, status] of [
			[{ 'User-Agent': 'Mozilla/5.0' }, 403],
			[{ Origin: 'http://192.0.2.1' }, 403],
			[{ 'Sec-Fetch-Site': 'cross-site' }, 403],
			[{ Host: 'attacker.example:8474' }, 403],
			[{ 'Content-Type': 'text/plain' }, 415],
			[{ 'Content-Type': 'application/x-www-form-urlencoded' }, 200],
			[{}, 200]]) {
			const r = await request('POST', '/proxies/web', headers, '{}');

			assert.equal(r.status, status, JSON.stringify(headers));
		}
		served(await get('f1024'), 'f1024');
	},
};

cases[process.argv[2]]().catch((e) => {
	console.error(e);
	process.exitCode = 1;
});
