// y[i, j] = activate(sum_l a[i, l] * b[l, j] + bias[j]) + residual[i, j], a and b in strips as matmulPack writes them.
// For adapters that run subgroups on a CPU, as matmulLanes: one subgroup is a workgroup and computes ROWS x (8 * SUBGROUP)
// elements. Strips lie in memory in the order in which they are read, and so many rows pay for loads of b and for packing.
// Grid: a workgroup for each strip of rows and strip of columns, columns fastest. Reference: src/ops/matmul.ts.

enable subgroups;

override SUBGROUP: u32 = 8; // Lanes: 4 or more.
override ROWS: u32 = 32;    // 16 or 32, at most 4 * SUBGROUP.

struct Uniforms {
  workgroups: u32, columnTiles: u32, m: u32, k: u32, n: u32, yOffset: u32, yRow: u32, tileRows: u32, each: u32,
  continues: u32, hasBias: u32, biasFormat: u32, biasOffset: u32, activation: u32,
  joins: u32, // 1: the residual is added; 2: it is a factor instead.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> a: array<f32>;        // [ceil(m / ROWS), k, ROWS]
@group(0) @binding(2) var<storage, read> b: array<vec4f>;      // [ceil(n / (8 * SUBGROUP)), k, 8 * SUBGROUP]
@group(0) @binding(3) var<storage, read> bias: array<u32>;     // [n]
@group(0) @binding(4) var<storage, read> residual: array<f32>; // [m, n]
@group(0) @binding(5) var<storage, read_write> y: array<f32>;  // [m, n]

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

var<private> lowSums: array<vec4f, 32>;  // Of row r, this lane's first four columns.
var<private> highSums: array<vec4f, 32>; // And its second four.

// Adds to row r, whose element of a is in lane r % SUBGROUP of component r / SUBGROUP.
fn addRow(r: u32, rows: vec4f, low: vec4f, high: vec4f) {
  let x = subgroupShuffle(rows[r / SUBGROUP], r % SUBGROUP);
  lowSums[r] += x * low;
  highSums[r] += x * high;
}

@compute @workgroup_size(SUBGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(subgroup_invocation_id) lane: u32) {
  let id = group.y * grid.x + group.x;
  if (id >= uniforms.workgroups) { return; } // The whole workgroup leaves, so subgroups stay uniform.
  let rowStrip = id / uniforms.columnTiles;
  let columnStrip = id % uniforms.columnTiles;
  let firstRow = rowStrip * ROWS;

  // Lanes beyond ROWS load what nobody asks them for.
  var aAt = rowStrip * uniforms.k * ROWS + lane;
  var bAt = columnStrip * uniforms.k * 2u * SUBGROUP + lane;
  for (var l = 0u; l < uniforms.k; l++) {
    var rows = vec4f(a[aAt]);
    if (ROWS > SUBGROUP) { rows.y = a[aAt + SUBGROUP]; }
    if (ROWS > 2u * SUBGROUP) {
      rows.z = a[aAt + 2u * SUBGROUP];
      rows.w = a[aAt + 3u * SUBGROUP];
    }
    aAt += ROWS;
    let low = b[bAt];
    let high = b[bAt + SUBGROUP];
    bAt += 2u * SUBGROUP;
    addRow(0u, rows, low, high);
    addRow(1u, rows, low, high);
    addRow(2u, rows, low, high);
    addRow(3u, rows, low, high);
    addRow(4u, rows, low, high);
    addRow(5u, rows, low, high);
    addRow(6u, rows, low, high);
    addRow(7u, rows, low, high);
    addRow(8u, rows, low, high);
    addRow(9u, rows, low, high);
    addRow(10u, rows, low, high);
    addRow(11u, rows, low, high);
    addRow(12u, rows, low, high);
    addRow(13u, rows, low, high);
    addRow(14u, rows, low, high);
    addRow(15u, rows, low, high);
    if (ROWS > 16u) {
      addRow(16u, rows, low, high);
      addRow(17u, rows, low, high);
      addRow(18u, rows, low, high);
      addRow(19u, rows, low, high);
      addRow(20u, rows, low, high);
      addRow(21u, rows, low, high);
      addRow(22u, rows, low, high);
      addRow(23u, rows, low, high);
      addRow(24u, rows, low, high);
      addRow(25u, rows, low, high);
      addRow(26u, rows, low, high);
      addRow(27u, rows, low, high);
      addRow(28u, rows, low, high);
      addRow(29u, rows, low, high);
      addRow(30u, rows, low, high);
      addRow(31u, rows, low, high);
    }
  }

  // Only this copy is indexed by a variable, so that compilers can tell the sums apart.
  var lowResults = lowSums;
  var highResults = highSums;
  let column = columnStrip * 8u * SUBGROUP + 4u * lane;
  for (var r = 0u; r < min(uniforms.tileRows, uniforms.m - firstRow); r++) {
    for (var c = 0u; c < uniforms.each; c++) {
      let j = column + c + select(0u, 4u * SUBGROUP - 4u, c >= 4u);
      if (j < uniforms.n) { finish(select(lowResults[r][c % 4u], highResults[r][c % 4u], c >= 4u), uniforms.yOffset, firstRow + r, j); }
    }
  }
}
