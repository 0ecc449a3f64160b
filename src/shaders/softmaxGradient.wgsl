// dx[row, j] = y[row, j] * (dy[row, j] - sum_k y[row, k] * dy[row, k]), for y = softmax(x); or where LOGARITHM is 1,
// dx[row, j] = dy[row, j] - exp(y[row, j]) * sum_k dy[row, k], for y = logSoftmax(x).
// One workgroup a row.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/softmax.ts.

override WORKGROUP: u32 = 64; // A power of two.
override LOGARITHM: u32 = 0;

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> y: array<f32>;        // [rows, columns]
@group(0) @binding(2) var<storage, read> dy: array<f32>;       // [rows, columns]
@group(0) @binding(3) var<storage, read_write> dx: array<f32>; // [rows, columns]

var<workgroup> partial: array<f32, WORKGROUP>;

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.rows == 0xffffffffu); }

// The sum of every lane's value, in every lane.
fn total(value: f32, lane: u32) -> f32 {
  partial[lane] = value;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0; half /= 2) {
    if (lane < half) { partial[lane] += partial[lane + half]; }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&partial[0]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let start = row * uniforms.columns;

  var sum = 0.0;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    var share = dy[start + j];
    if (LOGARITHM == 0) { share *= y[start + j]; }
    sum += share;
  }
  sum = total(sum, lane);

  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    let own = dy[start + j];
    let known = y[start + j];
    dx[start + j] = select(known * (own - sum), own - exp(known) * sum, LOGARITHM == 1);
  }
}
