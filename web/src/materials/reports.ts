/** When the volunteer is told how much of each material is here: on change, not too often, and all again after each greeting.
 * Pure. */

export interface Ready {
  readonly material: string;
  readonly have: number;
  readonly total: number;
}

/** Of one material. */
export const REPORT_EVERY_MS = 2_000;

export class Reports {
  private told = new Map<string, { readonly have: number; readonly total: number; readonly atMs: number }>();

  /** The server was greeted: it may know nothing. */
  afresh(): void {
    this.told.clear();
  }

  /** What to tell now, of what is `present`. */
  due(present: readonly Ready[], nowMs: number): readonly Ready[] {
    return present.filter(({ material, have, total }) => {
      const last = this.told.get(material);
      if (last === undefined) return total > 0;
      return (last.have !== have || last.total !== total) && nowMs - last.atMs >= REPORT_EVERY_MS;
    });
  }

  /** It was sent. */
  sent({ material, have, total }: Ready, nowMs: number): void {
    this.told.set(material, { have, total, atMs: nowMs });
  }
}
