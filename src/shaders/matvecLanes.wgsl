// y[z, i, j] = activate(sum_l a[z, i, l] * b[z, l, j] + bias[j]) + residual[z, i, j]
// for a single row i, the columns of b side by side in fours. For adapters that run subgroups on a CPU, as matmulLanes: one
// subgroup is a workgroup and computes two vectors of columns a lane; the lanes load as many elements of a at once as they
// are, and share them.
// A norm of the row, where there is one, is found by every workgroup anew; aColumn is 1 then.
// Gated, a lane's second vector is of other columns of b, whose sums are factors: y = activate(a b) * (a c).
// Grid: a workgroup for each matrix of the batch and 2 * SUBGROUP vectors, gated SUBGROUP. Reference: src/ops/matmul.ts.

enable subgroups;

override FORMAT: u32 = 0;   // Of b: 0 float32, 1 float16, 2 bfloat16; halves are two to a word, and lie in eights.
override SUBGROUP: u32 = 8; // Lanes.
override NORM: u32 = 0;     // Of the row of a, as it is read: 0 none, 1 layerNorm, 2 rmsNorm.
override GATED: u32 = 0;    // 1: columns of b have columns of it for factors; there is neither bias nor residual then.

struct Uniforms {
  workgroups: u32, rowTiles: u32, columnTiles: u32, m: u32, k: u32, n: u32, inner: u32,
  aOffset: u32, aOuter: u32, aInner: u32, aRow: u32, aColumn: u32,
  bOffset: u32, bOuter: u32, bInner: u32, bRow: u32, bColumn: u32,
  yOffset: u32, yOuter: u32, yInner: u32, yRow: u32,
  lanes: u32, each: u32,
  factor: u32, // Gated: vectors from those of a column to those of its factor.
  continues: u32, hasBias: u32, biasFormat: u32, biasOffset: u32, activation: u32,
  joins: u32, // 1: the residual is added; 2: it is a factor instead.
  gammaFormat: u32, betaFormat: u32, gammaAdds: f32, epsilon: f32, // Of the norm; format 3 is absent.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<f32>;     // [batch, 1, k], strided
@group(0) @binding(2) var<storage, read> b: array<vec4u>;   // [batch, k, n], bRow a multiple of a vector
@group(0) @binding(3) var<storage, read> bias: array<u32>;     // [n]
@group(0) @binding(4) var<storage, read> residual: array<f32>; // [batch, m, n]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;  // [batch, m, n]
@group(0) @binding(6) var<storage, read> gamma: array<u32>;    // [k]
@group(0) @binding(7) var<storage, read> beta: array<u32>;     // [k]

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
fn finish(sum: f32, start: u32, i: u32, j: u32) {
  let at = start + i * uniforms.yRow + j;
  var value = sum;
  if (uniforms.continues != 0u) { value += y[at]; }
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

// Two columns of a word.
fn halves(word: u32) -> vec2f {
  if (FORMAT == 1u) { return unpack2x16float(word); }
  return vec2f(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; } // The whole workgroup leaves, so subgroups stay uniform.
  let width = select(8u, 4u, FORMAT == 0u); // Columns of a vector.
  let step = width * SUBGROUP;
  let isGated = GATED == 1u;
  let firstColumn = id % uniforms.columnTiles * select(2u, 1u, isGated) * step;
  let z = id / uniforms.rowTiles / uniforms.columnTiles;
  let outer = z / uniforms.inner;
  let inner = z % uniforms.inner;
  let aStart = uniforms.aOffset + outer * uniforms.aOuter + inner * uniforms.aInner;
  let bStart = uniforms.bOffset + outer * uniforms.bOuter + inner * uniforms.bInner;
  let yStart = uniforms.yOffset + outer * uniforms.yOuter + inner * uniforms.yInner;

  // Columns that are not there are computed from the last ones, and not stored.
  let columns = firstColumn + lane * width + vec2u(0u, select(step, 0u, isGated));
  let factor = vec2u(0u, select(0u, uniforms.factor, isGated));
  var bAt = (bStart + min(columns, vec2u(uniforms.n - width))) / width + factor;
  let bStep = uniforms.bRow / width;
  let row = rowNorm(aStart, lane);

  // Columns 0 to 3 and 4 to 7 of either vector; in float32 there are only the first.
  var sums: array<vec4f, 4>;
  for (var first = 0u; first < uniforms.k; first += SUBGROUP) {
    let own = min(first + lane, uniforms.k - 1u);
    let x = normed(a[aStart + own * uniforms.aColumn], own, row);
    for (var l = 0u; l < min(uniforms.lanes, uniforms.k - first); l++) {
      let term = subgroupShuffle(x, l);
      let near = b[bAt.x];
      let far = b[bAt.y];
      bAt += bStep;
      if (FORMAT == 0u) {
        sums[0] += term * bitcast<vec4f>(near);
        sums[2] += term * bitcast<vec4f>(far);
      } else {
        sums[0] += term * vec4f(halves(near.x), halves(near.y));
        sums[1] += term * vec4f(halves(near.z), halves(near.w));
        sums[2] += term * vec4f(halves(far.x), halves(far.y));
        sums[3] += term * vec4f(halves(far.z), halves(far.w));
      }
    }
  }

  // Only this copy is indexed by a variable, so that compilers can tell the sums apart.
  var results = sums;
  for (var c = 0u; c < uniforms.each; c++) {
    let j = firstColumn + lane * width + c / width * step + c % width;
    if (j >= uniforms.n) { continue; }
    let sum = results[c / width * 2u + c % width / 4u][c % 4u];
    if (isGated) {
      y[yStart + j] = activate(sum, uniforms.activation) * results[2u + c / 4u][c % 4u];
    } else {
      finish(sum, yStart, 0u, j);
    }
  }
}
