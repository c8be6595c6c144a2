// SPDX-License-Identifier: MIT
// What the page shows of a snapshot, the faults apart.

import {Chart} from "./charts.js";
import {element, rows, setText, sync} from "./lists.js";
import * as fmt from "./format.js";

const $ = (id) => document.getElementById(id);
const ROWS_MAX = 12;

/* --- charts --- */

const CHARTS = {
	"chart-flood": {
		format: fmt.perSecond, least: 10, height: 220,
		lines: [{name: "syns", label: "SYNs", color: 0, fill: true},
			{name: "cookies", label: "answered by a cookie", color: 1},
			{name: "proven", label: "proven", color: 2},
			{name: "refused", label: "refused", color: 3, dash: [6, 4]}],
	},
	"chart-lanes": {
		format: fmt.perSecond, least: 10,
		lines: [{name: "synLane", label: "SYN lane", color: 0, fill: true},
			{name: "otherLane", label: "connections", color: 2},
			{name: "synLost", label: "lost of SYNs", color: 3, dash: [6, 4]},
			{name: "lost", label: "lost of connections", color: 4, dash: [2, 3]}],
	},
	"chart-cpu": {format: fmt.percent, least: 100, lines: []},
	"chart-flows": {
		format: fmt.short, least: 10,
		lines: [{name: "flows", label: "open", color: 2, fill: true},
			{name: "half", label: "half open", color: 0},
			{name: "timeWait", label: "TIME_WAIT", color: 4, dash: [6, 4]}],
	},
	"chart-bytes": {
		format: fmt.bitRate, least: 1000,
		lines: [{name: "bytesIn", label: "in", color: 2, fill: true},
			{name: "bytesOut", label: "out", color: 1}],
	},
};

let charts = null;

function chartsMake() {
	charts = Object.fromEntries(Object.entries(CHARTS).map(
		([id, about]) => [id, new Chart($(id), about)]));
	matchMedia("(prefers-color-scheme: dark)").addEventListener("change",
		() => Object.values(charts).forEach((c) => c.restyle()));
}

function chartsDraw(history, workers) {
	if (!charts)
		chartsMake();
	if (charts["chart-cpu"].lines.length !== workers)
		charts["chart-cpu"].setLines([...Array(workers).keys()].map(
			(i) => ({name: `cpu${i}`, label: `worker ${i}`,
				color: i % 5, fill: workers === 1})));
	Object.values(charts).forEach((c) => c.draw(history));
}

/* --- the head --- */

function moodShow(status) {
	const attacks = status.attacks ?? [];
	const mood = $("mood");
	const text = attacks.length
		? attacks.map((a) => `Attack on ${a.service}: ` +
			`${fmt.perSecond(a.rate)} unproven, for ` +
			fmt.duration(a.since_s)).join(". ")
		: status.state === "running" ? "No attack" : status.state;

	mood.hidden = false;
	mood.classList.toggle("bad", attacks.length > 0);
	// said aloud when it begins and ends, not each second
	mood.setAttribute("aria-live", mood.dataset.was === String(attacks.length)
		? "off" : "polite");
	mood.dataset.was = String(attacks.length);
	setText(mood, text);
}

function factsShow(status) {
	const facts = [["Version", status.version],
		["Up", fmt.duration(status.uptime_s)],
		["Rules", status.rules],
		["XDP front", status.front]];

	$("facts").hidden = false;
	sync($("facts"), facts.map(([key, value]) => ({key, value})),
		(f) => element("div", "", element("dt", "", f.key), element("dd")),
		(e, f) => setText(e.lastChild, f.value));
}

/* --- tiles --- */

// [key, title, value, below, alarming]
function tiles(h, s) {
	const n = h.now ?? {};
	const known = n.syns !== undefined;
	const rate = (name) => known ? fmt.perSecond(n[name]) : "–";
	const all = (name) => `${fmt.full(h.total(name))} in all`;
	const share = n.cookies > 0 ? Math.min(100, 100 * n.proven / n.cookies) : null;
	const cpu = n.cpu?.length ? Math.max(...n.cpu) : null;
	const lost = known ? n.synLost + n.lost : 0;

	return [
		["syns", "SYNs", rate("syns"), all("syns")],
		["cookies", "Cookies sent", rate("cookies"), all("cookies")],
		["proven", "Proven share", share === null ? "–" : fmt.percent(share),
			`${fmt.full(h.total("proven"))} proven in all`],
		["refused", "Refused", rate("refused"), all("refused")],
		["flows", "Connections", fmt.full(s.status.flows),
			`of ${fmt.short(s.status.flows_max)} at most`],
		["memory", "Memory", fmt.bytes(s.status.mem_held),
			`of ${fmt.bytes(s.status.mem_limit)}`],
		["cpu", "Busiest worker", cpu === null ? "–" : fmt.percent(cpu),
			"of one core", cpu > 95],
		["lost", "Lost in the kernel", known ? fmt.perSecond(lost) : "–",
			`${fmt.full(h.total("synLost"))} SYNs, ` +
			`${fmt.full(h.total("lost"))} others`, n.lost > 0],
	];
}

