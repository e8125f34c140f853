/** A soft sound for a hand that comes up. Made here, so that it needs no file; says nothing of when. */

/** Beside a voice it is to be noticed and not to cover a word. */
const GAIN = 0.09;
const RINGS_S = 0.7;

let context: AudioContext | null = null;

/** Ring once, where the browser lets sound out. */
export function chime(): void {
  if (typeof AudioContext === "undefined") return;
  context = context ?? new AudioContext();
  const audio = context;
  if (audio.state === "suspended") {
    // A chime that comes when the page is pressed next would say something that is over.
    void audio.resume();
    return;
  }
  [587, 784].forEach((hz, place) => {
    const at = audio.currentTime + 0.02 + place * 0.12;
    const tone = audio.createOscillator();
    const gain = audio.createGain();
    tone.frequency.value = hz;
    gain.gain.setValueAtTime(0.0001, at);
    gain.gain.exponentialRampToValueAtTime(GAIN, at + 0.02);
    gain.gain.exponentialRampToValueAtTime(0.0001, at + RINGS_S);
    tone.connect(gain);
    gain.connect(audio.destination);
    tone.start(at);
    tone.stop(at + RINGS_S + 0.05);
  });
}

/** Called on a press: the first chime may sound then. */
export function allowChime(): void {
  if (typeof AudioContext === "undefined") return;
  context = context ?? new AudioContext();
  if (context.state === "suspended") void context.resume();
}
