// y[row, :] = the places of the k largest of x[row, :], largest first, equal ones by rising place.
// One workgroup a row.
// Grid: x = min(rows, 65535), y = ceil(rows / x). Reference: src/ops/topK.ts.

override WORKGROUP: u32 = 64; // A power of two.
const LOWEST = -3.4028234e38; // WGSL has no literal for -infinity.
const NONE = 0xffffffffu;

struct Uniforms { rows: u32, columns: u32, k: u32 }

@group(0) @binding(0) var<uniform> uniforms: Uniforms;
@group(0) @binding(1) var<storage, read> x: array<f32>;       // [rows, columns]
@group(0) @binding(2) var<storage, read_write> y: array<i32>; // [rows, k]

struct Candidate { value: f32, place: u32 }

// Whether a comes before b in the order that is asked for.
fn isBefore(a: Candidate, b: Candidate) -> bool {
  return a.value > b.value || (a.value == b.value && a.place < b.place);
}

// The first of columns begin, begin + step, ... of a row, of those after `last`, or of all of them.
fn firstOf(start: u32, begin: u32, step: u32, last: Candidate, all: bool) -> Candidate {
  var best = Candidate(LOWEST, NONE);
  for (var j = begin; j < uniforms.columns; j += step) {
    let candidate = Candidate(max(x[start + j], LOWEST), j);
    if ((all || isBefore(last, candidate)) && isBefore(candidate, best)) { best = candidate; }
  }
  return best;
}

var<workgroup> candidates: array<Candidate, WORKGROUP>;

// A bound that compilers do not know, or they unroll, which with barriers takes those for CPUs seconds.
fn hidden(n: u32) -> u32 { return select(n, 0u, uniforms.rows == 0xffffffffu); }

// The first of all lanes' candidates, in every lane.
fn firstOfLanes(own: Candidate, lane: u32) -> Candidate {
  candidates[lane] = own;
  workgroupBarrier();
  for (var half = hidden(WORKGROUP / 2u); half > 0; half /= 2) {
    if (lane < half && isBefore(candidates[lane + half], candidates[lane])) {
      candidates[lane] = candidates[lane + half];
    }
    workgroupBarrier();
  }
  return workgroupUniformLoad(&candidates[0]);
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) grid: vec3u,
        @builtin(local_invocation_index) lane: u32) {
  let row = group.y * grid.x + group.x;
  if (row >= uniforms.rows) { return; } // The whole workgroup leaves, so barriers stay uniform.
  let start = row * uniforms.columns;

  // Each lane knows the first of its own columns, lane, lane + WORKGROUP, ... that is not taken yet.
  var own = firstOf(start, lane, WORKGROUP, Candidate(), true);
  for (var n = 0u; n < uniforms.k; n++) {
    let taken = firstOfLanes(own, lane);
    if (lane == 0) { y[row * uniforms.k + n] = i32(taken.place); }
    // All lanes together look for what is now the first of the columns of the lane that had it.
    let owner = taken.place % WORKGROUP;
    let next = firstOfLanes(firstOf(start, owner + lane * WORKGROUP, WORKGROUP * WORKGROUP, taken, false), lane);
    if (lane == owner) { own = next; }
  }
}
