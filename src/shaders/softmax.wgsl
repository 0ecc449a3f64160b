// y[row, j] = exp(x[row, j] - peak) / total, or x[row, j] - peak - log(total) where LOGARITHM is 1;
// peak = max_j x[row, j], total = sum_j exp(x[row, j] - peak).
// One workgroup a row.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/softmax.ts.

override WORKGROUP: u32 = 64; // A power of two.
override LOGARITHM: u32 = 0;
const LOWEST = -3.4028234e38; // WGSL has no literal for -infinity.

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [rows, columns]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [rows, columns]

var<workgroup> partial: array<f32, WORKGROUP>;

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.rows == 0xffffffffu); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let start = row * uniforms.columns;

  var peak = LOWEST;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) { peak = max(peak, x[start + j]); }
  partial[lane] = peak;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0; half /= 2) {
    if (lane < half) { partial[lane] = max(partial[lane], partial[lane + half]); }
    workgroupBarrier();
  }
  peak = workgroupUniformLoad(&partial[0]);

  var total = 0.0;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) { total += exp(x[start + j] - peak); }
  partial[lane] = total;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0; half /= 2) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  total = workgroupUniformLoad(&partial[0]);

  let logarithm = log(total);
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    let shifted = x[start + j] - peak;
    y[start + j] = select(exp(shifted) / total, shifted - logarithm, LOGARITHM == 1);
  }
}
