// Puts the parts into their places.

(summary.colours ?? []).forEach((colour, index) => document.documentElement.style.setProperty(`--c${index}`, colour));
scoresTable(document.getElementById("scores-mount"));
charts(document.getElementById("charts-mount"));
slicesView(document.getElementById("slices-mount"));
explorer(document.getElementById("explorer-mount"));
document.querySelectorAll(".curve").forEach(lossCurve);
histograms(document.getElementById("histograms-mount"));
document.documentElement.dataset.ready = "true";
