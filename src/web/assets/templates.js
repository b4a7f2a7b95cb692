// The editor of templates: the preview and the copywriter's remarks follow what is typed.
"use strict";

const form = document.getElementById("editor");

if (form) {
  const address = form.dataset.preview;
  const count = document.getElementById("count");
  // What language is looked at, and as whom, is no change.
  const state = () => {
    const now = new URLSearchParams(new FormData(form));
    now.delete("tab");
    now.delete("customer");
    return now.toString();
  };
  let saved = state();
  let waiting = 0;
  let round = 0;
  let last = form.querySelector("textarea");

  // A frame of its own for each look: no entry in the history of the browser, and nothing flickers.
  const look = () => {
    const old = document.getElementById("preview");
    const fresh = old.cloneNode(false);
    const own = ++round;
    fresh.name = `preview-${own}`;
    fresh.dataset.round = String(own);
    fresh.removeAttribute("src");
    fresh.classList.add("coming");
    old.after(fresh);
    fresh.addEventListener("load", () => {
      if (!fresh.dataset.asked) return;
      for (const frame of document.querySelectorAll(".looking iframe")) {
        if (Number(frame.dataset.round || 0) < own) frame.remove();
      }
      fresh.name = "preview";
      fresh.classList.remove("coming");
    });
    const { action, target } = form;
    form.setAttribute("action", address);
    form.setAttribute("target", fresh.name);
    fresh.dataset.asked = "1";
    HTMLFormElement.prototype.submit.call(form);
    form.setAttribute("action", action);
    target ? form.setAttribute("target", target) : form.removeAttribute("target");
  };

  const remark = (item) => {
    const line = document.createElement("li");
    line.className = item.is_error ? "error" : "warning-mark";
    line.textContent = item.message;
    return line;
  };

  const read = async () => {
    const answer = await fetch(address, {
      method: "POST",
      headers: { accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    if (!answer.ok) return;
    const { findings } = await answer.json();
    for (const list of form.querySelectorAll("[data-remarks]")) {
      list.replaceChildren(...findings.filter((item) => item.at === list.dataset.remarks).map(remark));
    }
    const errors = findings.filter((item) => item.is_error).length;
    const warnings = findings.length - errors;
    const said = [];
    if (errors) said.push(`${errors} ${count.dataset.errors}`);
    if (warnings) said.push(`${warnings} ${count.dataset.warnings}`);
    count.textContent = said.join(", ") || count.dataset.good;
    count.classList.toggle("bad", errors > 0);
  };

  const follow = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      look();
      read().catch(() => {});
    }, 600);
  };

  // One empty point is always left to write into.
  const spare = (points) => {
    const all = [...points.querySelectorAll(".point")];
    const end = all.at(-1);
    if (!end || !end.querySelector("textarea").value.trim()) return;
    const fresh = end.cloneNode(true);
    const number = all.length;
    const id = end.querySelector("textarea").id.replace(/\d+$/, String(number));
    const label = fresh.querySelector("label");
    label.htmlFor = id;
    label.textContent = label.textContent.replace(/\d+/, String(number + 1));
    const text = fresh.querySelector("textarea");
    text.id = id;
    text.value = "";
    const list = fresh.querySelector("[data-remarks]");
    list.dataset.remarks = list.dataset.remarks.replace(/\d+$/, String(number));
    list.replaceChildren();
    points.append(fresh);
  };

  form.addEventListener("input", (event) => {
    const points = event.target.closest("[data-points]");
    if (points) spare(points);
    if (event.target.id !== "note" && event.target.id !== "new_language") follow();
  });
  form.addEventListener("focusin", (event) => {
    if (event.target.matches("textarea, input[name^='text.']")) last = event.target;
  });

  // A field is written where one was writing.
  for (const code of document.querySelectorAll("[data-insert]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...code.childNodes);
    code.append(button);
    button.addEventListener("click", () => {
      if (!last) return;
      last.setRangeText(code.dataset.insert, last.selectionStart, last.selectionEnd, "end");
      last.focus();
      follow();
    });
  }

  window.addEventListener("beforeunload", (event) => {
    if (state() !== saved) event.preventDefault();
  });
  form.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button && button.dataset.ask && !window.confirm(button.dataset.ask)) {
      event.preventDefault();
      return;
    }
    if (!button || button.formTarget !== "preview") saved = state();
  });
}
