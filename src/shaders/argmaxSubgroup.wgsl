// y[row] = the lowest j for which x[row, j] is largest; one subgroup a row, for adapters where barriers are dear.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/argmax.ts.

enable subgroups;

override WORKGROUP: u32 = 8;  // The size of a subgroup.
override PAIRS: u32 = 0; // 1: of a single row; x is pairs of a number and its place, in the order of places.
const LOWEST = -3.4028234e38; // WGSL has no literal for -infinity.
const NONE = 0xffffffffu;

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [rows, columns], or [columns, 2]
@group(0) @binding(2) var<storage, read_write> y: array<i32>; // [rows]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; }
  let start = row * uniforms.columns;

  var peak = LOWEST;
  var place = NONE;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    let value = max(x[(start + j) * (1u + PAIRS)], LOWEST); // Something is largest even in a row of -infinity.
    let isBetter = value > peak || place == NONE;
    peak = select(peak, value, isBetter);
    place = select(place, j, isBetter);
  }
  let highest = subgroupMax(peak);
  let first = subgroupMin(select(NONE, place, peak == highest));
  if (lane == 0) { y[row] = select(i32(first), i32(x[2u * first + 1u]), PAIRS == 1u); }
}
