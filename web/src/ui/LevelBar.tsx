/** How loud the own voice is, as a bar that moves with it. */

import type { Signal } from "@preact/signals";
import type { JSX } from "preact";

export interface LevelBarProps {
  readonly level: Signal<number>;
  readonly label: string;
  readonly off?: boolean | undefined;
}

export function LevelBar({ level, label, off = false }: LevelBarProps): JSX.Element {
  const value = off ? 0 : level.value;
  return (
    <div
      class="level"
      role="meter"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(value * 100)}
      data-test="level"
      data-level={Math.round(value * 100)}
    >
      <div class="level-fill" style={{ transform: `scaleX(${value.toFixed(3)})` }} />
    </div>
  );
}
