/** One soft bell: time is up, or it is this class's turn. */

/** Beside a voice it is to be noticed, not to cover a word. */
const GAIN = 0.18;
const RINGS_S = 1.6;
/** A browser that lets no sound out yet keeps it; a bell that comes later would say something untrue. */
const STARTS_WITHIN_MS = 500;

/** Ring. `volume` 0 to 1. */
export async function bell(volume: number): Promise<void> {
  if (typeof AudioContext === "undefined" || volume === 0) return;
  const context = new AudioContext();
  try {
    const late = new Promise<never>((_, fail) => setTimeout(fail, STARTS_WITHIN_MS));
    await Promise.race([context.resume(), late]);
    // A third above each other, as of a small gong.
    [660, 825].forEach((hz, place) => {
      const at = context.currentTime + 0.02 + place * 0.18;
      const tone = context.createOscillator();
      const gain = context.createGain();
      tone.frequency.value = hz;
      gain.gain.setValueAtTime(0.0001, at);
      gain.gain.exponentialRampToValueAtTime(GAIN * volume, at + 0.02);
      gain.gain.exponentialRampToValueAtTime(0.0001, at + RINGS_S - 0.3);
      tone.connect(gain);
      gain.connect(context.destination);
      tone.start(at);
      tone.stop(at + RINGS_S - 0.2);
    });
    await new Promise((done) => setTimeout(done, RINGS_S * 1000));
  } catch {
    // Nobody has pressed anything yet: what is seen must do.
  } finally {
    void context.close();
  }
}
