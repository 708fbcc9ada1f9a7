// A verdict for ears and hands: each colour has its own tune and its own pulse.

const TUNES = {
  green: [[880, 0, 90]],
  yellow: [[660, 0, 110], [660, 170, 110]],
  orange: [[520, 0, 130], [440, 180, 200]],
  red: [[220, 0, 220], [220, 300, 220], [220, 600, 320]],
  grey: [[330, 0, 80]],
};
const PULSES = { green: [60], yellow: [80, 60, 80], orange: [160, 80, 160], red: [300, 100, 300, 100, 300], grey: [30] };

let context = null;

// Browsers let a page sound only after somebody has touched it.
export function wake() {
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume().catch(() => {});
}

export function signal(colour, mute) {
  navigator.vibrate?.(PULSES[colour]);
  if (mute || !context) return;
  // A call or another app may have taken the sound away; the next verdict has it again.
  if (context.state !== "running") {
    context.resume().catch(() => {});
    return;
  }
  for (const [pitch, after, length] of TUNES[colour]) {
    const start = context.currentTime + after / 1000;
    const end = start + length / 1000;
    const voice = new OscillatorNode(context, { frequency: pitch, type: "triangle" });
    const loudness = new GainNode(context, { gain: 0 });
    loudness.gain.setValueAtTime(0, start);
    loudness.gain.linearRampToValueAtTime(0.4, start + 0.01);
    loudness.gain.setValueAtTime(0.4, end - 0.03);
    loudness.gain.linearRampToValueAtTime(0, end);
    voice.connect(loudness).connect(context.destination);
    voice.start(start);
    voice.stop(end);
  }
}
