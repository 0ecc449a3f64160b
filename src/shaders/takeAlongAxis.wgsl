// y[row, i] = x[row, indices[row, i]], indices held within the row; one lane an element, both axes strided through.
// Grid: x over k, y over rows. Reference: src/ops/takeAlongAxis.ts.

override COLUMNS: u32 = 64; // Lanes along k.
override ROWS: u32 = 1;     // Lanes along rows.

struct Uniforms { rows: u32, columns: u32, k: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<u32>;       // Bits of [rows, columns]
@group(0) @binding(2) var<storage, read> indices: array<i32>; // [rows, k]
@group(0) @binding(3) var<storage, read_write> y: array<u32>; // Bits of [rows, k]

@compute @workgroup_size(COLUMNS, ROWS)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  for (var row = id.y; row < uniforms.rows; row += grid.y * ROWS) {
    for (var i = id.x; i < uniforms.k; i += grid.x * COLUMNS) {
      let at = row * uniforms.k + i;
      y[at] = x[row * uniforms.columns + u32(clamp(indices[at], 0, i32(uniforms.columns) - 1))];
    }
  }
}
