// What makes the console quicker to use; everything works without it.
"use strict";

// The place where one is, in a menu that is wider than the screen.
for (const menu of document.querySelectorAll(".top nav")) {
  const here = menu.querySelector("[aria-current], .here");
  if (here && menu.scrollWidth > menu.clientWidth) menu.scrollLeft = here.offsetLeft - menu.offsetLeft - 16;
}

// A form with data-confirm asks before it is sent.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A form with data-auto is sent as soon as a choice in it changes.
document.addEventListener("change", (event) => {
  const form = event.target.form;
  if (form && form.dataset.auto !== undefined) form.requestSubmit();
});

// A part with data-refresh is fetched again every so many seconds, until it no longer asks for it. While it cannot
// be had it says that it is old, and is asked for on.
for (const part of document.querySelectorAll("[data-refresh]")) {
  const old = document.createElement("p");
  old.className = "warned";
  old.setAttribute("role", "status");
  old.textContent = document.body.dataset.old;
  const again = async () => {
    try {
      const answer = await fetch(part.dataset.from || location.href, { headers: { accept: "text/html" } });
      // Who was signed out in the meantime is led to the sign-in.
      if (!answer.ok || new URL(answer.url).pathname === "/sign-in") throw new Error(answer.statusText);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById(part.id);
      if (!fresh) return;
      part.replaceChildren(...fresh.childNodes);
      if (fresh.dataset.refresh) setTimeout(again, Number(fresh.dataset.refresh) * 1000);
    } catch {
      if (!old.isConnected) part.prepend(old);
      setTimeout(again, Number(part.dataset.refresh) * 1000);
    }
  };
  setTimeout(again, Number(part.dataset.refresh) * 1000);
}
