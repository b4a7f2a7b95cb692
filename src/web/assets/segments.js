// The builder without reloads: what a button or a choice would ask of the server is asked in the background, and the
// parts of the page that changed are put in. Without this script the same buttons load the page anew.
"use strict";

{
  const form = document.getElementById("segment");
  const parts = ["problem", "building", "writing", "study", "explain"];
  let turn = 0;
  let counting;

  const send = async (doing, only) => {
    const mine = ++turn;
    const fields = new URLSearchParams(new FormData(form));
    fields.set("do", doing);
    const answer = await fetch(form.action, { method: "POST", body: fields, headers: { accept: "text/html" } });
    // A later press is answered by itself.
    if (mine !== turn) return;
    if (answer.redirected || !(answer.ok || answer.status === 422)) {
      form.requestSubmit();
      return;
    }
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== turn) return;
    const focused = document.activeElement;
    const place = focused && form.contains(focused) ? [focused.name, focused.value, focused.tagName] : null;
    // What is wrong with a line stands in the line.
    const isFaulty = page.querySelector("#building .faulty") || form.querySelector("#building .faulty");
    const told = isFaulty && doing === "lines" && !only.includes("building");
    for (const id of told ? [...only, "building"] : only) {
      const old = document.getElementById(id);
      const fresh = page.getElementById(id);
      if (old && fresh) old.replaceWith(fresh);
    }
    refocus(doing, place);
    if (!only.includes("building")) return;
    count();
  };

  // The reader stays where he was; after a new line, in its first field.
  const refocus = (doing, place) => {
    let next;
    if (doing.startsWith("add:")) {
      const foot = form.elements.namedItem(`new.${doing.slice(4)}`);
      const group = foot && foot.closest(".rule-group");
      const lines = group ? group.querySelectorAll(":scope > .rule-parts > li > .rule-line") : [];
      const last = lines[lines.length - 1];
      next = last && last.querySelector(".rule-field input, .rule-field textarea, .rule-field select");
    } else if (place) {
      const [name, value, tag] = place;
      const same = [...form.elements].filter((element) => element.name === name && element.tagName === tag);
      next = same.find((element) => tag !== "BUTTON" || element.value === value);
    }
    if (next) next.focus({ preventScroll: true });
  };

  const count = () => {
    clearTimeout(counting);
    counting = setTimeout(() => {
      // A rule that is not complete is not counted.
      if (form.querySelector("[aria-invalid], .rule-line.faulty")) return;
      const study = document.getElementById("study");
      study.classList.add("waiting");
      send("count", ["study"]).finally(() => document.getElementById("study").classList.remove("waiting"));
    }, 700);
  };

  form.addEventListener("submit", (event) => {
    const doing = event.submitter ? event.submitter.value : "show";
    if (!event.submitter || ["save", "archive", "back"].includes(doing)) return;
    event.preventDefault();
    const only = { count: ["study"], explain: ["explain", "problem", "building"] }[doing] || parts;
    if (doing === "count") document.getElementById("study").classList.add("waiting");
    send(doing, only);
  });

  form.addEventListener("change", (event) => {
    const { name, dataset } = event.target;
    if (name === "text") send("text", parts);
    else if (name === "topic") send("count", ["study"]);
    else if (dataset.turns !== undefined) send("lines", parts);
    else if (/^\d+\./.test(name)) send("lines", ["problem", "writing", "study"]).then(count);
  });
}
