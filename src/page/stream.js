// SPDX-License-Identifier: MIT
// What is asked of the daemon, always with the token; and its stream of
// snapshots.  EventSource cannot send a header, so the stream is read by hand.

const KEY = "penstock-token";
const SILENT_MS = 15000; // then the connection is dead
const PAUSE_MAX_S = 10;

export const token = {
	get: () => sessionStorage.getItem(KEY) || "",
	set: (t) => sessionStorage.setItem(KEY, t),
	forget: () => sessionStorage.removeItem(KEY),
};

export class Refused extends Error {
	constructor(status, why) {
		super(why);
		this.status = status;
	}
}

function options(extra) {
	return {
		cache: "no-store", credentials: "omit", redirect: "error",
		...extra,
		headers: {Authorization: `Bearer ${token.get()}`,
			...(extra?.headers)},
	};
}

async function refusal(response) {
	const body = await response.json().catch(() => ({}));

	return new Refused(response.status,
		body.error || `the daemon answers ${response.status}`);
}

// The answer's JSON; throws Refused with the daemon's own words.
export async function ask(path, body) {
	const response = await fetch(path, options(body === undefined ? {} : {
		method: "POST",
		headers: {"Content-Type": "application/json"},
		body: JSON.stringify(body),
	}));

	if (!response.ok)
		throw await refusal(response);
	return response.json();
}

// The data of each event, until the stream ends.
async function* events(response, alive) {
	const reader = response.body.pipeThrough(new TextDecoderStream())
		.getReader();
	let rest = "";

	for (;;) {
		const {done, value} = await reader.read();

		if (done)
			return;
		alive();
		rest += value;
		const blocks = rest.split("\n\n");
		rest = blocks.pop();
		for (const b of blocks) {
			if (b.startsWith("data: "))
				yield JSON.parse(b.slice(6));
		}
	}
}

// Follow the daemon until stop().  on.snapshot(s); on.lost(why, seconds): tried
// again then; on.refused(why): the token is not the right one.
export class Stream {
	constructor(on) {
		this.on = on;
		this.tries = 0;
		this.stopped = true;
	}

	start() {
		this.stopped = false;
		this.tries = 0;
		this.run();
	}

	stop() {
		this.stopped = true;
		this.abort?.abort();
		clearTimeout(this.timer);
	}

	now() {
		clearTimeout(this.timer);
		this.run();
	}

	alive() {
		clearTimeout(this.watch);
		this.watch = setTimeout(() => this.abort.abort(), SILENT_MS);
	}

	async run() {
		if (this.running)
			return;
		this.running = true;
		this.abort = new AbortController();
		this.alive();
		try {
			await this.read(this.abort.signal);
			this.again("the daemon has ended the connection");
		} catch (e) {
			this.failed(e);
		} finally {
			clearTimeout(this.watch);
			this.running = false;
		}
	}

	async read(signal) {
		const response = await fetch("/api/events", options({signal}));

		if (!response.ok)
			throw await refusal(response);
		for await (const s of events(response, () => this.alive())) {
			this.tries = 0;
			this.on.snapshot(s);
		}
	}

	failed(e) {
		if (e instanceof Refused && e.status === 401)
			this.on.refused(e.message);
		else
			this.again(e instanceof Refused ? e.message
				: "the daemon does not answer");
	}

	again(why) {
		if (this.stopped)
			return;
		const seconds = Math.min(2 ** this.tries++, PAUSE_MAX_S);

		this.on.lost(why, seconds);
		this.timer = setTimeout(() => this.run(), seconds * 1000);
	}
}
