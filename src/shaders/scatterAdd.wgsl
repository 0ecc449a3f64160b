// x[indices[i], j] += updates[i, j] for every i, in place; indices are held within the table. Places come sorted by index,
// so that one lane adds up all that goes to its element, in the order of i: the same sum every time, without atomics.
// Only a range of the table is bound: rows that lie in another range are another launch's.
// Grid: x over columns, y over places, both strided through. Reference: src/ops/scatterAdd.ts.

override COLUMNS: u32 = 64;   // Lanes along columns.
override ROWS: u32 = 1;       // Lanes along places.
override SORTED: bool = true; // Whether order counts; otherwise it is 0, 1, 2, ...

struct Uniforms {
  count: u32, columns: u32,
  size: u32,            // Rows of the whole table.
  first: u32, end: u32, // Rows of the table that are bound.
}

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> indices: array<i32>;   // [count]
@group(0) @binding(2) var<storage, read> order: array<u32>;     // [count], a permutation that sorts indices
@group(0) @binding(3) var<storage, read> updates: array<f32>;   // [count, columns]
@group(0) @binding(4) var<storage, read_write> x: array<f32>;   // [end - first, columns]

fn placeAt(i: u32) -> u32 {
  if (!SORTED) { return i; }
  return order[i];
}

fn rowAt(i: u32) -> u32 { return u32(clamp(indices[placeAt(i)], 0, i32(uniforms.size) - 1)); }

@compute @workgroup_size(COLUMNS, ROWS)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  for (var i = id.y; i < uniforms.count; i += grid.y * ROWS) {
    let row = rowAt(i);
    // The first place of a row is where all of it is added.
    let isFirst = i == 0 || rowAt(max(i, 1) - 1) != row;
    if (isFirst && row >= uniforms.first && row < uniforms.end) {
      for (var j = id.x; j < uniforms.columns; j += grid.x * COLUMNS) {
        let at = (row - uniforms.first) * uniforms.columns + j;
        var sum = x[at];
        for (var next = i; next < uniforms.count && rowAt(next) == row; next++) {
          sum += updates[placeAt(next) * uniforms.columns + j];
        }
        x[at] = sum;
      }
    }
  }
}
