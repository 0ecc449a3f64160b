// y[row, j] = table[indices[row], j], indices held within the table; one lane an element, columns and rows strided
// through. Only a range of the table is bound: rows that lie in another range are another launch's.
// Grid: x over columns, y over rows. Reference: src/ops/take.ts.

override COLUMNS: u32 = 64;     // Lanes along columns.
override ROWS: u32 = 1;         // Lanes along rows.
override TABLE_FORMAT: u32 = 0; // 0 words of 32 bits, 1 float16, 2 bfloat16 (two to a word).

struct Uniforms {
  rows: u32, columns: u32,
  size: u32,                // Rows of the whole table.
  first: u32, end: u32,     // Rows of the table that are bound.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> table: array<u32>;   // Bits of [end - first, columns]
@group(0) @binding(2) var<storage, read> indices: array<i32>; // [rows]
@group(0) @binding(3) var<storage, read_write> y: array<u32>; // Bits of [rows, columns]

fn tableAt(i: u32) -> u32 {
  if (TABLE_FORMAT == 0) { return table[i]; }
  if (TABLE_FORMAT == 1) {
    let pair = unpack2x16float(table[i / 2]);
    return bitcast<u32>(select(pair.x, pair.y, i % 2 == 1));
  }
  return select(table[i / 2] << 16, table[i / 2] & 0xffff0000, i % 2 == 1);
}

@compute @workgroup_size(COLUMNS, ROWS)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  for (var row = id.y; row < uniforms.rows; row += grid.y * ROWS) {
    let index = u32(clamp(indices[row], 0, i32(uniforms.size) - 1));
    if (index >= uniforms.first && index < uniforms.end) {
      let start = (index - uniforms.first) * uniforms.columns;
      for (var j = id.x; j < uniforms.columns; j += grid.x * COLUMNS) {
        y[row * uniforms.columns + j] = tableAt(start + j);
      }
    }
  }
}
