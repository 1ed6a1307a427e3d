// Runs on the audio thread: takes 20 ms of the microphone at a time, and plays 20 ms at a time.
// What is played comes over a socket with jitter, so a little of it is kept back; a buffer that ran dry is a gap, and after
// it a little more is kept back.

const FRAME = sampleRate / 50;
const PREFILL = FRAME * 3;
const LONGEST_PREFILL = FRAME * 8;
const MOST = FRAME * 20;

function rms(sum, count) {
  return count ? Math.sqrt(sum / count) : 0;
}

registerProcessor("microphone", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.frame = new Int16Array(FRAME);
    this.filled = 0;
    this.sum = 0;
  }

  process([input]) {
    const samples = input[0];
    if (!samples) return true;
    for (const sample of samples) {
      const clipped = Math.max(-1, Math.min(1, sample));
      this.sum += clipped * clipped;
      this.frame[this.filled++] = Math.round(clipped * 32767);
      if (this.filled === FRAME) {
        const whole = this.frame;
        this.frame = new Int16Array(FRAME);
        this.filled = 0;
        this.port.postMessage({ frame: whole.buffer, level: rms(this.sum, FRAME) }, [whole.buffer]);
        this.sum = 0;
      }
    }
    return true;
  }
});

registerProcessor("loudspeaker", class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.reset();
    this.port.onmessage = ({ data }) => (data === "reset" ? this.reset() : this.take(new Int16Array(data)));
  }

  reset() {
    this.queue = [];
    this.waiting = 0;
    this.at = 0;
    this.plays = false;
    this.dry = false;
    this.prefill = PREFILL;
    this.gaps = 0;
    this.dropped = 0;
    this.sum = 0;
    this.count = 0;
  }

  take(samples) {
    this.queue.push(samples);
    this.waiting += samples.length;
    if (this.waiting <= MOST) return;
    while (this.waiting > this.prefill && this.queue.length > 1) {
      const old = this.queue.shift();
      this.waiting -= old.length - this.at;
      this.dropped += old.length - this.at;
      this.at = 0;
    }
  }

  process(_, [[out]]) {
    if (!this.plays && this.waiting >= this.prefill) {
      this.plays = true;
      // Only what goes on afterwards was a gap; at the end of a call nothing does.
      if (this.dry) this.gaps += 1;
      this.dry = false;
    }
    let filled = 0;
    while (this.plays && filled < out.length) {
      const frame = this.queue[0];
      if (!frame) {
        this.plays = false;
        this.dry = true;
        this.prefill = Math.min(this.prefill + FRAME, LONGEST_PREFILL);
        break;
      }
      const sample = frame[this.at++] / 32768;
      out[filled++] = sample;
      this.sum += sample * sample;
      this.waiting -= 1;
      if (this.at === frame.length) {
        this.queue.shift();
        this.at = 0;
      }
    }
    this.count += out.length;
    if (this.count >= sampleRate / 10) {
      const ms = (samples) => Math.round((samples * 1000) / sampleRate);
      this.port.postMessage({
        level: rms(this.sum, this.count), waiting_ms: ms(this.waiting), gaps: this.gaps, dropped_ms: ms(this.dropped),
      });
      this.sum = this.count = 0;
    }
    return true;
  }
});
