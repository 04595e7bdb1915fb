// Puts the parts into their places.

(summary.colours ?? []).forEach((colour, index) => document.documentElement.style.setProperty(`--c${index}`, colour));
scoresTable(document.getElementById("scores-mount"));
charts(document.getElementById("charts-mount"));
slicesView(document.getElementById("slices-mount"));
explorer(document.getElementById("explorer-mount"));
document.querySelectorAll(".curve").forEach(trainingCurves);
splitHistograms(document.getElementById("splits-mount"));
captionLengths(document.getElementById("lengths-mount"));
scrollHints();

// Paper has no lid to lift: what the page folds away is printed, but for the long lists.
let lifted = [];
window.addEventListener("beforeprint", () => {
  lifted = [...document.querySelectorAll("details[data-print]:not([open]), details.legend:not([open])")];
  lifted.forEach((details) => { details.open = true; });
});
window.addEventListener("afterprint", () => lifted.forEach((details) => { details.open = false; }));
document.documentElement.dataset.ready = "true";
