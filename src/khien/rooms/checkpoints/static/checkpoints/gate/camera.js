// The camera, looked at by a worker; frames that hold nothing are forgotten at once.

export class Camera {
  // `seen(text, since)`: what a frame held, and the moment (performance.now) at which the frame was taken.
  constructor(video, worker, seen) {
    Object.assign(this, { video, address: worker, seen, worker: null, track: null, stopped: true, taken: 0 });
  }

  // Raises the browser's own error when there is no camera or it is refused.
  async start() {
    const stream = await navigator.mediaDevices.getUserMedia({
      video: { facingMode: { ideal: "environment" }, width: { ideal: 1280 }, height: { ideal: 720 } },
      audio: false,
    });
    this.stopped = false;
    this.track = stream.getVideoTracks()[0];
    this.video.srcObject = stream;
    await this.video.play();
    if (!this.worker) {
      this.worker = new Worker(this.address, { type: "module" });
      this.worker.addEventListener("message", ({ data }) => {
        if (data && !this.stopped) this.seen(data, this.taken);
        this.later(data ? 120 : 30);
      });
      this.worker.addEventListener("error", () => this.later(1000));
    }
    this.look();
  }

  later(ms) {
    if (!this.stopped) setTimeout(() => this.look(), ms);
  }

  async look() {
    if (this.stopped) return;
    if (document.hidden || this.video.readyState < 2) {
      this.later(250);
      return;
    }
    try {
      this.taken = performance.now();
      const frame = await createImageBitmap(this.video);
      this.worker.postMessage(frame, [frame]);
    } catch {
      this.later(250);
    }
  }

  stop() {
    this.stopped = true;
    this.track?.stop();
    this.worker?.terminate();
    this.worker = null;
    this.video.srcObject = null;
  }

  get hasTorch() {
    return Boolean(this.track?.getCapabilities?.().torch);
  }

  torch(on) {
    return this.track.applyConstraints({ advanced: [{ torch: on }] });
  }
}
