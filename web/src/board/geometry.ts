/** Distances between points and lines. Knows no stroke. */

/** From (x, y) to the segment between two points. */
export function distanceToSegment(x: number, y: number, ax: number, ay: number, bx: number, by: number): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const along = length === 0 ? 0 : Math.max(0, Math.min(1, ((x - ax) * dx + (y - ay) * dy) / length));
  return Math.hypot(x - ax - along * dx, y - ay - along * dy);
}

/** From (x, y) to a path of points, `step` numbers each (x and y first); infinite when it has none. */
export function distanceToPath(x: number, y: number, path: readonly number[], step: number): number {
  let [ax, ay] = path;
  if (ax === undefined || ay === undefined) return Infinity;
  let least = Math.hypot(x - ax, y - ay);
  for (let n = step; n + 1 < path.length; n += step) {
    const [bx, by]: [number, number] = [path[n] ?? 0, path[n + 1] ?? 0];
    least = Math.min(least, distanceToSegment(x, y, ax, ay, bx, by));
    [ax, ay] = [bx, by];
  }
  return least;
}

const SIDES = 48;

/** The outline of the ellipse within two corners, as points of two numbers. */
export function ellipsePath(ax: number, ay: number, bx: number, by: number): number[] {
  const path: number[] = [];
  for (let n = 0; n <= SIDES; n++) {
    const angle = (n / SIDES) * 2 * Math.PI;
    path.push((ax + bx) / 2 + ((bx - ax) / 2) * Math.cos(angle), (ay + by) / 2 + ((by - ay) / 2) * Math.sin(angle));
  }
  return path;
}
