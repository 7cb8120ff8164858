// Layered layout of a directed graph, after Sugiyama: ranks by longest path, long edges through a place in every rank, order
// within a rank by barycentres, coordinates that pull connected nodes over each other. Data flow reads from top to bottom.

export interface Box {
  readonly width: number;
  readonly height: number;
}
export interface Point {
  readonly x: number;
  readonly y: number;
}
export interface Layout {
  readonly width: number;
  readonly height: number;
  /** Centres of the boxes, in their order. */
  readonly boxes: readonly Point[];
  /** Way of each edge, in their order: from the lower side of a box to the upper side of another. */
  readonly routes: readonly (readonly Point[])[];
}

const GAP = { between: 24, rank: 48, margin: 16 } as const;
/** Places of long edges beside the boxes; a graph with more draws its longest edges straight. */
const MAX_PLACES = 40_000;
const SWEEPS = 8;

/** A box, or the place where a long edge passes a rank. */
interface Place {
  readonly width: number;
  readonly rank: number;
  readonly up: number[];
  readonly down: number[];
  x: number;
}

/** Places boxes; `edges` are pairs of indices. Edges that close a cycle are drawn but do not count for the ranks. */
export function layered(boxes: readonly Box[], edges: readonly (readonly [number, number])[]): Layout {
  const ranks = rankBoxes(boxes.length, edges);
  const places: Place[] = boxes.map((b, i) => ({ width: b.width, rank: ranks[i]!, up: [], down: [], x: 0 }));
  const ways = connect(places, edges);
  const rows: number[][] = [];
  places.forEach((p, i) => (rows[p.rank] ??= []).push(i));
  for (let r = 0; r < rows.length; r++) rows[r] ??= [];
  order(rows, places);
  align(rows, places);

  const heights = rows.map((row) => Math.max(0, ...row.map((i) => boxes[i]?.height ?? 0)));
  const middles: number[] = [];
  let y: number = GAP.margin;
  for (const h of heights) {
    middles.push(y + h / 2);
    y += h + GAP.rank;
  }
  const left = places.reduce((m, p) => Math.min(m, p.x - p.width / 2), Infinity);
  const shift = places.length > 0 ? GAP.margin - left : 0;
  const at = (i: number): Point => ({ x: places[i]!.x + shift, y: middles[places[i]!.rank]! });
  const right = places.reduce((m, p) => Math.max(m, p.x + shift + p.width / 2), 0);
  const side = (i: number, sign: number): Point => ({ x: at(i).x, y: at(i).y + (sign * boxes[i]!.height) / 2 });
  return {
    width: right + GAP.margin,
    height: Math.max(0, y - GAP.rank) + GAP.margin,
    boxes: boxes.map((_, i) => at(i)),
    routes: ways.map((way) => [side(way[0]!, 1), ...way.slice(1, -1).map(at), side(way.at(-1)!, -1)]),
  };
}

/** Longest path from a source; then whatever is used stands right above its first use, so that weights are beside the ops they serve. */
function rankBoxes(count: number, edges: readonly (readonly [number, number])[]): number[] {
  const down: number[][] = Array.from({ length: count }, () => []);
  const waiting = new Array<number>(count).fill(0);
  for (const [a, b] of edges) {
    if (a === b) continue;
    down[a]!.push(b);
    waiting[b]!++;
  }
  const ranks = new Array<number>(count).fill(0);
  const ready = [...waiting.keys()].filter((i) => waiting[i] === 0);
  const done = new Map<number, number>();
  for (let next = 0; done.size < count;) {
    // In a cycle nothing is ready: the first open box goes on, and what leads back to it does not count.
    while (ready.length === 0) {
      if (!done.has(next)) ready.push(next);
      next++;
    }
    const i = ready.pop()!;
    done.set(i, done.size);
    for (const j of down[i]!) {
      if (done.has(j)) continue;
      ranks[j] = Math.max(ranks[j]!, ranks[i]! + 1);
      if (--waiting[j]! === 0) ready.push(j);
    }
  }
  for (const [i, turn] of [...done].reverse()) {
    const first = down[i]!.reduce((m, j) => (done.get(j)! > turn ? Math.min(m, ranks[j]!) : m), Infinity);
    if (first !== Infinity) ranks[i] = first - 1;
  }
  const top = ranks.reduce((m, r) => Math.min(m, r), Infinity);
  return ranks.map((r) => r - top);
}

