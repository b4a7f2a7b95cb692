// A button beside what is to be copied; without a script it is selected by a click.
"use strict";

for (const place of document.querySelectorAll(".copy")) {
  const code = place.querySelector("code");
  if (!code || !navigator.clipboard) continue;
  const french = document.documentElement.lang === "fr";
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button second";
  button.textContent = french ? "Copier" : "Copy";
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = french ? "Copié" : "Copied";
  });
  place.append(" ", button);
}
