// y[row, j] = sum of x[row, i] for i <= j.
// One workgroup a row. Each lane has a run of neighbouring columns.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/cumsum.ts.

override WORKGROUP: u32 = 64; // A power of two.
override INTEGER: u32 = 0; // 1: x and y hold int32, otherwise float32.

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<u32>;       // Bits of [rows, columns]
@group(0) @binding(2) var<storage, read_write> y: array<u32>; // Bits of [rows, columns]

fn add(a: u32, b: u32) -> u32 {
  if (INTEGER == 1) { return a + b; }
  return bitcast<u32>(bitcast<f32>(a) + bitcast<f32>(b));
}

var<workgroup> partial: array<u32, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let start = row * uniforms.columns;
  let run = (uniforms.columns + WORKGROUP - 1) / WORKGROUP;
  let first = lane * run;
  let end = min(uniforms.columns, first + run);

  var sum = 0u;
  for (var j = first; j < end; j++) { sum = add(sum, x[start + j]); }
  partial[lane] = sum;
  workgroupBarrier();
  // After each step, a lane holds the sum of twice as many runs, its own the last of them.
  for (var reach = 1u; reach < WORKGROUP; reach *= 2) {
    var before = 0u;
    if (lane >= reach) { before = partial[lane - reach]; }
    workgroupBarrier();
    partial[lane] = add(before, partial[lane]);
    workgroupBarrier();
  }

  sum = 0;
  if (lane > 0) { sum = partial[lane - 1]; }
  for (var j = first; j < end; j++) {
    sum = add(sum, x[start + j]);
    y[start + j] = sum;
  }
}
