// y[row] = the lowest j for which x[row, j] is largest; one workgroup a row.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/argmax.ts.

override WORKGROUP: u32 = 64; // A power of two.
override PAIRS: u32 = 0; // 1: of a single row; x is pairs of a number and its place, in the order of places.
const LOWEST = -3.4028234e38; // WGSL has no literal for -infinity.
const NONE = 0xffffffffu;

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [rows, columns], or [columns, 2]
@group(0) @binding(2) var<storage, read_write> y: array<i32>; // [rows]

var<workgroup> peaks: array<f32, WORKGROUP>;
var<workgroup> places: array<u32, WORKGROUP>;

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.rows == 0xffffffffu); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let start = row * uniforms.columns;

  var peak = LOWEST;
  var place = NONE;
  for (var j = lane; j < uniforms.columns; j += WORKGROUP) {
    let value = max(x[(start + j) * (1u + PAIRS)], LOWEST); // Something is largest even in a row of -infinity.
    if (value > peak || place == NONE) {
      peak = value;
      place = j;
    }
  }
  peaks[lane] = peak;
  places[lane] = place;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0; half /= 2) {
    if (lane < half) {
      let other = peaks[lane + half];
      let isEqual = other == peaks[lane];
      if (other > peaks[lane] || (isEqual && places[lane + half] < places[lane])) {
        peaks[lane] = other;
        places[lane] = places[lane + half];
      }
    }
    workgroupBarrier();
  }
  if (lane == 0) { y[row] = select(i32(places[0]), i32(x[2u * places[0] + 1u]), PAIRS == 1u); }
}
