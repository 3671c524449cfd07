"use strict";
const $ = (id) => document.getElementById(id);
const root = document.documentElement, main = $("images"), slider = $("overlay"), help = $("help");
const samples = [...main.children];
let shown = samples, at = -1;

function remember(key, value) { try { localStorage.setItem(`guidegan-${key}`, value); } catch { /* not kept, then */ } }
function recall(key) { try { return localStorage.getItem(`guidegan-${key}`); } catch { return null; } }

function arrange() {
  const by = $("sort").value, group = $("group")?.value ?? "*", words = $("find").value.trim().toLowerCase();
  const low = ["entropy", "evenness"].includes(by) ? 1 : -1;
  const number = (sample) => (by in sample.dataset ? low * sample.dataset[by] : Infinity);
  // Sorting is stable, and an image without the number comes last.
  const sorted = by === "name" ? samples : samples.toSorted((one, other) => {
    const [a, b] = [number(one), number(other)];
    return a === b ? 0 : a - b;
  });
  const wanted = (sample) => (group === "*" || sample.dataset.group === group) &&
    (!words || sample.querySelector("h2").textContent.toLowerCase().includes(words));
  shown = sorted.filter(wanted);
  const kept = new Set(shown);
  for (const sample of samples) sample.hidden = !kept.has(sample);
  main.append(...sorted);
  at = -1;
  const all = `${samples.length} image${samples.length === 1 ? "" : "s"}`;
  $("count").textContent = shown.length === samples.length ? all : `${shown.length} of ${all}`;
}

function fade(value) {
  slider.value = value;
  root.style.setProperty("--over", slider.value / 100);
}

function go(step) {
  const focused = shown.indexOf(document.activeElement.closest("article"));
  at = Math.min(Math.max((focused < 0 ? at : focused) + step, 0), shown.length - 1);
  shown[at]?.focus();
  shown[at]?.scrollIntoView({ block: "nearest" });
}

function theme(wanted) {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = wanted ?? ((root.dataset.theme ?? (dark ? "dark" : "light")) === "dark" ? "light" : "dark");
  remember("theme", root.dataset.theme);
}

const KEYS = {
  j: () => go(1), ArrowDown: () => go(1), k: () => go(-1), ArrowUp: () => go(-1),
  d: () => theme(), "?": () => help.showModal(),
};
if (slider) Object.assign(KEYS, {
  ArrowRight: () => fade(+slider.value + 10), ArrowLeft: () => fade(slider.value - 10),
  " ": () => fade(+slider.value > 0 ? 0 : 100),
});

addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, select, button, summary, dialog, .epochs");
  if (typing || event.ctrlKey || event.altKey || event.metaKey || !$("listen").checked || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
slider?.addEventListener("input", () => fade(slider.value));
for (const id of ["sort", "group"]) $(id)?.addEventListener("change", arrange);
$("find").addEventListener("input", arrange);
$("theme").addEventListener("click", () => theme());
$("keys").addEventListener("click", () => help.showModal());
$("listen").addEventListener("change", (event) => remember("listen", event.target.checked));
$("listen").checked = recall("listen") !== "false";
if (["dark", "light"].includes(recall("theme"))) theme(recall("theme"));
$("controls").hidden = false;
