// SPDX-License-Identifier: MIT
// The last minutes, made from snapshots: counters become rates.

export const KEEP_S = 300;

const sum = (counters, names) =>
	names.reduce((n, name) => n + (counters[name] || 0), 0);

export const SETS = {
	syns: ["syn_packets", "FrontSynAcks"],
	cookies: ["TcpExtSyncookiesSent", "FrontSynAcks"],
	proven: ["TcpExtSyncookiesRecv"],
	bad: ["TcpExtSyncookiesFailed", "CookieReplays", "FrontUnknown"],
	refused: ["RateLimited", "Denied", "FrontDenied",
		"TcpExtListenOverflows", "SourceLimited"],
	synLost: ["syn_dropped"],
	lost: ["queue_dropped", "queue_user_dropped"],
	received: ["rx_packets"],
	synLane: ["syn_packets"],
	bytesIn: ["rx_bytes"],
	bytesOut: ["tx_bytes"],
	opened: ["FlowsOpened"],
	resent: ["TcpRetransSegs"],
};

export class History {
	constructor() {
		this.clear();
	}

	clear() {
		this.last = null;
		this.at = [];     // seconds of the clock
		this.rows = {};   // by name, as long as `at`
		this.now = null;
	}

	// Which daemon it is: another one counts from 0 again.
	static same(a, b) {
		return a.status.pid === b.status.pid && b.time_us > a.time_us;
	}

	add(snapshot) {
		const before = this.last;

		this.last = snapshot;
		if (before && !History.same(before, snapshot)) {
			this.put({});
			this.now = null;
			return;
		}
		this.now = before ? this.rates(before, snapshot)
			: this.gauges(snapshot);
		this.put(this.now);
	}

	gauges(s) {
		return {
			flows: s.status.flows, half: s.status.half_open,
			timeWait: s.status.time_wait,
			synWaiting: s.status.syn_waiting,
			waiting: s.status.queue_waiting,
		};
	}

	rates(a, b) {
		const seconds = (b.time_us - a.time_us) / 1e6;
		const now = this.gauges(b);

		for (const [name, counters] of Object.entries(SETS))
			now[name] = (sum(b.counters, counters) -
				sum(a.counters, counters)) / seconds;
		now.otherLane = Math.max(now.received - now.synLane, 0);
		now.synLaneLost = now.synLost;
		now.cpu = b.workers_cpu_us.map((us, i) => Math.min(100,
			(us - (a.workers_cpu_us[i] ?? us)) / seconds / 1e4));
		now.cpu.forEach((n, i) => { now[`cpu${i}`] = n; });
		return now;
	}

	// No numbers come: lines are interrupted.
	gap() {
		if (Object.values(this.rows).some((row) => row.at(-1) !== null))
			this.put({});
	}

	put(values) {
		const t = Date.now() / 1000;

		for (const name of Object.keys(values)) {
			if (!Array.isArray(values[name]))
				this.rows[name] ??= Array(this.at.length)
					.fill(null);
		}
		this.at.push(t);
		for (const [name, row] of Object.entries(this.rows))
			row.push(values[name] ?? null);
		while (this.at.length && this.at[0] < t - KEEP_S)
			this.shift();
	}

	shift() {
		this.at.shift();
		for (const row of Object.values(this.rows))
			row.shift();
	}

	row(name) {
		return this.rows[name] ?? Array(this.at.length).fill(null);
	}

	total(name) {
		return this.last ? sum(this.last.counters, SETS[name]) : 0;
	}

	// Of a counter that is in no set, a second.
	rateOf(name, before) {
		const b = this.last;

		if (!before || !History.same(before, b))
			return 0;
		return ((b.counters[name] || 0) - (before.counters[name] || 0)) /
			((b.time_us - before.time_us) / 1e6);
	}
}
