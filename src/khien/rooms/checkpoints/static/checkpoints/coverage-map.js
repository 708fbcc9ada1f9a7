// The map of coverage: outlines or points in the colours that the legend names. The table below holds the same numbers.
// One stop for the Tab key; arrows go from commune to commune in the order of the table, Enter opens one.
const box = document.getElementById("coverage-map");
const features = JSON.parse(document.getElementById("coverage-map-data").textContent);
const INK = "#51656a";
const CHOSEN = "#b4231f";

if (box && window.L && features.length) {
  box.hidden = false;
  const map = L.map(box, { attributionControl: false, zoomControl: false, zoomSnap: 0.25, scrollWheelZoom: false, keyboard: false });
  L.control.zoom({ zoomInTitle: box.dataset.zoomIn, zoomOutTitle: box.dataset.zoomOut }).addTo(map);
  const plain = (f) => ({ color: INK, weight: 1, dashArray: f.properties.empty ? "3 3" : null, fillColor: f.properties.colour, fillOpacity: 1 });
  const items = [];
  const layer = L.geoJSON(features, {
    style: plain,
    pointToLayer: (f, at) => L.circleMarker(at, { radius: 9 }),
    onEachFeature: (f, item) => {
      const text = document.createElement("span");
      text.textContent = f.properties.text;
      item.bindTooltip(text);
      item.on("click", () => location.assign(f.properties.url));
      items.push(item);
    },
  }).addTo(map);
  const whole = () => map.fitBounds(layer.getBounds(), { padding: [16, 16], animate: false, maxZoom: 14 });
  whole();
  // A phone that is turned shows all communes again.
  map.on("resize", whole);

  items.forEach((item, n) => {
    const shape = item.getElement();
    shape.setAttribute("role", "link");
    shape.setAttribute("aria-label", item.feature.properties.text);
    shape.setAttribute("tabindex", n ? "-1" : "0");
    shape.addEventListener("focus", () => {
      for (const other of items) {
        other.getElement().setAttribute("tabindex", other === item ? "0" : "-1");
        // The others go behind: an element that is moved itself loses the focus.
        if (other !== item) other.bringToBack();
      }
      item.setStyle({ color: CHOSEN, weight: 4, dashArray: null });
      item.openTooltip();
    });
    shape.addEventListener("blur", () => {
      item.setStyle(plain(item.feature));
      item.closeTooltip();
    });
    shape.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (step) items[(n + step + items.length) % items.length].getElement().focus();
      else if (event.key === "Enter") location.assign(item.feature.properties.url);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
  });
}
