// Reads QR codes off camera frames, away from the page's own thread.
import { prepareZXingModule, readBarcodes } from "../vendor/zxing-wasm/es/reader/index.js";

prepareZXingModule({
  overrides: { locateFile: () => new URL("../vendor/zxing-wasm/zxing_reader.wasm", import.meta.url).href },
});

let canvas = null;

addEventListener("message", async ({ data: frame }) => {
  if (!canvas || canvas.width !== frame.width || canvas.height !== frame.height) {
    canvas = new OffscreenCanvas(frame.width, frame.height);
  }
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(frame, 0, 0);
  frame.close();
  const picture = context.getImageData(0, 0, canvas.width, canvas.height);
  const found = await readBarcodes(picture, { formats: ["QRCode"], maxNumberOfSymbols: 1, tryHarder: true });
  postMessage(found.length && found[0].isValid ? found[0].text : "");
});
