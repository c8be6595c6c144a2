// SPDX-License-Identifier: MIT
// Lists that change once a second.  An entry that stays is the same element,
// so it keeps the focus; all text is set as text.

export function element(tag, className, ...children) {
	const e = document.createElement(tag);

	if (className)
		e.className = className;
	e.append(...children);
	return e;
}

export function setText(e, text) {
	if (e.textContent !== text)
		e.textContent = text;
}

// items: with `key`; make(item) gives an element, fill(element, item) its text.
// What follows in the same section as .empty is shown where there is none.
export function sync(parent, items, make, fill) {
	const old = new Map([...parent.children].map((e) => [e.dataset.key, e]));
	let place = parent.firstElementChild;

	for (const item of items) {
		let e = old.get(item.key);

		if (!e) {
			e = make(item);
			e.dataset.key = item.key;
		}
		old.delete(item.key);
		fill(e, item);
		if (e === place)
			place = e.nextElementSibling;
		else
			parent.insertBefore(e, place);
	}
	for (const e of old.values())
		e.remove();
	showEmpty(parent, items.length === 0);
}

function showEmpty(parent, empty) {
	const list = parent.closest("table, ul, ol") ?? parent;
	const note = list.parentElement.querySelector(":scope > .empty");

	list.hidden = empty;
	if (note)
		note.hidden = !empty;
}

// A table's rows: cells(item) gives the texts, the first one heads the row.
export function rows(table, items, cells) {
	const titles = [...table.querySelectorAll("thead th")];

	sync(table.tBodies[0], items, () => {
		const tr = element("tr");

		titles.forEach((th, i) => {
			const cell = element(i ? "td" : "th", th.className);

			if (!i)
				cell.scope = "row";
			tr.append(cell);
		});
		return tr;
	}, (tr, item) => {
		cells(item).forEach((text, i) => setText(tr.cells[i], text));
	});
}
