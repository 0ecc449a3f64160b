// y[row] = the smallest j with sum_{i <= j} probabilities[row, i] > random[row] * sum_i probabilities[row, i]: a column
// drawn with probability in proportion to its number. Columns of probability 0 are never drawn.
// One subgroup a row, for adapters where barriers are dear. Each lane has a run of neighbouring columns.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/categorical.ts.

enable subgroups;

override WORKGROUP: u32 = 8; // The size of a subgroup.
const NONE = 0xffffffffu;

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> probabilities: array<f32>; // [rows, columns], not negative
@group(0) @binding(2) var<storage, read> random: array<f32>;        // [rows], in [0, 1)
@group(0) @binding(3) var<storage, read_write> y: array<i32>;       // [rows]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; }
  let start = row * uniforms.columns;
  let run = (uniforms.columns + WORKGROUP - 1) / WORKGROUP;
  let first = lane * run;
  let end = min(uniforms.columns, first + run);

  var sum = 0.0;
  for (var j = first; j < end; j++) { sum += probabilities[start + j]; }
  // What the columns of this lane have to sum to: sums of few numbers are more exact than those of all.
  let aim = random[row] * subgroupAdd(sum) - subgroupExclusiveAdd(sum);

  sum = 0;
  var found = NONE;
  var last = 0u; // The last column that can be drawn, should rounding put the aim beyond all of them.
  for (var j = first; j < end; j++) {
    let probability = probabilities[start + j];
    sum += probability;
    if (probability > 0) {
      last = j;
      if (sum > aim) { found = min(found, j); }
    }
  }
  let drawn = subgroupMin(found);
  let ending = subgroupMax(last);
  if (lane == 0) { y[row] = i32(select(drawn, ending, drawn == NONE)); }
}
