// Tables that are wider than their place say so: a phone shows no scroll bar.

function scrollHints() {
  const observer = new ResizeObserver((entries) => entries.forEach(({ target }) => mark(target.closest(".scroll"))));
  const mark = (place) => place?.toggleAttribute("data-more", place.scrollWidth > place.clientWidth + 1);
  const watch = (place) => {
    observer.observe(place);
    [...place.children].forEach((child) => observer.observe(child));
    new MutationObserver(() => [...place.children].forEach((child) => observer.observe(child))).observe(place, { childList: true });
  };
  document.querySelectorAll(".scroll").forEach(watch);
}
