// y[j] = activate(sum_k a[k] * w[k, j] + bias[j]) + residual[j], w[k, j] = scales[block of k, j] * (q[k, j] - zeros[.., j]),
// for a single row of a; the whole numbers q are of 8 bits, signed, or of 4, in strips of 64 columns.
// For adapters that run subgroups on a CPU, as matvecLanes: a subgroup is a workgroup, and a lane has four words, which lie
// together, of each row of w. Where there are few columns, the lanes of a subgroup share out the rows of w: PARTS runs of
// partRows rows each. Whole numbers are summed as they lie in their word, times a power of two; scale and zero come once a
// block. A norm of the row of a, where there is one, is found by every workgroup anew.
// Gated, the second half of a part's lanes have the same columns of other strips, whose sums are factors.
// Grid: a workgroup for SUBGROUP / PARTS units of four words, gated half as many. Reference: src/ops/quantizedMatmul.ts.

enable subgroups;

override BITS: u32 = 8;     // 8 or 4.
override SUBGROUP: u32 = 8; // Lanes.
override PARTS: u32 = 1;    // A power of two.
override NORM: u32 = 0;     // Of the row of a, as it is read: 0 none, 1 layerNorm, 2 rmsNorm.
override GATED: u32 = 0;    // 1: columns have columns of other strips for factors; there is neither bias nor residual then.
override BEST: u32 = 0;     // 1: of its columns a workgroup writes the largest, and which it is, in place of all of them.
const LOWEST = -3.4028234e38; // WGSL has no literal for -infinity.
const NONE = 0xffffffffu;

