// Counts a rule while it is written, shows only the fields of the schedule that count, and keeps the progress
// of a running campaign fresh. Every page works without it.
(function () {
  "use strict";

  function get(url) {
    return fetch(url, { credentials: "same-origin", headers: { Accept: "text/html" } })
      .then(function (answer) { return answer.ok ? answer.text() : null; })
      .catch(function () { return null; });
  }

  var count = document.querySelector("[data-count]");
  var rule = document.getElementById("segment");
  if (count && rule) {
    var asked = 0, timer = 0;
    var ask = function () {
      var text = rule.value.trim();
      var mine = ++asked;
      if (!text) { count.textContent = ""; return; }
      get(count.dataset.count + "?segment=" + encodeURIComponent(text)).then(function (html) {
        if (html !== null && mine === asked) { count.innerHTML = html; }
      });
    };
    rule.addEventListener("input", function () {
      clearTimeout(timer);
      timer = setTimeout(ask, 500);
    });
    var saved = document.querySelector("[data-into]");
    if (saved) {
      saved.addEventListener("change", function () {
        if (saved.value) { rule.value = saved.value; ask(); }
      });
    }
    if (!count.textContent.trim()) { ask(); }
  }

  function show(id, is) {
    var part = document.getElementById(id);
    if (part) { part.classList.toggle("gone", !is); }
  }

  var whens = document.querySelectorAll("input[name=when]");
  var repeat = document.getElementById("repeat");
  if (whens.length && repeat) {
    var choose = function () {
      var when = document.querySelector("input[name=when]:checked");
      when = when ? when.value : "now";
      var whose = document.getElementById("whose").value;
      show("when-at", when === "at");
      show("when-every", when === "every");
      show("when-zone", when === "every" || (when === "at" && whose === "fixed"));
      document.getElementById("fallback_zone").closest(".field").classList.toggle("gone", whose !== "recipient");
      show("repeat-weekly", repeat.value === "weekly");
      show("repeat-monthly", repeat.value === "monthly");
      show("repeat-cron", repeat.value === "cron");
      show("repeat-time", repeat.value !== "cron");
    };
    document.addEventListener("change", choose);
    choose();
  }

  var progress = document.querySelector("[data-progress]");
  if (progress) {
    var again = function () {
      var run = progress.querySelector("[data-again]");
      if (!run) { return; }
      var before = run.dataset.status;
      get(run.dataset.again).then(function (html) {
        if (html !== null) {
          progress.innerHTML = html;
          var now = progress.querySelector("[data-status]");
          // What may be done changed with the status.
          if (now && now.dataset.status !== before) { location.reload(); return; }
        }
        setTimeout(again, document.hidden ? 15000 : 2000);
      });
    };
    setTimeout(again, 1500);
  }
})();
