// y[i, j] = activate(sum_k a[i, k] * w[k, j] + bias[j]) + residual[i, j], w[k, j] = scales[block of k, j] * (q[k, j] - zeros[.., j]);
// the whole numbers q are of 8 bits, signed, or of 4, in strips of 64 columns.
// For adapters that run subgroups on a CPU, as matmulLanes: one subgroup is a workgroup and computes ROWS x (8 * SUBGROUP)
// elements, eight columns a lane. For each k it loads every row's element of a once, a row to a lane, and unpacks every
// column's number once; shuffles spread the former.
// Grid: a workgroup for each tile of rows and of columns, columns fastest. Reference: src/ops/quantizedMatmul.ts.

enable subgroups;

override BITS: u32 = 8;     // 8 or 4.
override SUBGROUP: u32 = 8; // Lanes: 4 or more.
override ROWS: u32 = 16;    // 8 or 16, at most 4 * SUBGROUP.

struct Uniforms {
  workgroups: u32, columnTiles: u32,
  units: u32, // Units of the strips that are bound.
  m: u32, k: u32, n: u32, block: u32, blocks: u32,
  firstColumn: u32, // Of the strips that are bound.
  tileRows: u32, each: u32, // Bounds of loops that a compiler is not to know.
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

var<private> sums: array<vec4f, 32>; // Row r has 2 r and 2 r + 1.

// Adds to row r, whose element of a is in lane r % SUBGROUP of component r / SUBGROUP.
fn addRow(r: u32, rows: vec4f, low: vec4f, high: vec4f) {
  let x = subgroupShuffle(rows[r / SUBGROUP], r % SUBGROUP);
  sums[2u * r] += x * low;
  sums[2u * r + 1u] += x * high;
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; } // The whole workgroup leaves, so subgroups stay uniform.
  let firstRow = id / uniforms.columnTiles * ROWS;
  // Rows and units that are not there are computed from the last ones, and not stored.
  let mine = firstRow + lane + SUBGROUP * vec4u(0u, 1u, 2u, 3u);
  var aAt = min(mine, vec4u(uniforms.m - 1u)) * uniforms.k;
  let unit = min(id % uniforms.columnTiles * SUBGROUP + lane, uniforms.units - 1u);
  let strip = unit / 8u;
  let place = unit % 8u; // Which eight of the strip's columns.
  var at = strip * uniforms.k * 2u * BITS + place * (BITS / 4u);
  // Whole numbers are taken as they lie in their word, times a power of two.
  let powers = select(vec4f(1.0, 0.0625, 0.00390625, 0.000244140625), vec4f(5.9604644775390625e-8), BITS == 8u);

  for (var block = 0u; block < uniforms.blocks; block++) {
    let scaleAt = (strip * uniforms.blocks + block) * 16u + 2u * place;
    let lowScale = scales[scaleAt];
    let highScale = scales[scaleAt + 1u];
    var lowZero: vec4f;
    var highZero: vec4f;
    if (BITS == 4u) {
      lowZero = -zeros[scaleAt] * lowScale;
      highZero = -zeros[scaleAt + 1u] * highScale;
    }
    for (var k = block * uniforms.block; k < min(uniforms.k, (block + 1u) * uniforms.block); k++) {
      var rows = vec4f(a[aAt.x]);
      if (ROWS > SUBGROUP) { rows.y = a[aAt.y]; }
      if (ROWS > 2u * SUBGROUP) {
        rows.z = a[aAt.z];
        rows.w = a[aAt.w];
      }
      aAt += 1u;
      let word = words[at];
      var low: vec4f;
      var high: vec4f;
      if (BITS == 8u) {
        let shifts = vec4u(24u, 16u, 8u, 0u);
        low = vec4f(bitcast<vec4i>((vec4u(word) << shifts) & vec4u(0xff000000u))) * (lowScale * powers);
        high = vec4f(bitcast<vec4i>((vec4u(words[at + 1u]) << shifts) & vec4u(0xff000000u))) * (highScale * powers);
      } else {
        let masks = vec4u(0xfu, 0xf0u, 0xf00u, 0xf000u);
        low = vec4f(bitcast<vec4i>(vec4u(word) & masks)) * (lowScale * powers) + lowZero;
        high = vec4f(bitcast<vec4i>(vec4u(word >> 16u) & masks)) * (highScale * powers) + highZero;
      }
      at += 2u * BITS;
      addRow(0u, rows, low, high);
      addRow(1u, rows, low, high);
      addRow(2u, rows, low, high);
      addRow(3u, rows, low, high);
      addRow(4u, rows, low, high);
      addRow(5u, rows, low, high);
      addRow(6u, rows, low, high);
      addRow(7u, rows, low, high);
      if (ROWS > 8u) {
        addRow(8u, rows, low, high);
        addRow(9u, rows, low, high);
        addRow(10u, rows, low, high);
        addRow(11u, rows, low, high);
        addRow(12u, rows, low, high);
        addRow(13u, rows, low, high);
        addRow(14u, rows, low, high);
        addRow(15u, rows, low, high);
      }
    }
  }

  // Only this copy is indexed by a variable, so that compilers can tell the sums apart.
  var results = sums;
  let column = uniforms.firstColumn + strip * 64u + place * 8u;
  let isMine = id % uniforms.columnTiles * SUBGROUP + lane < uniforms.units;
  for (var r = 0u; r < min(uniforms.tileRows, uniforms.m - firstRow); r++) {
    for (var c = 0u; c < uniforms.each; c++) {
      if (isMine && column + c < uniforms.n) { finish(results[2u * r + c / 4u][c % 4u], firstRow + r, column + c); }
    }
  }
}
