// Canopy's own explorer: a query, its variables, who asks, and the answer.
"use strict";

(() => {
  const element = (id) => document.getElementById(id);
  const fields = ["token", "sub-account", "query", "variables"];
  const example = `query Me {
  me {
    actingAs { id name kind }
    accounts(first: 10) {
      edges { role node { id name status } }
    }
  }
}`;

  // A link may carry fields behind its #, which no server sees; they leave the address bar at once.
  const linked = new URLSearchParams(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  for (const id of fields) {
    element(id).value = linked.get(id) ?? sessionStorage.getItem("canopy." + id) ?? (id === "query" ? example : "");
    element(id).addEventListener("input", () => sessionStorage.setItem("canopy." + id, element(id).value));
    sessionStorage.setItem("canopy." + id, element(id).value);
  }

  let stop = null;
  const show = (value) => { element("output").textContent = JSON.stringify(value, null, 2); };
  const running = (ender, status) => {
    stop = ender;
    element("run").disabled = Boolean(ender);
    element("stop").disabled = !ender;
    element("status").textContent = status;
  };
  const headers = () => {
    const token = element("token").value.trim();
    const account = element("sub-account").value.trim();
    return {
      ...(token && { authorization: token.startsWith("Bearer ") ? token : "Bearer " + token }),
      ...(account && { "x-sub-account-id": account }),
    };
  };

  const start = async () => {
    if (stop) return;
    let variables = null;
    try {
      variables = JSON.parse(element("variables").value || "{}");
    } catch (error) {
      element("status").textContent = "The variables are not JSON: " + error.message;
      element("variables").focus();
      return;
    }
    const payload = { query: element("query").value, variables };
    if (canopy.isSubscription(payload.query)) {
      let count = 0;
      element("output").textContent = "";
      const sink = {
        next: (value) => {
          count += 1;
          element("output").prepend(JSON.stringify(value, null, 2) + "\n\n");
          running(stop, count + " received, listening");
        },
        error: (value) => { element("output").prepend(JSON.stringify(value, null, 2) + "\n\n"); running(null, "ended"); },
        complete: () => running(null, count + " received, complete"),
      };
      running(canopy.subscribe(payload, headers(), sink), "listening");
      return;
    }
    const abort = new AbortController();
    const began = performance.now();
    running(() => abort.abort(), "running");
    try {
      show(await canopy.run(payload, headers(), abort.signal));
      running(null, Math.round(performance.now() - began) + " ms");
    } catch (error) {
      running(null, error.name === "AbortError" ? "stopped" : String(error));
    }
  };
  const end = () => {
    stop?.();
    if (stop) running(null, "stopped");
  };

  element("run").addEventListener("click", start);
  element("stop").addEventListener("click", end);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      start();
    } else if (event.key === "Escape") end();
  });
})();
