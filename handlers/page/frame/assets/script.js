// What is nicer with script. Every page works without it.
"use strict";
(() => {
  const live = document.getElementById("live");

  // Buttons that copy what stands before them.
  for (const button of document.querySelectorAll("button[data-copy]")) {
    if (!navigator.clipboard) break;
    const text = button.parentElement.querySelector("code");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        live.textContent = "Copied.";
        button.classList.add("done");
      } catch {
        getSelection().selectAllChildren(text);
        live.textContent = "Selected: copy it with the keyboard.";
      }
      setTimeout(() => { live.textContent = ""; button.classList.remove("done"); }, 2000);
    });
  }

  // Times in the zone of who reads.
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" });
  for (const element of document.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    const name = zone.formatToParts(time).find((part) => part.type === "timeZoneName");
    element.title = element.textContent;
    element.textContent = format.format(time) + (name ? " " + name.value : "");
  }

  // A form is not sent twice while its answer may come. What was stopped on its way can be sent again after that.
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      const sent = Number(form.dataset.sent || 0);
      if (Date.now() - sent < 30000) event.preventDefault();
      else form.dataset.sent = Date.now();
    });
  }
  addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  });

  // What is wrong with what was sent is where reading goes on. Notes that always stand there are no alerts.
  const problem = document.querySelector(".problem[role=alert]");
  if (problem) {
    problem.tabIndex = -1;
    problem.focus();
  }
})();