struct Uniforms {
  workgroups: u32, columnTiles: u32,
  units: u32, // Units of the strips that are bound, gated without those of the factors.
  factor: u32, // Gated: strips from that of a column to that of its factor.
  m: u32, k: u32, n: u32, block: u32, blocks: u32,
  firstColumn: u32, // Of the strips that are bound.
  partRows: u32, // Whole blocks, or rows of one.
  lanes: u32, quads: u32, // Bounds of loops that a compiler is not to know: lanes of a part, and fours of columns of a lane.
  hasBias: u32, biasOffset: u32, biasFormat: u32, activation: u32,
  joins: u32, // 1: the residual is added; 2: it is a factor instead.
  gammaFormat: u32, betaFormat: u32, gammaAdds: f32, epsilon: f32, // Of the norm; format 3 is absent.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<f32>;        // [m, k]
@group(0) @binding(2) var<storage, read> words: array<vec4u>; // [strips, k, BITS / 2]
@group(0) @binding(3) var<storage, read> scales: array<vec4f>; // [strips, blocks, 64]
@group(0) @binding(4) var<storage, read> zeros: array<vec4f>;  // [strips, blocks, 64]; of 4 bits only
@group(0) @binding(5) var<storage, read> bias: array<u32>;     // [n]
@group(0) @binding(6) var<storage, read> residual: array<f32>; // [m, n]
@group(0) @binding(7) var<storage, read_write> y: array<f32>;  // [m, n]
@group(0) @binding(8) var<storage, read> gamma: array<u32>;    // [k]
@group(0) @binding(9) var<storage, read> beta: array<u32>;     // [k]

fn widen(word: u32, high: bool, format: u32) -> f32 {
  if (format == 0u) { return bitcast<f32>(word); }
  if (format == 1u) { return select(unpack2x16float(word).x, unpack2x16float(word).y, high); }
  return bitcast<f32>(select(word << 16u, word & 0xffff0000u, high));
}

fn biasAt(j: u32) -> f32 {
  let at = uniforms.biasOffset + j;
  return widen(bias[select(at / 2u, at, uniforms.biasFormat == 0u)], at % 2u == 1u, uniforms.biasFormat);
}

// 1 relu, 2 gelu, 3 geluApproximate, 4 silu, 5 tanh; all but relu from one exponential.
fn activate(x: f32, kind: u32) -> f32 {
  if (kind == 0u) { return x; }
  if (kind == 1u) { return max(x, 0.0); }
  let z = select(select(x, 2.0 * x, kind == 5u), 1.5957691216057308 * (x + 0.044715 * x * x * x), kind == 3u);
  let e = exp(max(-80.0, select(min(-z, 80.0), -0.5 * x * x, kind == 2u)));
  let s = 1.0 / (1.0 + e);
  // erf by formula 7.1.26 of Abramowitz and Stegun, right to 1.5e-7.
  let t = 1.0 / (1.0 + 0.3275911 * 0.7071067811865476 * abs(x));
  let tail = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * e;
  let exact = 0.5 * x * (1.0 + sign(x) * (1.0 - tail));
  return select(select(x * s, 2.0 * s - 1.0, kind == 5u), exact, kind == 2u);
}

// The result for row i and column j, from its sum.
fn finish(sum: f32, i: u32, j: u32) {
  let at = i * uniforms.n + j;
  var value = sum;
  if (uniforms.hasBias != 0u) { value += biasAt(j); }
  value = activate(value, uniforms.activation);
  if (uniforms.joins != 0u) {
    let other = residual[at];
    value = select(value + other, value * other, uniforms.joins == 2u);
  }
  y[at] = value;
}

// How a row is normed: (x - origin - center) * factor.
struct Row { origin: f32, center: f32, factor: f32 }

// The row of a that starts there, as layerNormSubgroup and rmsNormSubgroup see it.
fn rowNorm(start: u32, lane: u32) -> Row {
  var row = Row(0.0, 0.0, 1.0);
  if (NORM == 0u) { return row; }
  let size = f32(uniforms.k);
  if (NORM == 1u) {
    // Sums of distances from the row's first element: they keep the digits that sums of large numbers lose.
    row.origin = a[start];
    var sum = 0.0;
    for (var l = lane; l < uniforms.k; l += SUBGROUP) { sum += a[start + l] - row.origin; }
    row.center = subgroupAdd(sum) / size;
  }
  var squares = 0.0;
  for (var l = lane; l < uniforms.k; l += SUBGROUP) {
    let distance = a[start + l] - row.origin - row.center;
    squares += distance * distance;
  }
  row.factor = inverseSqrt(subgroupAdd(squares) / size + uniforms.epsilon);
  return row;
}

// Element l of the row, normed.
fn normed(x: f32, l: u32, row: Row) -> f32 {
  if (NORM == 0u) { return x; }
  var value = (x - row.origin - row.center) * row.factor;
  let format = uniforms.gammaFormat;
  if (format != 3u) { value *= uniforms.gammaAdds + widen(gamma[select(l / 2u, l, format == 0u)], l % 2u == 1u, format); }
  let other = uniforms.betaFormat;
  if (other != 3u) { value += widen(beta[select(l / 2u, l, other == 0u)], l % 2u == 1u, other); }
  return value;
}

// Columns 0 to 3 of a word; of 8 bits times 2^24, of 4 bits times 1, 2^4, 2^8 and 2^12.
fn lowColumns(word: u32) -> vec4f {
  if (BITS == 8u) { return vec4f(bitcast<vec4i>((vec4u(word) << vec4u(24u, 16u, 8u, 0u)) & vec4u(0xff000000u))); }
  return vec4f(bitcast<vec4i>(vec4u(word) & vec4u(0xfu, 0xf0u, 0xf00u, 0xf000u)));
}

// Columns 4 to 7 of a word of 4 bits, times the same.
fn highColumns(word: u32) -> vec4f {
  return vec4f(bitcast<vec4i>(vec4u(word >> 16u) & vec4u(0xfu, 0xf0u, 0xf00u, 0xf000u)));
}

// A number, and the column that it is of.
struct Best { peak: f32, place: u32 }

// The best of some columns, and of one more behind them.
fn better(best: Best, value: f32, j: u32) -> Best {
  let own = max(value, LOWEST); // Something is largest even in a row of -infinity.
  let isBetter = own > best.peak || best.place == NONE;
  return Best(select(best.peak, own, isBetter), select(best.place, j, isBetter));
}

// Of what the lanes found the best one, the lowest where there are several; its column counts from `base` on.
fn writeBest(best: Best, at: u32, base: u32, lane: u32) {
  let highest = subgroupMax(best.peak);
  let first = subgroupMin(select(NONE, best.place, best.peak == highest));
  if (lane == 0u) {
    y[at] = highest;
    y[at + 1u] = f32(base + first); // Whole numbers below 2^24 are exact as floats.
  }
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; } // The whole workgroup leaves, so subgroups stay uniform.
  let width = BITS / 2u; // Fours of words of a row of a strip.
  let lanes = SUBGROUP / PARTS;
  let isGated = GATED == 1u;
  let across = select(lanes, lanes / 2u, isGated); // Lanes side by side, of other columns each.
  let place = lane % lanes;
  let part = lane / lanes;
  // Units that are not there are computed from the last one, and not stored.
  let unit = min(id * across + place % across, uniforms.units - 1u);
  let strip = unit / width + select(0u, uniforms.factor, place >= across);
  let firstRow = part * uniforms.partRows;
  let endRow = min(uniforms.k, firstRow + uniforms.partRows);
  let run = min(uniforms.block, uniforms.partRows);
  var at = (strip * uniforms.k + firstRow) * width + unit % width;
  let quadsOfWord = 8u / BITS;
  let norm = rowNorm(0u, lane);
  let powers = select(vec4f(1.0, 0.0625, 0.00390625, 0.000244140625), vec4f(5.9604644775390625e-8), BITS == 8u);