function tilesShow(h, s) {
	sync($("tiles"), tiles(h, s).map(([key, title, value, below, alarm]) =>
		({key, title, value, below, alarm})),
	(t) => element("div", "tile", element("dt", "", t.title),
		element("dd", "value"), element("dd", "below")),
	(e, t) => {
		e.classList.toggle("bad", Boolean(t.alarm));
		setText(e.children[1], t.value);
		setText(e.children[2], t.below);
	});
}

/* --- tables --- */

// Where there are very many, the newest stand for all.
function scopeShow(id, n, s, what) {
	$(id).hidden = n >= s.status.flows;
	setText($(id), `The newest ${fmt.full(n)} of ` +
		`${fmt.full(s.status.flows)} connections ${what}.`);
}

function statesShow(s) {
	const names = [...new Set([...Object.keys(s.client),
		...Object.keys(s.server)])];
	const list = names.map((key) => ({key, client: s.client[key] ?? 0,
		server: s.server[key] ?? 0}));

	if (s.status.half_open)
		list.push({key: "half open, no connection yet",
			client: s.status.half_open, server: 0});
	if (s.status.time_wait)
		list.push({key: "TIME_WAIT entries", client: s.status.time_wait,
			server: 0});
	if (s.status.spliced)
		list.push({key: "relayed by the kernel", client: s.status.spliced,
			server: s.status.spliced});
	scopeShow("states-scope", s.counted, s, "were counted");
	rows($("states"), list, (r) => [r.key, fmt.full(r.client),
		fmt.full(r.server)]);
}

function dropsShow(h, s, before) {
	const list = Object.keys(s.counters)
		.filter((name) => name.startsWith("drop_"))
		.map((key) => ({key, rate: h.rateOf(key, before),
			total: s.counters[key]}))
		.sort((a, b) => b.rate - a.rate || b.total - a.total)
		.slice(0, ROWS_MAX);

	rows($("drops"), list, (r) => [r.key.slice(5).replaceAll("_", " "),
		fmt.perSecond(r.rate), fmt.full(r.total)]);
}

function refusedShow(s) {
	const list = (s.status.refused_sources ?? []).map((r) => ({...r,
		key: `${r.source} ${r.service} ${r.proven}`}));

	rows($("refused"), list, (r) => [r.source + (r.proven ? "" : " (claimed)"),
		r.service, fmt.full(r.refused)]);
}

/* --- the worst --- */

function worstMake() {
	return element("li", "", element("p", "who"), element("p", "why"),
		element("p", "hint"));
}

function worstFill(e, w) {
	const [who, why, below] = e.children;

	setText(who, `${w.client} → ${w.server}`);
	setText(why, w.why);
	setText(below, `${w.service}, ${fmt.full(w.resent)} segments sent again, ${fmt.bytes(w.bytes)}, ` +
		`open for ${fmt.duration(Math.floor(w.age_ms / 1000))}`);
}

function worstShow(s) {
	scopeShow("worst-scope", s.judged, s, "were judged");
	sync($("worst"), s.worst.map((w) => ({...w,
		key: `${w.client} ${w.server} ${w.serial}`})), worstMake, worstFill);
}

/* --- all of it --- */

export function boardShow(history, before) {
	const s = history.last;

	moodShow(s.status);
	factsShow(s.status);
	tilesShow(history, s);
	chartsDraw(history, s.workers_cpu_us.length);
	statesShow(s);
	dropsShow(history, s, before);
	refusedShow(s);
	worstShow(s);
	setText($("foot"), `As of ${fmt.clock(Date.now() / 1000)}. ` +
		`Process ${s.status.pid}, configuration ${s.status.config ?? "?"}.`);
}
