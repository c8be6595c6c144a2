// SPDX-License-Identifier: MIT
// The faults: their list, and the form that adds one.

import {ask} from "./stream.js";
import {element, setText, sync} from "./lists.js";
import * as fmt from "./format.js";

const $ = (id) => document.getElementById(id);

let types = [];   // of the daemon
let common = {};  // keys of all types, by name

/* --- what is said --- */

function say(text, bad = false) {
	const said = $("f-said");

	said.classList.toggle("error", bad);
	setText(said, text);
}

// Send lines of the language of `penstockctl fault batch`.
async function change(lines, dryRun = false) {
	try {
		return await ask("/api/faults", {lines, dry_run: dryRun});
	} catch (e) {
		say(`Not done: ${e.message.trim()}`, true);
		return null;
	}
}

/* --- the list --- */

async function remove(name) {
	if (await change([`del ${name}`])) {
		say(`Fault ${name} is removed.`);
		$("add-title").focus();
	}
}

function faultMake(f) {
	const button = element("button", "quiet", "Remove");

	button.type = "button";
	button.setAttribute("aria-label", `Remove fault ${f.name}`);
	button.addEventListener("click", () => remove(f.name));
	return element("li", "", element("div", "", element("code"),
		element("p", "hint")), button);
}

function faultFill(e, f) {
	const [line, below] = e.firstChild.children;
	const lease = f.lease_left_ms === null ? ""
		: `, removes itself in ${fmt.duration(
			Math.ceil(f.lease_left_ms / 1000))}`;

	setText(line, f.line);
	setText(below, `connections: ${fmt.full(f.active)} now, ` +
		`${fmt.full(f.conns)} in all; injected ${fmt.full(f.injected)} ` +
		`of ${fmt.full(f.matched)}${lease}`);
}

export function faultsShow(snapshot) {
	sync($("faults"), snapshot.faults.map((f) => ({...f, key: f.name})),
		faultMake, faultFill);
	servicesShow(snapshot.status.services ?? []);
}

/* --- the form --- */

function servicesShow(names) {
	const select = $("f-service");
	const now = [...select.options].slice(1).map((o) => o.value);

	if (now.join(" ") === names.join(" "))
		return;
	const chosen = select.value;
	select.replaceChildren(select.options[0],
		...names.map((n) => new Option(n, n)));
	select.value = names.includes(chosen) ? chosen : "";
}

const typeNow = () => types.find((t) => t.name === $("f-type").value);

function keyHelp(k) {
	return [element("dt", "", k.name + (k.needed ? " (needed)" : "")),
		element("dd", "", k.help, element("span", "hint",
			k.allowed ? ` ${k.allowed}` : ""))];
}

function typeShow() {
	const t = typeNow();

	if (!t)
		return;
	$("f-keys").value = t.example;
	setText($("f-help-type"), t.name);
	$("f-help").replaceChildren(...[...t.keys,
		...t.common.map((name) => common[name])]
		.filter((k) => k && k.name !== "type").flatMap(keyHelp));
}

function line() {
	const words = ["add", $("f-name").value.trim(),
		`type=${$("f-type").value}`];
	const put = (key, id) => {
		const value = $(id).value.trim();

		if (value)
			words.push(`${key}=${value}`);
	};

	put("service", "f-service");
	put("lease", "f-lease");
	if ($("f-scope").value !== "new")
		put("scope", "f-scope");
	words.push(...$("f-keys").value.split(/\s+/).filter(Boolean));
	return words.join(" ");
}

function spared(n) {
	return n ? ` ${fmt.full(n)} living connections match but are left alone; ` +
		"choose “living ones, too” for those." : "";
}

// The name is taken away; reset(), so that its absence is not yet an error.
function nameForget() {
	const ids = ["f-type", "f-keys", "f-service", "f-scope", "f-lease"];
	const values = ids.map((id) => $(id).value);

	$("fault-form").reset();
	ids.forEach((id, i) => { $(id).value = values[i]; });
	$("f-name").focus();
}

async function add(event) {
	const name = $("f-name").value.trim();

	event.preventDefault();
	const result = await change([line()]);
	if (!result)
		return;
	say(`Fault ${name} is in force.${spared(result.spared)}`);
	nameForget();
}

async function tryOut() {
	if (!$("fault-form").reportValidity())
		return;
	const result = await change([line()], true);

	if (result)
		say(`It would act on ${fmt.full(result.count)} of the living ` +
			`connections, and on those to come.${spared(result.spared)}`);
}

// Ask the daemon which types there are.
export async function faultsBegin() {
	const answer = await ask("/api/fault-types");

	types = answer.types;
	common = Object.fromEntries(answer.common.map((k) => [k.name, k]));
	$("f-type").replaceChildren(...types.map((t) => new Option(t.name, t.name)));
	$("f-type").value = "delay";
	typeShow();
}

$("f-type").addEventListener("change", typeShow);
$("fault-form").addEventListener("submit", add);
$("f-try").addEventListener("click", tryOut);
