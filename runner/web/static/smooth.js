// @ts-check
// What is made of the points of a line before it is drawn. Pure.

const FAR = 8; // times the usual height of a bucket: a spike

/**
 * A Gaussian mean of neighbours; as many count to the left as to the right, so nothing is shifted, and a straight line
 * stays what it is. What is not finite stays, and is no neighbour.
 * @param {number[]} values
 * @param {number} amount  0 to 100: there it is as wide as a tenth of all points
 */
export function smooth(values, amount) {
  const found = values.slice();
  let start = 0;
  for (let at = 0; at <= values.length; at++) {
    if (at < values.length && Number.isFinite(values[at])) continue;
    piece(values, found, start, at, amount);
    start = at + 1;
  }
  return found;
}

/** @param {number[]} values @param {number[]} found @param {number} start @param {number} end @param {number} amount */
function piece(values, found, start, end, amount) {
  const sigma = ((amount / 100) * (end - start)) / 10;
  const reach = Math.floor(sigma * 3);
  if (reach < 1) return;
  const weights = Array.from({ length: reach + 1 }, (_, distance) => Math.exp(-0.5 * (distance / sigma) ** 2));
  for (let at = start; at < end; at++) {
    let [total, weight] = [values[at], 1];
    const most = Math.min(reach, at - start, end - 1 - at);
    for (let distance = 1; distance <= most; distance++) {
      total += weights[distance] * (values[at - distance] + values[at + distance]);
      weight += 2 * weights[distance];
    }
    found[at] = total / weight;
  }
}

/** The values of 98 of 100, without the farthest on each side. @param {number[]} values */
export function usual(values) {
  const ordered = values.filter(Number.isFinite).sort((one, two) => one - two);
  const cut = Math.floor(ordered.length / 100);
  return ordered.slice(cut, ordered.length - cut);
}

/** Places of buckets that reach much farther than is usual. @param {number[]} lows @param {number[]} highs */
export function spikes(lows, highs) {
  const heights = lows.map((low, at) => highs[at] - low);
  const ordered = heights.filter(Number.isFinite).sort((one, two) => one - two);
  const far = FAR * (ordered[Math.floor(ordered.length / 2)] ?? 0);
  return heights.flatMap((height, at) => (height > far ? [at] : []));
}

/** Place of the value nearest to `wanted` in an ascending list; -1 in an empty one. @param {number[]} values @param {number} wanted */
export function nearest(values, wanted) {
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  if (low === values.length) return low - 1;
  return low && wanted - values[low - 1] < values[low] - wanted ? low - 1 : low;
}
