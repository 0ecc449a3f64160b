// y[row, start + j] = x[row, j]: one input's part of each row of the output; one lane an element, both axes strided
// through. Grid: x over columns, y over rows. Reference: src/ops/concatenate.ts.

override COLUMNS: u32 = 64; // Lanes along columns.
override ROWS: u32 = 1;     // Lanes along rows.
override X_FORMAT: u32 = 0; // 0 words of 32 bits, 1 float16, 2 bfloat16 (two to a word).

struct Uniforms {
  rows: u32, columns: u32,
  rowStride: u32, columnStride: u32, offset: u32, // Where x[row, j] lies.
  outputStride: u32, start: u32,                  // Where y[row, start + j] lies.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<u32>;       // Bits of [rows, columns], strided
@group(0) @binding(2) var<storage, read_write> y: array<u32>; // Bits of [rows, outputStride]

fn xAt(i: u32) -> u32 {
  if (X_FORMAT == 0) { return x[i]; }
  if (X_FORMAT == 1) {
    let pair = unpack2x16float(x[i / 2]);
    return bitcast<u32>(select(pair.x, pair.y, i % 2 == 1));
  }
  return select(x[i / 2] << 16, x[i / 2] & 0xffff0000, i % 2 == 1);
}

@compute @workgroup_size(COLUMNS, ROWS)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  for (var row = id.y; row < uniforms.rows; row += grid.y * ROWS) {
    for (var j = id.x; j < uniforms.columns; j += grid.x * COLUMNS) {
      y[row * uniforms.outputStride + uniforms.start + j] =
        xAt(uniforms.offset + row * uniforms.rowStride + j * uniforms.columnStride);
    }
  }
}
