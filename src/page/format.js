// SPDX-License-Identifier: MIT
// Numbers as text, with their units.

const units = ["", "k", "M", "G", "T", "P"];
const whole = new Intl.NumberFormat("en");
const NBSP = "\u00a0";

function scaled(n, unit) {
	let u = 0;

	while (Math.abs(n) >= 999.5 && u < units.length - 1) {
		n /= 1000;
		u++;
	}
	const digits = u === 0 ? (Number.isInteger(n) ? 0 : 1)
		: Math.abs(n) < 9.995 ? 2 : Math.abs(n) < 99.95 ? 1 : 0;
	const text = n === 0 ? "0" : n.toFixed(digits);

	return units[u] || unit ? text + NBSP + units[u] + unit : text;
}

// 1234567 as "1.23 M"
export const short = (n) => scaled(n, "");
// Whole numbers, as a counter's: "1,234,567"
export const full = (n) => whole.format(n);
export const perSecond = (n) => scaled(n < 10 ? Math.round(n * 10) / 10
	: Math.round(n), "/s");
export const bytes = (n) => scaled(n, "B");
// Of bytes a second
export const bitRate = (n) => scaled(Math.round(n * 8), "bit/s");
export const percent = (n) => n > 0 && n < 0.1 ? `<${NBSP}0.1${NBSP}%`
	: `${n === 0 || n >= 99.95 ? n.toFixed(0) : n.toFixed(1)}${NBSP}%`;

// The same for an axis: "2 k/s", not "2.00 k/s"
export const brief = (format) => (n) =>
	format(n).replace(/(\.\d*?)0+(?!\d)/, "$1").replace(/\.(?!\d)/, "");

// "3 d 4 h", "12 min 5 s"
export function duration(s) {
	const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
	const first = parts.findIndex(([size]) => s >= size);

	if (first < 0)
		return `0${NBSP}s`;
	return parts.slice(first, first + 2).map(([size, name], i) => {
		const n = Math.floor((i ? s % parts[first][0] : s) / size);
		return `${n}${NBSP}${name}`;
	}).join(" ");
}

export const clock = (s) =>
	new Date(s * 1000).toLocaleTimeString("en-GB");
