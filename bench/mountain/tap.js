// Put into every page of the harness: what does this room hear and see, moment by moment?
//
// Taps every element that plays, with its own volume, into one mono track of 16 kHz; reads the counter in every picture that
// is presented; samples `getStats` of every connection. Knows the picture code of tests/e2e/media.py and nothing of
// liveclass. `tap.drain()` hands out what came since the last call; times are wall-clock milliseconds.
(() => {
  if (!location.protocol.startsWith("http") || window !== window.top) return;
  const RATE = 16000, COLUMNS = 8, ROWS = 4, LIMIT = 127.5;
  const LOOK_MS = 100, STATS_MS = 1000, FETCHED = 30;
  const wall = () => performance.timeOrigin + performance.now();
  let frames = [], stats = [];
  const connections = [], played = new Set(), clean = (value) => (value === undefined ? null : value);

  window.RTCPeerConnection = class extends RTCPeerConnection {
    constructor(...given) {
      super(...given);
      connections.push(this);
      prepareSoon();
    }
  };
  const play = HTMLMediaElement.prototype.play;
  HTMLMediaElement.prototype.play = function (...rest) {
    played.add(this); // elements outside the document sound as well
    prepareSoon();
    return play.apply(this, rest);
  };

  const WORKLET = `
    registerProcessor("tap", class extends AudioWorkletProcessor {
      constructor() { super(); this.block = new Int16Array(1600); this.fill = 0; }
      process([input]) {
        const one = input[0];
        for (let i = 0; i < 128; i += 1) {
          let x = 0;
          for (const channel of input) x += channel[i] / input.length;
          this.block[this.fill++] = one ? Math.max(-32768, Math.min(32767, Math.round(x * 32767))) : 0;
          if (this.fill === 1600) {
            this.port.postMessage({ end: currentFrame + i + 1, block: this.block }, []);
            this.fill = 0;
          }
        }
        return true;
      }
    });`;

  // A recording: `blocks` of 1600 samples, `end` counts samples since the context began.
  class Track {
    constructor(context) {
      this.node = new AudioWorkletNode(context, "tap", { numberOfInputs: 1, numberOfOutputs: 1 });
      this.node.connect(context.destination); // it gives silence; unconnected nodes are not run
      this.blocks = [];
      this.node.port.onmessage = ({ data }) => this.blocks.push({ at: wall(), end: data.end, block: data.block });
    }
    drain() {
      const taken = this.blocks;
      this.blocks = [];
      return taken.map(({ at, end, block }) => {
        const bytes = new Uint8Array(block.buffer);
        return [at, end, btoa(String.fromCharCode.apply(null, bytes))];
      });
    }
  }

  // Making a context takes a fifth of a second of a slow machine, which would be added to what the page's own scripts take
  // to ask for a connection. Nothing sounds before that has been answered.
  const BESIDE_MS = 250;
  let begun = false;
  const prepareSoon = () => {
    if (begun) return;
    begun = true;
    setTimeout(() => void prepare(), BESIDE_MS);
  };
  let context, room, microphone, spoken;
  const prepare = async () => {
    context = new AudioContext({ sampleRate: RATE });
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" })));
    room = new Track(context);
    microphone = new Track(context);
    setInterval(() => {
      if (context.state !== "running") void context.resume();
      look();
      hearMicrophone();
    }, LOOK_MS);
  };

  // What the volunteer's own microphone hears: the page's newest capture of it.
  let captured = null;
  const devices = navigator.mediaDevices;
  if (devices) {
    const ask = devices.getUserMedia.bind(devices);
    devices.getUserMedia = async (wanted) => {
      prepareSoon();
      const stream = await ask(wanted);
      if (stream.getAudioTracks().length) captured = stream.getAudioTracks()[0].clone();
      return stream;
    };
  }
  const hearMicrophone = () => {
    if (!captured || (spoken && spoken.track === captured)) return;
    if (spoken) {
      spoken.source.disconnect();
      spoken.track.stop();
    }
    spoken = { track: captured, source: context.createMediaStreamSource(new MediaStream([captured])) };
    spoken.source.connect(microphone.node);
  };

  const taps = new Map(), captures = new WeakMap();
  const tracksOf = (element) => {
    if (element.srcObject instanceof MediaStream) return element.srcObject.getAudioTracks();
    if (!element.currentSrc) return [];
    if (!captures.has(element)) captures.set(element, element.captureStream());
    return captures.get(element).getAudioTracks();
  };
  const look = () => {
    const elements = new Set([...document.querySelectorAll("audio, video"), ...played]);
    const heard = new Set();
    for (const element of elements) {
      if (element instanceof HTMLVideoElement) watch(element);
      for (const track of tracksOf(element)) {
        if (track.readyState !== "live") continue;
        const key = `${number(element)}/${track.id}`;
        heard.add(key);
        if (!taps.has(key)) {
          const source = context.createMediaStreamSource(new MediaStream([track]));
          const gain = context.createGain();
          source.connect(gain).connect(room.node);
          taps.set(key, { source, gain });
        }
        taps.get(key).gain.gain.value = element.paused || element.muted ? 0 : element.volume;
      }
    }
    for (const [key, { source, gain }] of taps) {
      if (heard.has(key)) continue;
      source.disconnect();
      gain.disconnect();
      taps.delete(key);
    }
  };

  const numbers = new WeakMap();
  let last = 0;
  const number = (element) => {
    if (!numbers.has(element)) numbers.set(element, (last += 1));
    return numbers.get(element);
  };

  const canvas = document.createElement("canvas");
  canvas.width = 160;
  canvas.height = 96;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const read = (video) => {
    pen.drawImage(video, 0, 0, 160, 96);
    const pixels = pen.getImageData(0, 0, 160, 96).data;
    let bits = "";
    for (let row = 0; row < ROWS; row += 1) {
      for (let column = 0; column < COLUMNS; column += 1) {
        let sum = 0, count = 0;
        for (let y = row * 24 + 7; y < row * 24 + 17; y += 2) {
          for (let x = column * 20 + 6; x < column * 20 + 14; x += 2) {
            const at = (y * 160 + x) * 4;
            sum += 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2];
            count += 1;
          }
        }
        bits += sum / count > LIMIT ? "1" : "0";
      }
    }
    const part = (from, to) => parseInt(bits.slice(from, to), 2);
    const person = part(4, 8), counter = part(8, 24);
    const sum = ((counter >> 8) ^ (counter & 255) ^ (person * 37)) & 255;
    return bits.startsWith("1010") && part(24, 32) === sum ? [person, counter] : [null, null];
  };

  const watched = new WeakSet();
  const watch = (video) => {
    if (watched.has(video) || !video.requestVideoFrameCallback) return;
    watched.add(video);
    const next = () => video.requestVideoFrameCallback((_, meta) => {
      const box = video.getBoundingClientRect();
      const shown = box.width > 8 && box.height > 8 && getComputedStyle(video).visibility !== "hidden";
      if (shown) frames.push([wall(), number(video), ...read(video), meta.width, meta.height, meta.presentedFrames]);
      next();
    });
    next();
  };

  const KEPT = {
    "inbound-rtp": ["kind", "mid", "packetsReceived", "packetsLost", "packetsDiscarded", "bytesReceived", "concealedSamples",
      "silentConcealedSamples", "totalSamplesReceived", "concealmentEvents", "jitterBufferDelay",
      "jitterBufferEmittedCount", "jitterBufferTargetDelay", "fecPacketsReceived", "nackCount",
      "retransmittedPacketsReceived", "freezeCount", "totalFreezesDuration", "framesDecoded", "framesDropped", "frameWidth",
      "frameHeight", "framesPerSecond", "pliCount", "estimatedPlayoutTimestamp", "jitter"],
    "outbound-rtp": ["kind", "mid", "rid", "active", "packetsSent", "bytesSent", "framesSent", "frameWidth", "frameHeight",
      "targetBitrate", "nackCount", "pliCount", "retransmittedPacketsSent", "qualityLimitationReason"],
    "candidate-pair": ["state", "nominated", "currentRoundTripTime", "availableOutgoingBitrate", "bytesSent", "bytesReceived"],
  };
  const sample = async () => {
    for (const [index, connection] of connections.entries()) {
      if (connection.connectionState === "closed") continue;
      const entries = [];
      (await connection.getStats()).forEach((entry) => {
        const names = KEPT[entry.type];
        if (!names || (entry.type === "candidate-pair" && !entry.nominated)) return;
        const kept = { id: entry.id, type: entry.type };
        for (const name of names) if (entry[name] !== undefined) kept[name] = clean(entry[name]);
        entries.push(kept);
      });
      stats.push([wall(), index, connection.connectionState, entries]);
    }
  };
  setInterval(() => void sample().catch(() => undefined), STATS_MS);

  // What was fetched to open the page, in ms since it was asked for, and whether it came over the network.
  const fetched = () => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind)).slice(0, FETCHED)
    .map((one) => [new URL(one.name).pathname, one.startTime, one.connectEnd || 0, one.responseEnd, one.transferSize]);

  const drain = () => {
    const taken = { origin: performance.timeOrigin, fetched: fetched(), now: wall(), context: context ? context.state : "", frames, stats,
      sound: room ? room.drain() : [], microphone: microphone ? microphone.drain() : [] };
    frames = [];
    stats = [];
    return taken;
  };
  window.tap = { drain };
})();
