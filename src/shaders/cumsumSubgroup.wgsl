// y[row, j] = sum of x[row, i] for i <= j.
// One subgroup a row, for adapters where barriers are dear.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/cumsum.ts.

enable subgroups;

override WORKGROUP: u32 = 8; // The size of a subgroup.
override INTEGER: u32 = 0; // 1: x and y hold int32, otherwise float32.

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<u32>;       // Bits of [rows, columns]
@group(0) @binding(2) var<storage, read_write> y: array<u32>; // Bits of [rows, columns]

// The sum of the values of this lane and those before it.
fn through(value: u32) -> u32 {
  if (INTEGER == 1) { return subgroupInclusiveAdd(value); }
  return bitcast<u32>(subgroupInclusiveAdd(bitcast<f32>(value)));
}

fn add(a: u32, b: u32) -> u32 {
  if (INTEGER == 1) { return a + b; }
  return bitcast<u32>(bitcast<f32>(a) + bitcast<f32>(b));
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; }
  let start = row * uniforms.columns;

  var before = 0u; // The sum of all columns before `first`.
  for (var first = 0u; first < uniforms.columns; first += WORKGROUP) {
    let j = first + lane;
    let isInside = j < uniforms.columns;
    let sum = add(before, through(select(0, x[start + min(j, uniforms.columns - 1)], isInside)));
    if (isInside) { y[start + j] = sum; }
    before = subgroupShuffle(sum, WORKGROUP - 1);
  }
}
