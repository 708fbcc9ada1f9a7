// The map of units: no tiles, only points or outlines with their counts; the table beside it holds the same numbers.
const box = document.getElementById("map");
const features = JSON.parse(document.getElementById("map-data").textContent);
const INK = "#0b4a52";

if (box && window.L && features.length) {
  const most = Math.max(1, ...features.map((f) => f.properties.count));
  const map = L.map(box, { attributionControl: false, zoomControl: false, zoomSnap: 0.25, scrollWheelZoom: false });
  L.control.zoom({ zoomInTitle: box.dataset.zoomIn, zoomOutTitle: box.dataset.zoomOut }).addTo(map);
  const layer = L.geoJSON(features, {
    style: (f) => ({
      color: INK,
      weight: 1,
      opacity: 0.7,
      fillColor: INK,
      fillOpacity: f.properties.count ? 0.15 + 0.7 * Math.sqrt(f.properties.count / most) : 0.03,
    }),
    pointToLayer: (f, at) => L.circleMarker(at, { radius: f.properties.count ? 4 + 18 * Math.sqrt(f.properties.count / most) : 3 }),
    onEachFeature: (f, item) => {
      const text = document.createElement("span");
      text.textContent = `${f.properties.name}: ${f.properties.count.toLocaleString(document.documentElement.lang === "en" ? "en" : "vi-VN")}`;
      item.bindTooltip(text);
    },
  }).addTo(map);
  map.fitBounds(layer.getBounds(), { padding: [16, 16], animate: false });
}
