"use strict";

// Addresses are relative to the page's own, so a proxy may put it below any path.
const form = document.getElementById("ask");
const input = document.getElementById("key");
const refused = document.getElementById("refused");

// The key stays in this page's memory; a reload forgets it.
async function show(key) {
  const headers = key ? { Authorization: `Bearer ${key}` } : {};
  const answer = await fetch("openapi.json", { headers });
  const document_ = await answer.json();
  form.hidden = answer.ok;
  if (!answer.ok) {
    refused.textContent = key || answer.status !== 401 ? document_.detail : "";
    return;
  }
  const ui = SwaggerUIBundle({
    spec: document_,
    dom_id: "#page",
    deepLinking: true,
    validatorUrl: null,
    onComplete: () => key && ui.preauthorizeApiKey("key", key),
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  show(input.value.trim());
});

show("");
