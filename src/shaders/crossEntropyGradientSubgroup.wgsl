// dx[row, j] = (softmax(logits[row])[j] - (1 if j = targets[row], else 0)) * dy[row].
// One subgroup a row, for adapters where barriers are dear.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/sparseCategoricalCrossentropy.ts.

enable subgroups;

override WORKGROUP: u32 = 8; // The size of a subgroup.
const LOWEST = -3.4028234e38; // WGSL has no literal for -infinity.

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> targets: array<i32>;  // [rows], held within the columns
@group(0) @binding(2) var<storage, read> logits: array<f32>;   // [rows, columns]
@group(0) @binding(3) var<storage, read> dy: array<f32>;       // [rows]
@group(0) @binding(4) var<storage, read_write> dx: array<f32>; // [rows, columns]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; }
  let start = row * uniforms.columns;

  var peak = LOWEST;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) { peak = max(peak, logits[start + j]); }
  peak = subgroupMax(peak);

  var total = 0.0;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) { total += exp(logits[start + j] - peak); }
  total = subgroupAdd(total);

  let chosen = u32(clamp(targets[row], 0, i32(uniforms.columns) - 1));
  let factor = dy[row];
  let share = 1.0 / total;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    dx[start + j] = (exp(logits[start + j] - peak) * share - select(0.0, 1.0, j == chosen)) * factor;
  }
}