/** Gives long edges a place in each rank between. @returns the places that each edge passes, its ends included */
function connect(places: Place[], edges: readonly (readonly [number, number])[]): number[][] {
  const boxes = places.length;
  return edges.map(([a, b]) => {
    const [from, to] = [places[a]!.rank, places[b]!.rank];
    const way = [a];
    if (to > from + 1 && places.length - boxes + to - from <= MAX_PLACES)
      for (let r = from + 1; r < to; r++) {
        places.push({ width: 8, rank: r, up: [], down: [], x: 0 });
        way.push(places.length - 1);
      }
    way.push(b);
    for (let k = 1; k < way.length; k++) {
      const [p, q] = [places[way[k - 1]!]!, places[way[k]!]!];
      if (q.rank <= p.rank) continue;
      p.down.push(way[k]!);
      q.up.push(way[k - 1]!);
    }
    return way;
  });
}

/** Barycentre sweeps: each rank in the order of the mean position of its neighbours, downwards and upwards in turn. */
function order(rows: number[][], places: readonly Place[]): void {
  const position = new Float64Array(places.length);
  const number = (row: readonly number[]): void => row.forEach((i, k) => (position[i] = k));
  for (const row of rows) number(row);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const downwards = sweep % 2 === 0;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[downwards ? k : rows.length - 1 - k]!;
      const key = new Map(
        row.map((i) => {
          const near = downwards ? places[i]!.up : places[i]!.down;
          return [i, near.length === 0 ? position[i]! : near.reduce((s, j) => s + position[j]!, 0) / near.length];
        }),
      );
      row.sort((a, b) => key.get(a)! - key.get(b)! || position[a]! - position[b]!);
      number(row);
    }
  }
}

/** Moves every place towards the mean of its neighbours, keeping order and distance within the rank. */
function align(rows: readonly (readonly number[])[], places: readonly Place[]): void {
  for (const row of rows) {
    let x = 0;
    for (const i of row) {
      places[i]!.x = x + places[i]!.width / 2;
      x += places[i]!.width + GAP.between;
    }
    for (const i of row) places[i]!.x -= x / 2;
  }
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const downwards = sweep % 2 === 0;
    for (let k = 0; k < rows.length; k++) {
      const row = rows[downwards ? k : rows.length - 1 - k]!;
      const wanted = row.map((i) => {
        const near = downwards ? places[i]!.up : places[i]!.down;
        return near.length === 0 ? places[i]!.x : near.reduce((s, j) => s + places[j]!.x, 0) / near.length;
      });
      spread(row, wanted, places);
    }
  }
}

/** Least squares under order and distance: neighbours that would overlap merge into blocks that move together. */
function spread(row: readonly number[], wanted: readonly number[], places: readonly Place[]): void {
  const offsets: number[] = [];
  row.forEach((i, k) => {
    const before = k === 0 ? 0 : offsets[k - 1]! + places[row[k - 1]!]!.width / 2 + GAP.between;
    offsets.push(k === 0 ? 0 : before + places[i]!.width / 2);
  });
  const blocks: { first: number; count: number; mean: number }[] = [];
  wanted.forEach((w, k) => {
    let block = { first: k, count: 1, mean: w - offsets[k]! };
    for (let last = blocks.at(-1); last && last.mean > block.mean; last = blocks.at(-1)) {
      blocks.pop();
      const count = last.count + block.count;
      block = { first: last.first, count, mean: (last.mean * last.count + block.mean * block.count) / count };
    }
    blocks.push(block);
  });
  for (const b of blocks) for (let k = b.first; k < b.first + b.count; k++) places[row[k]!]!.x = b.mean + offsets[k]!;
}
