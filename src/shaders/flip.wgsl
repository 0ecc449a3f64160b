// y[o, i, k] = x[o, length - 1 - i, k]: an axis backwards; one lane an element. Rows are o and i, columns are k.
// Grid: x over inner, y over outer times size, both strided through. Reference: src/ops/flip.ts.

override COLUMNS: u32 = 64; // Lanes along columns.
override ROWS: u32 = 1;     // Lanes along rows.

struct Uniforms {
  rows: u32, size: u32,       // Rows of y in this launch, and how many of them are of one o.
  length: u32, inner: u32,    // Of the whole axis, and of the columns.
  xStart: u32, yStart: u32,   // Where x[0, length - 1 - i, 0] and y[0, i, 0] lie for the first i of this launch.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<u32>;       // Bits of [outer, length, inner]
@group(0) @binding(2) var<storage, read_write> y: array<u32>; // Bits of [outer, length, inner]

@compute @workgroup_size(COLUMNS, ROWS)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  for (var row = id.y; row < uniforms.rows; row += grid.y * ROWS) {
    let start = row / uniforms.size * uniforms.length * uniforms.inner;
    let step = row % uniforms.size * uniforms.inner;
    for (var k = id.x; k < uniforms.inner; k += grid.x * COLUMNS) {
      y[uniforms.yStart + start + step + k] = x[uniforms.xStart + start + k - step];
    }
  }
}
