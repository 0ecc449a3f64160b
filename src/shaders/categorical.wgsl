// y[row] = the smallest j with sum_{i <= j} probabilities[row, i] > random[row] * sum_i probabilities[row, i]: a column
// drawn with probability in proportion to its number. Columns of probability 0 are never drawn.
// One workgroup a row. Each lane has a run of neighbouring columns.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/categorical.ts.

override WORKGROUP: u32 = 64; // A power of two.
const NONE = 0xffffffffu;

struct Uniforms { rows: u32, columns: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> probabilities: array<f32>; // [rows, columns], not negative
@group(0) @binding(2) var<storage, read> random: array<f32>;        // [rows], in [0, 1)
@group(0) @binding(3) var<storage, read_write> y: array<i32>;       // [rows]

var<workgroup> sums: array<f32, WORKGROUP>;
var<workgroup> found: array<u32, WORKGROUP>;
var<workgroup> last: array<u32, WORKGROUP>;

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.rows == 0xffffffffu); }

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let start = row * uniforms.columns;
  let run = (uniforms.columns + WORKGROUP - 1) / WORKGROUP;
  let first = lane * run;
  let end = min(uniforms.columns, first + run);

  var sum = 0.0;
  for (var j = first; j < end; j++) { sum += probabilities[start + j]; }
  sums[lane] = sum;
  workgroupBarrier();
  // After each step, a lane holds the sum of twice as many runs, its own the last of them.
  for (var reach = 1u; reach < WORKGROUP; reach *= 2) {
    var before = 0.0;
    if (lane >= reach) { before = sums[lane - reach]; }
    workgroupBarrier();
    sums[lane] += before;
    workgroupBarrier();
  }
  // What the columns of this lane have to sum to: sums of few numbers are more exact than those of all.
  var aim = random[row] * sums[WORKGROUP - 1];
  if (lane > 0) { aim -= sums[lane - 1]; }

  sum = 0;
  found[lane] = NONE;
  last[lane] = 0; // The last column that can be drawn, should rounding put the aim beyond all of them.
  for (var j = first; j < end; j++) {
    let probability = probabilities[start + j];
    sum += probability;
    if (probability > 0) {
      last[lane] = j;
      if (sum > aim) { found[lane] = min(found[lane], j); }
    }
  }
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0; half /= 2) {
    if (lane < half) {
      found[lane] = min(found[lane], found[lane + half]);
      last[lane] = max(last[lane], last[lane + half]);
    }
    workgroupBarrier();
  }
  if (lane == 0) { y[row] = i32(select(found[0], last[0], found[0] == NONE)); }
}
