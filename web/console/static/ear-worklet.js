// Plays both sides of a call as they come off the wire: G.711 (ITU-T G.711) or 16-bit samples, each side in a queue.
//
// The caller's sound comes as it is said; the bot's comes ahead of its playing, and what was not played may be taken
// back. So each side waits until a little has come together, and plays on as the telephone does.
"use strict";

const CALLER = 0;
const TAKEN_BACK = 2;
const HEAD_BYTES = 5;
const WAIT_SECS = 0.15; // before the first sound: messages come every tenth of a second
const MOST_SECS = [1, 6]; // more than this of a side is behind the call, as after a page that slept
const LEVELS_SECS = 0.1;

function mulaw(byte) {
  const u = ~byte & 0xff;
  const t = (((u & 0x0f) << 3) + 0x84) << ((u & 0x70) >> 4);
  return (u & 0x80 ? 0x84 - t : t - 0x84) / 32768;
}

function alaw(byte) {
  const a = byte ^ 0x55;
  const segment = (a & 0x70) >> 4;
  let t = ((a & 0x0f) << 4) + 8;
  if (segment > 0) t = (t + 0x100) << (segment - 1);
  return (a & 0x80 ? t : -t) / 32768;
}

const TABLES = {
  PCMU: Float32Array.from({ length: 256 }, (_, byte) => mulaw(byte)),
  PCMA: Float32Array.from({ length: 256 }, (_, byte) => alaw(byte)),
};

function decoded(bytes, how) {
  const table = TABLES[how.encoding];
  if (table) return Float32Array.from(bytes, (byte) => table[byte]);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const little = how.byte_order !== "big";
  return Float32Array.from({ length: bytes.length >> 1 }, (_, n) => view.getInt16(2 * n, little) / 32768);
}

// One side: samples that wait to be played, at its own rate.
class Side {
  constructor(how, most) {
    this.how = how;
    this.step = how.sample_rate / sampleRate;
    this.most = most * how.sample_rate;
    this.forget();
  }

  forget() {
    this.parts = [];
    this.length = 0;
    this.at = 0; // of the first part, perhaps between two samples
    this.plays = false;
    this.peak = 0;
  }

  add(samples) {
    if (!samples.length) return;
    this.parts.push(samples);
    this.length += samples.length;
    while (this.length > this.most && this.parts.length > 1) {
      this.length -= this.parts.shift().length;
      this.at = 0;
    }
  }

  mix(out) {
    if (!this.plays) this.plays = this.length - this.at >= WAIT_SECS * this.how.sample_rate;
    if (!this.plays) return;
    for (let n = 0; n < out.length; n++) {
      while (this.parts.length && this.at >= this.parts[0].length) {
        this.at -= this.parts[0].length;
        this.length -= this.parts.shift().length;
      }
      if (!this.parts.length) {
        this.forget();
        return;
      }
      const part = this.parts[0];
      const before = Math.floor(this.at);
      const next = before + 1 < part.length ? part[before + 1] : (this.parts[1] || part)[this.parts[1] ? 0 : before];
      const sample = part[before] + (next - part[before]) * (this.at - before);
      out[n] += sample;
      this.peak = Math.max(this.peak, Math.abs(sample));
      this.at += this.step;
    }
  }

  level() {
    const peak = this.peak;
    this.peak = 0;
    return Math.min(1, peak);
  }
}

class Ear extends AudioWorkletProcessor {
  constructor() {
    super();
    this.sides = [];
    this.told = 0;
    this.port.onmessage = ({ data }) => {
      if (data.start) this.sides = [data.start.caller, data.start.bot].map((how, n) => new Side(how, MOST_SECS[n]));
      else if (data.forget) this.sides.forEach((side) => side.forget());
      else if (data.pieces) this.take(data.pieces);
    };
  }

  take(buffer) {
    const view = new DataView(buffer);
    for (let at = 0; at + HEAD_BYTES <= buffer.byteLength; ) {
      const side = view.getUint8(at);
      const length = view.getUint32(at + 1);
      at += HEAD_BYTES;
      if (side === TAKEN_BACK) this.sides[1].forget();
      else if (this.sides[side]) {
        const bytes = new Uint8Array(buffer, at, Math.min(length, buffer.byteLength - at));
        this.sides[side].add(decoded(bytes, this.sides[side].how));
      }
      at += length;
    }
  }

  process(_inputs, [[out]]) {
    for (const side of this.sides) side.mix(out);
    if (this.sides.length && currentTime - this.told >= LEVELS_SECS) {
      this.told = currentTime;
      this.port.postMessage(this.sides.map((side) => side.level()));
    }
    return true;
  }
}

registerProcessor("ear", Ear);
