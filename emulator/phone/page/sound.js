// The microphone and the loudspeaker of this browser, as 16-bit frames of 20 ms.

const WANTED = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };

// 8 kHz is the phone line's rate, so the browser resamples. Firefox connects no microphone to a context of another rate
// than its own; then the frames have that rate, and the other side resamples.
async function contextFor(stream) {
  const context = new AudioContext({ sampleRate: 8000, latencyHint: "interactive" });
  try {
    return { context, source: context.createMediaStreamSource(stream) };
  } catch {
    await context.close();
    const own = new AudioContext({ latencyHint: "interactive" });
    return { context: own, source: own.createMediaStreamSource(stream) };
  }
}

export class Sound {
  /** `spoken` takes each frame of the microphone (an ArrayBuffer), `level` its level, `played` the loudspeaker's figures. */
  constructor({ spoken, level, played }) {
    Object.assign(this, { spoken, level, played });
    this.context = null;
  }

  get rate() {
    return this.context ? this.context.sampleRate : 8000;
  }

  /** Ask for the microphone, the first time. Throws what getUserMedia throws. */
  async open() {
    if (this.context) {
      await this.context.resume();
      return;
    }
    const stream = await navigator.mediaDevices.getUserMedia({ audio: WANTED });
    const { context, source } = await contextFor(stream);
    await context.audioWorklet.addModule("/static/sound-worklet.js");
    const microphone = new AudioWorkletNode(context, "microphone", { outputChannelCount: [1] });
    microphone.port.onmessage = ({ data }) => {
      this.spoken(data.frame);
      this.level(data.level);
    };
    source.connect(microphone).connect(context.destination);  // its output is silence: it is only so that it runs
    this.loudspeaker = new AudioWorkletNode(context, "loudspeaker", { numberOfInputs: 0, outputChannelCount: [1] });
    this.loudspeaker.port.onmessage = ({ data }) => this.played(data);
    this.loudspeaker.connect(context.destination);
    [this.track] = stream.getAudioTracks();
    this.context = context;
    await context.resume();
  }

  /** Play a frame. */
  play(frame) {
    this.loudspeaker?.port.postMessage(frame, [frame]);
  }

  /** A new call: nothing of the one before is played, and gaps count from 0. */
  reset() {
    this.loudspeaker?.port.postMessage("reset");
  }

  set muted(muted) {
    if (this.track) this.track.enabled = !muted;  // goes on as silence
  }

  /** What the browser does to the microphone, for people. */
  get about() {
    if (!this.track) return "–";
    const set = this.track.getSettings();
    return `${set.echoCancellation ? "echo cancelled" : "echo NOT cancelled"}, ${this.rate / 1000} kHz`;
  }
}
