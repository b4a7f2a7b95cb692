// Campaigns are dragged to another day; the form below the calendar does the same without this.
"use strict";

const form = document.getElementById("move");
let dragged = null;

const cellOf = (event) => event.target.closest?.("td[data-date]");

if (form) {
  for (const chip of document.querySelectorAll(".chip[data-move]")) {
    chip.draggable = true;
    chip.addEventListener("dragstart", (event) => {
      dragged = chip;
      event.dataTransfer.effectAllowed = "move";
      event.dataTransfer.setData("text/plain", chip.dataset.move);
    });
    chip.addEventListener("dragend", () => {
      dragged = null;
      for (const cell of document.querySelectorAll("td.drop")) cell.classList.remove("drop");
    });
  }
  document.addEventListener("dragover", (event) => {
    const cell = cellOf(event);
    if (!dragged || !cell || cell.contains(dragged)) return;
    event.preventDefault();
    cell.classList.add("drop");
  });
  document.addEventListener("dragleave", (event) => {
    const cell = cellOf(event);
    if (cell && !cell.contains(event.relatedTarget)) cell.classList.remove("drop");
  });
  document.addEventListener("drop", (event) => {
    const cell = cellOf(event);
    if (!dragged || !cell || cell.contains(dragged)) return;
    event.preventDefault();
    const campaign = form.elements.campaign;
    campaign.value = dragged.dataset.move;
    const name = campaign.selectedOptions[0]?.dataset.name;
    if (!name) return;
    const question = form.dataset.question.replace("{name}", name).replace("{day}", cell.dataset.date);
    if (!window.confirm(question)) return;
    form.elements.day.value = cell.dataset.date;
    form.elements.time.value = "";
    form.requestSubmit();
  });
}
