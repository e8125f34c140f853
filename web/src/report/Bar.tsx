/** A flat bar of stretches, drawn as SVG so that it is printed as it is seen. Always beside words that say the same. */

import type { JSX } from "preact";
import type { Stretch } from "./model";

const WIDTH = 1000;

export function Bar({ stretches, class: extra }: { readonly stretches: readonly Stretch[]; readonly class?: string }): JSX.Element {
  return (
    <svg
      class={`report-bar${extra === undefined ? "" : ` ${extra}`}`}
      viewBox={`0 0 ${WIDTH} 10`}
      preserveAspectRatio="none"
      aria-hidden="true"
      focusable="false"
    >
      {stretches.map(({ kind, from, to }) => (
        <rect key={`${kind}${from}`} class={`bar-${kind}`} x={from * WIDTH} y="0" width={(to - from) * WIDTH} height="10" />
      ))}
    </svg>
  );
}

/** The colour of a kind, before its word. */
export function Swatch({ kind }: { readonly kind: string }): JSX.Element {
  return (
    <svg class="report-swatch" viewBox="0 0 10 10" aria-hidden="true" focusable="false">
      <rect class={`bar-${kind}`} width="10" height="10" rx="2" />
    </svg>
  );
}
