// y[j] = activate(sum_k a[k] * w[k, j] + bias[j]) + residual[j], w[k, j] = scales[block of k, j] * (q[k, j] - zeros[.., j]),
// for a single row of a; the whole numbers q are of 8 bits, signed, or of 4, in strips of 64 columns.
// For GPUs: eight lanes side by side read neighbouring words, 16 columns each; LANES_Y rows of lanes share out the rows of w
// in runs of 8, and add up in workgroup memory.
// Gated, the second half of the lanes have the same columns of other strips, whose sums are factors.
// Grid: a workgroup for eight units of 16 columns, gated four. Reference: src/ops/quantizedMatmul.ts.

override BITS: u32 = 8;     // 8 or 4.
override LANES_Y: u32 = 32; // A power of two.
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
  hasBias: u32, biasOffset: u32, biasFormat: u32, activation: u32,
  joins: u32, // 1: the residual is added; 2: it is a factor instead.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<f32>;        // [m, k]
@group(0) @binding(2) var<storage, read> words: array<u32>;   // [strips, k, 2 * BITS]
@group(0) @binding(3) var<storage, read> scales: array<vec4f>; // [strips, blocks, 64]
@group(0) @binding(4) var<storage, read> zeros: array<vec4f>;  // [strips, blocks, 64]; of 4 bits only
@group(0) @binding(5) var<storage, read> bias: array<u32>;     // [n]
@group(0) @binding(6) var<storage, read> residual: array<f32>; // [m, n]
@group(0) @binding(7) var<storage, read_write> y: array<f32>;  // [m, n]

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

const RUN = 8u; // Rows of w that a lane takes in turn.

var<workgroup> meet: array<f32, 128 * LANES_Y>; // [LANES_Y, 128 columns]

// Four columns of a word, from column 0 or 4.
fn columnsOf(word: u32, high: bool) -> vec4f {
  if (BITS == 8u) {
    return vec4f(bitcast<vec4i>(vec4u(word) << vec4u(24u, 16u, 8u, 0u)) >> vec4u(24u));
  }
  return vec4f((vec4u(select(word, word >> 16u, high)) >> vec4u(0u, 4u, 8u, 12u)) & vec4u(15u));
}

// A number, and the column that it is of.
struct Best { peak: f32, place: u32 }

// The best of some columns, and of one more behind them.
fn better(best: Best, value: f32, j: u32) -> Best {
  let own = max(value, LOWEST); // Something is largest even in a row of -infinity.
  let isBetter = own > best.peak || best.place == NONE;
  return Best(select(best.peak, own, isBetter), select(best.place, j, isBetter));
}

@compute @workgroup_size(8, LANES_Y)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_id) lane: vec3u, @builtin(local_invocation_index) index: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; } // The whole workgroup leaves before any barrier.
  // Units that are not there are computed from the last one, and not stored.
  let isGated = GATED == 1u;
  let across = select(8u, 4u, isGated); // Units of a workgroup.
  let unit = min(id * across + lane.x % across, uniforms.units - 1u);
  let strip = unit / 4u + select(0u, uniforms.factor, lane.x >= across);
  let place = unit % 4u; // Which sixteen of the strip's columns.
  var sums: array<vec4f, 4>;
  let runs = (uniforms.block + RUN - 1u) / RUN; // Of a block.
  for (var item = lane.y; item < runs * uniforms.blocks; item += LANES_Y) {
    let block = item / runs;
    let first = block * uniforms.block + item % runs * RUN;
    let end = min(min(uniforms.k, (block + 1u) * uniforms.block), first + RUN);
    var parts = array<vec4f, 4>();
    var total = 0.0;
    for (var k = first; k < end; k++) {
      let x = a[k];
      total += x;
      let at = (strip * uniforms.k + k) * 2u * BITS + place * (BITS / 2u);
      if (BITS == 8u) {
        for (var c = 0u; c < 4u; c++) { parts[c] += x * columnsOf(words[at + c], false); }
      } else {
        for (var c = 0u; c < 4u; c++) { parts[c] += x * columnsOf(words[at + c / 2u], c % 2u == 1u); }
      }
    }
    let scaleAt = (strip * uniforms.blocks + block) * 16u + 4u * place;
    for (var c = 0u; c < 4u; c++) {
      if (BITS == 4u) { parts[c] -= total * zeros[scaleAt + c]; }
      sums[c] += parts[c] * scales[scaleAt + c];
    }
  }

  for (var c = 0u; c < 16u; c++) { meet[lane.y * 128u + lane.x * 16u + c] = sums[c / 4u][c % 4u]; }
  workgroupBarrier();
  for (var c = index; c < across * 16u; c += 8u * LANES_Y) {
    var sum = 0.0;
    var factor = 0.0;
    for (var row = 0u; row < LANES_Y; row++) {
      sum += meet[row * 128u + c];
      if (isGated) { factor += meet[row * 128u + 64u + c]; }
    }
    let own = id * across + c / 16u;
    let j = uniforms.firstColumn + own * 16u + c % 16u;
    if (BEST == 1u) { meet[c] = sum; } // Nobody else reads this column's.
    if (BEST == 1u || own >= uniforms.units || j >= uniforms.n) { continue; }
    if (isGated) { y[j] = activate(sum, uniforms.activation) * factor; } else { finish(sum, 0u, j); }
  }
  if (BEST == 1u) {
    workgroupBarrier();
    if (index > 0u) { return; }
    var best = Best(LOWEST, NONE);
    let start = uniforms.firstColumn + id * 128u;
    for (var c = 0u; c < min(128u, uniforms.n - start); c++) { best = better(best, meet[c], start + c); }
    y[2u * id] = best.peak;
    y[2u * id + 1u] = f32(best.place); // Whole numbers below 2^24 are exact as floats.
  }
}
