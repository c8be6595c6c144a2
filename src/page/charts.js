// SPDX-License-Identifier: MIT
// The charts: one canvas each, and a legend that is text.
/* global uPlot */

import {KEEP_S} from "./history.js";
import * as fmt from "./format.js";

const LEAST_S = 60; // an axis shows so many seconds, also at the beginning

const css = (name) => getComputedStyle(document.documentElement)
	.getPropertyValue(name).trim();

// Nearly empty charts are not stretched: the axis has at least this much.
const range = (least) => (u, min, max) => [0, Math.max(max * 1.12, least)];

// Of time: what there is, within bounds.
function span(u) {
	const end = u.data[0].at(-1) ?? Date.now() / 1000;
	const from = Math.max(u.data[0][0] ?? end, end - KEEP_S);

	return [Math.min(from, end - LEAST_S), end];
}

const xAxis = () => ({
	stroke: css("--soft"), size: 24, gap: 6, space: 90,
	font: "11px system-ui", ticks: {show: false},
	grid: {stroke: css("--line"), width: 1},
	values: (u, at) => at.map((t) => fmt.clock(t).slice(0, 5) +
		(t % 60 ? fmt.clock(t).slice(5) : "")),
});

const yAxis = (format) => ({
	stroke: css("--soft"), size: 74, gap: 8, space: 34,
	font: "11px system-ui", ticks: {show: false},
	grid: {stroke: css("--line"), width: 1},
	values: (u, at) => at.map(fmt.brief(format)),
});

function series(lines) {
	return lines.map((l, i) => ({
		label: l.label, stroke: css(`--c${l.color ?? i}`), width: 1.75,
		fill: l.fill ? `${css(`--c${l.color ?? i}`)}22` : undefined,
		dash: l.dash, points: {show: false}, spanGaps: false,
	}));
}

export class Chart {
	// lines: [{name, label, color, fill, dash}]
	constructor(figure, {lines, format, least, height = 170}) {
		this.height = height;
		this.format = format;
		this.least = least;
		this.legend = document.createElement("ul");
		this.legend.className = "legend";
		this.box = document.createElement("div");
		this.box.className = "plot";
		this.box.style.minHeight = `${height}px`;
		this.box.setAttribute("aria-hidden", "true");
		figure.append(this.legend, this.box);
		this.setLines(lines);
		new ResizeObserver(() => this.fit()).observe(this.box);
	}

	setLines(lines) {
		this.lines = lines;
		this.legend.replaceChildren(...lines.map((l, i) => {
			const item = document.createElement("li");
			const mark = document.createElement("span");
			const value = document.createElement("b");

			mark.className = `mark c${l.color ?? i}` +
				(l.dash ? " dashed" : "");
			value.dataset.name = l.name;
			item.append(mark, `${l.label} `, value);
			return item;
		}));
		this.restyle();
	}

	// Colours are read again: light or dark.
	restyle() {
		const data = this.plot?.data ?? [[], ...this.lines.map(() => [])];

		this.plot?.destroy();
		this.plot = new uPlot({
			width: this.box.clientWidth || 300, height: this.height,
			legend: {show: false}, padding: [8, 14, 0, 0],
			cursor: {y: false, drag: {x: false, y: false},
				sync: {key: "penstock"}, points: {size: 6}},
			scales: {x: {range: span},
				y: {range: range(this.least)}},
			axes: [xAxis(), yAxis(this.format)],
			series: [{}, ...series(this.lines)],
			hooks: {setCursor: [(u) => this.tell(u.cursor.idx)]},
		}, data.length === this.lines.length + 1 ? data
			: [[], ...this.lines.map(() => [])], this.box);
	}

	fit() {
		const width = this.box.clientWidth;

		if (width && this.plot.width !== width)
			this.plot.setSize({width, height: this.height});
	}

	draw(history) {
		this.plot.setData([history.at,
			...this.lines.map((l) => history.row(l.name))]);
		this.tell(this.plot.cursor.idx);
	}

	// In the legend: what is under the cursor, or the newest.
	tell(index) {
		const n = this.plot?.data[0]?.length ?? 0;
		const at = index ?? n - 1;

		this.legend.querySelectorAll("b").forEach((b, i) => {
			const value = this.plot?.data[i + 1]?.[at];

			b.textContent = value == null ? "–" : this.format(value);
		});
	}
}