  var sums: array<vec4f, 8>;
  for (var start = 0u; start < uniforms.partRows; start += run) {
    var parts = array<vec4f, 8>();
    var total = 0.0;
    let end = min(uniforms.partRows, start + run);
    for (var first = start; first < end; first += lanes) {
      let row = firstRow + first + place;
      let own = min(row, uniforms.k - 1u);
      let x = select(0.0, normed(a[own], own, norm), first + place < end && row < endRow);
      for (var l = 0u; l < min(uniforms.lanes, end - first); l++) {
        let term = subgroupShuffle(x, part * lanes + l);
        total += term;
        let four = words[at];
        parts[0] += term * lowColumns(four.x);
        parts[1] += term * lowColumns(four.y);
        parts[2] += term * lowColumns(four.z);
        parts[3] += term * lowColumns(four.w);
        if (BITS == 4u) {
          parts[4] += term * highColumns(four.x);
          parts[5] += term * highColumns(four.y);
          parts[6] += term * highColumns(four.z);
          parts[7] += term * highColumns(four.w);
        }
        at += width;
      }
    }
    // Only this copy is indexed by a variable, so that compilers can tell the sums apart.
    var results = parts;
    let block = min((firstRow + start) / uniforms.block, uniforms.blocks - 1u);
    let scaleAt = (strip * uniforms.blocks + block) * 16u + unit % width * uniforms.quads;
    for (var c = 0u; c < uniforms.quads; c++) {
      var value = results[c / quadsOfWord + c % quadsOfWord * 4u] * powers;
      if (BITS == 4u) { value -= total * zeros[scaleAt + c]; }
      sums[c] += value * scales[scaleAt + c];
    }
  }
  for (var c = 0u; c < uniforms.quads; c++) {
    for (var other = lanes; other < SUBGROUP; other *= 2u) { sums[c] += subgroupShuffleXor(sums[c], other); }
  }

  var best = Best(LOWEST, NONE);
  for (var c = 0u; c < uniforms.quads * 4u; c++) {
    let j = uniforms.firstColumn + unit * uniforms.quads * 4u + c;
    let isStored = part == 0u && place < across && id * across + place < uniforms.units && j < uniforms.n;
    let sum = sums[c / 4u][c % 4u];
    if (BEST == 1u) {
      if (isStored) { best = better(best, sum, j); }
    } else if (isGated) {
      let factor = subgroupShuffleXor(sum, across);
      if (isStored) { y[j] = activate(sum, uniforms.activation) * factor; }
    } else if (isStored) {
      finish(sum, 0u, j);
    }
  }
  if (BEST == 1u) { writeBest(best, 2u * id, 0u, lane); }
}
