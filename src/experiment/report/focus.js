// Brings one strategy's curves to the front: while the pointer is on its name, or until the next click.
(() => {
  const sheet = document.head.appendChild(document.createElement("style"));
  const named = [...document.querySelectorAll("[data-place]")];
  let pinned = null;
  const show = (place) => {
    const one = named.find((element) => element.dataset.place === place);
    const color = one && one.dataset.color;
    sheet.textContent = !color ? "" :
      `.chart svg polyline[stroke^="#01"] { opacity: .12 } .chart svg polygon { opacity: 0 }` +
      `.chart svg polyline[stroke="${color}"] { opacity: 1; stroke-width: 35px; stroke: var(--focus-${place}, var(--accent)) }` +
      `.chart svg polygon[fill="${color}"] { opacity: .2 }`;
    for (const element of named) element.classList.toggle("pinned", element.dataset.place === pinned);
  };
  for (const element of named) {
    element.addEventListener("mouseenter", () => show(element.dataset.place));
    element.addEventListener("mouseleave", () => show(pinned));
    element.addEventListener("click", () => {
      pinned = pinned === element.dataset.place ? null : element.dataset.place;
      show(pinned);
    });
  }
})();
