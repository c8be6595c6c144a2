// SPDX-License-Identifier: MIT
// The page: asks for the token, follows the daemon, says when it is gone.

import {ask, Refused, Stream, token} from "./stream.js";
import {History} from "./history.js";
import {boardShow} from "./board.js";
import {faultsBegin, faultsShow} from "./faults.js";
import * as fmt from "./format.js";

const $ = (id) => document.getElementById(id);
const history = new History();
let heardAt = 0;
let faultsKnown = false;

/* --- the token --- */

function gateShow(error) {
	stream.stop();
	token.forget();
	$("gate").hidden = false;
	for (const id of ["board", "leave", "lost", "mood", "facts"])
		$(id).hidden = true;
	$("gate-error").textContent = error;
	$("token").value = "";
	$("token").focus();
}

function begin() {
	history.clear();
	faultsKnown = false;
	$("gate").hidden = true;
	$("leave").hidden = false;
	stream.start();
}

async function gateTry(event) {
	event.preventDefault();
	$("gate-error").textContent = "";
	token.set($("token").value.trim());
	try {
		await ask("/api/status");
		begin();
		$("content").focus();
	} catch (e) {
		token.forget();
		$("gate-error").textContent = e instanceof Refused
			? e.status === 401 ? "This is not the token of this gateway."
				: e.message
			: "The daemon does not answer.";
		$("token").select();
	}
}

/* --- the stream --- */

function lostShow(why, seconds) {
	const since = heardAt ? `No numbers since ${fmt.clock(heardAt)}: `
		: "No numbers: ";

	$("lost").hidden = false;
	$("lost-text").textContent = `${since}${why}. Trying again in ${seconds} s.`;
	$("board").classList.add("stale");
	history.gap();
}

function snapshotShow(s) {
	const before = history.last;

	heardAt = Date.now() / 1000;
	history.add(s);
	$("lost").hidden = true;
	$("board").hidden = false;
	$("board").classList.remove("stale");
	boardShow(history, before);
	faultsShow(s);
	document.title = s.status.attacks?.length ? "⚠ penstock" : "penstock";
	if (!faultsKnown) {
		faultsKnown = true;
		faultsBegin().catch(() => { faultsKnown = false; });
	}
}

const stream = new Stream({
	snapshot: snapshotShow,
	lost: lostShow,
	refused: () => gateShow("The daemon no longer takes this token."),
});

$("gate-form").addEventListener("submit", gateTry);
$("leave").addEventListener("click", () => gateShow(""));
$("retry").addEventListener("click", () => stream.now());
if (token.get())
	begin();
else
	gateShow("");
