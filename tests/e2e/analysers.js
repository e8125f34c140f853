// Put into every page of the browser tests: what does this page really play, judged by sound and pixels?
//
// Reads only what a person could hear and see: elements that play, with sound on, in the document. Knows the code of
// media.py and nothing of liveclass.
(() => {
  const COLUMNS = 8, ROWS = 4, LIMIT = 127.5;
  const played = new Set();
  const play = HTMLMediaElement.prototype.play;
  // Elements outside the document sound as well: `new Audio()`.
  HTMLMediaElement.prototype.play = function (...rest) {
    played.add(this);
    return play.apply(this, rest);
  };

  const elements = (selector) => {
    const roots = selector ? [...document.querySelectorAll(selector)] : [document];
    const inside = roots.flatMap((root) =>
      root instanceof HTMLMediaElement ? [root] : [...root.querySelectorAll("audio, video")]);
    return selector ? inside : [...new Set([...inside, ...played])];
  };

  let context;
  const taps = new Map();
  const captures = new WeakMap();

  const tap = (element) => {
    const live = element.srcObject instanceof MediaStream;
    // One capture for each element: its tracks come a moment after it was asked for.
    if (!live && !captures.has(element)) captures.set(element, element.captureStream());
    const stream = live ? element.srcObject : captures.get(element);
    const tracks = stream ? stream.getAudioTracks().filter((t) => t.readyState === "live") : [];
    if (!tracks.length) return [];
    return tracks.map((track) => {
      const old = taps.get(track.id);
      if (old) return old;
      const source = context.createMediaStreamSource(new MediaStream([track]));
      const analyser = context.createAnalyser();
      analyser.fftSize = 8192;
      analyser.smoothingTimeConstant = 0;
      source.connect(analyser);
      const made = { source, analyser };
      taps.set(track.id, made);
      return made;
    });
  };

  const audible = (element) =>
    !element.paused && !element.muted && element.volume > 0;

  const strongest = (analyser, bins) => {
    analyser.getFloatFrequencyData(bins);
    let best = 2;
    for (let i = 3; i < bins.length; i += 1) if (bins[i] > bins[best]) best = i;
    const floor = Float32Array.from(bins).sort()[bins.length >> 1];
    return { hz: (best * context.sampleRate) / analyser.fftSize, db: bins[best], above: bins[best] - floor };
  };

  // The tones that the page sounds within `seconds`: [{hz, db}], the loudest first, one for each 30 Hz.
  const heard = async (seconds, selector) => {
    context = context || new AudioContext();
    if (context.state !== "running") await Promise.race([context.resume(), new Promise((r) => setTimeout(r, 300))]);
    const found = new Map();
    const bins = new Float32Array(4096);
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end) {
      for (const element of elements(selector).filter(audible)) {
        for (const { analyser } of tap(element)) {
          const { hz, db, above } = strongest(analyser, bins);
          if (!(db > -65 && above > 20)) continue;
          const key = Math.round(hz / 30);
          if (!found.has(key) || found.get(key).db < db) found.set(key, { hz, db });
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    return [...found.values()].sort((a, b) => b.db - a.db);
  };

  // How loud each of these tones is in each channel of what the page sounds: [[left], [right]] in dB, the most within
  // `seconds`. A track of one channel has nothing in the other.
  const channels = async (tones, seconds, selector) => {
    context = context || new AudioContext();
    if (context.state !== "running") await Promise.race([context.resume(), new Promise((r) => setTimeout(r, 300))]);
    const loudest = [tones.map(() => -200), tones.map(() => -200)];
    const bins = new Float32Array(4096);
    const ears = elements(selector).filter(audible).flatMap(tap).map((one) => {
      if (!one.ears) {
        const splitter = context.createChannelSplitter(2);
        one.source.connect(splitter);
        one.ears = [0, 1].map((channel) => {
          const analyser = context.createAnalyser();
          analyser.fftSize = 8192;
          analyser.smoothingTimeConstant = 0;
          splitter.connect(analyser, channel);
          return analyser;
        });
      }
      return one.ears;
    });
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end) {
      for (const pair of ears) {
        pair.forEach((analyser, channel) => {
          analyser.getFloatFrequencyData(bins);
          tones.forEach((hz, at) => {
            const bin = Math.round((hz * analyser.fftSize) / context.sampleRate);
            loudest[channel][at] = Math.max(loudest[channel][at], bins[bin - 1], bins[bin], bins[bin + 1]);
          });
        });
      }
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    return loudest;
  };

  const shown = (element) => {
    const box = element.getBoundingClientRect();
    const style = getComputedStyle(element);
    return element.isConnected && box.width > 8 && box.height > 8 && style.visibility !== "hidden" && style.opacity !== "0";
  };

  const canvas = document.createElement("canvas");

  // Reads the code in one video or canvas; null where there is another picture or none.
  const read = (element) => {
    const width = element.videoWidth || element.width, height = element.videoHeight || element.height;
    if (!width || !height) return null;
    canvas.width = 320;
    canvas.height = 180;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(element, 0, 0, 320, 180);
    const pixels = pen.getImageData(0, 0, 320, 180).data;
    let bits = "";
    for (let row = 0; row < ROWS; row += 1) {
      for (let column = 0; column < COLUMNS; column += 1) {
        let sum = 0, count = 0;
        for (let y = Math.floor(((row + 0.3) * 180) / ROWS); y < ((row + 0.7) * 180) / ROWS; y += 3) {
          for (let x = Math.floor(((column + 0.3) * 320) / COLUMNS); x < ((column + 0.7) * 320) / COLUMNS; x += 3) {
            const at = (y * 320 + x) * 4;
            sum += 0.299 * pixels[at] + 0.587 * pixels[at + 1] + 0.114 * pixels[at + 2];
            count += 1;
          }
        }
        bits += sum / count > LIMIT ? "1" : "0";
      }
    }
    const number = (from, to) => parseInt(bits.slice(from, to), 2);
    const person = number(4, 8), counter = number(8, 24);
    const sum = ((counter >> 8) ^ (counter & 255) ^ (person * 37)) & 255;
    return bits.startsWith("1010") && number(24, 32) === sum ? { person, counter, width, height } : null;
  };

  // The frames that the page shows within `seconds`: [{person, counter, width, height, area, at}], changes only.
  // Where the page shows several pictures each is listed; `area` is in CSS pixels, `at` in ms since the first look.
  const seen = async (seconds, selector) => {
    const frames = [];
    const last = new Map();
    const begin = performance.now();
    do {
      for (const element of elements(selector)) {
        if (!(element instanceof HTMLVideoElement) || !shown(element)) continue;
        const frame = read(element);
        if (!frame || last.get(element) === frame.counter) continue;
        last.set(element, frame.counter);
        const box = element.getBoundingClientRect();
        frames.push({ ...frame, area: box.width * box.height, at: performance.now() - begin });
      }
      await new Promise((resolve) => setTimeout(resolve, 40));
    } while (performance.now() < begin + seconds * 1000);
    return frames;
  };

  // Covers the window with a counting picture that lets clicks through: something to find in a shared screen.
  const show = (person) => {
    const cover = document.createElement("canvas");
    cover.width = 320;
    cover.height = 180;
    cover.style.cssText = "position:fixed;left:0;top:0;width:100vw;height:100vh;z-index:99999;pointer-events:none";
    document.documentElement.append(cover);
    const pen = cover.getContext("2d");
    let counter = 0;
    setInterval(() => {
      counter = (counter + 1) & 0xffff;
      const sum = ((counter >> 8) ^ (counter & 255) ^ (person * 37)) & 255;
      const bits = `1010${person.toString(2).padStart(4, "0")}${counter.toString(2).padStart(16, "0")}${sum.toString(2).padStart(8, "0")}`;
      [...bits].forEach((bit, at) => {
        pen.fillStyle = bit === "1" ? "rgb(215,215,215)" : "rgb(40,40,40)";
        pen.fillRect((at % COLUMNS) * 40, Math.floor(at / COLUMNS) * 45, 40, 45);
      });
    }, 200);
    return cover;
  };

  // Everything that makes noise or moves, for the report of a failed test.
  const state = () =>
    elements().map((element) => ({
      tag: element.tagName, paused: element.paused, muted: element.muted, volume: element.volume,
      ready: element.readyState, time: Math.round(element.currentTime * 10) / 10,
      size: element.videoWidth ? `${element.videoWidth}x${element.videoHeight}` : "",
      tracks: element.srcObject ? element.srcObject.getTracks().map((t) => `${t.kind}:${t.readyState}:${t.muted ? "muted" : "on"}`) : [],
      shown: element.isConnected && shown(element),
    }));

  window.analysers = { heard, channels, seen, show, state, read };
})();
