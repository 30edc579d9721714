// Runs under seeds: a failure names its seed, and ANYTHING_SEED replays it.

/** Numbers from 0 to 1, the same for the same seed. */
export function mulberry(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Calls `live` with so many seeds; gives the sum of what it gives. */
export function liveOften(runs, live) {
  const given = process.env.ANYTHING_SEED;
  const first = Number(given ?? process.hrtime.bigint() % 1_000_000_000n);
  let sum = 0;
  for (let seed = first; seed < first + (given ? 1 : runs); seed += 1) {
    try {
      sum += live(seed);
    } catch (error) {
      error.message += `\nANYTHING_SEED=${seed}`;
      throw error;
    }
  }
  return sum;
}
