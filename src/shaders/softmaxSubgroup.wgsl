// y[row, j] = exp(x[row, j] - peak) / total, or x[row, j] - peak - log(total) where LOGARITHM is 1;
// peak = max_j x[row, j], total = sum_j exp(x[row, j] - peak).
// One subgroup a row, for adapters where barriers are dear.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/softmax.ts.

enable subgroups;

override WORKGROUP: u32 = 8; // The size of a subgroup.
override LOGARITHM: u32 = 0;
const LOWEST = -3.4028234e38; // WGSL has no literal for -infinity.

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [rows, columns]
@group(0) @binding(2) var<storage, read_write> y: array<f32>; // [rows, columns]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; }
  let start = row * uniforms.columns;

  var peak = LOWEST;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) { peak = max(peak, x[start + j]); }
  peak = subgroupMax(peak);

  var total = 0.0;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) { total += exp(x[start + j] - peak); }
  total = subgroupAdd(total);

  let logarithm = log(total);
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    let shifted = x[start + j] - peak;
    y[start + j] = select(exp(shifted) / total, shifted - logarithm, LOGARITHM == 1);
  }
}
