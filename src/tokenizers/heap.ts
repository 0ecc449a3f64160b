// A binary heap of numbers, smallest first, in a plain array.

/** Puts a number into a binary heap, smallest first. */
export const push = (heap: number[], key: number): void => {
  let at = heap.length;
  heap.push(key);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (heap[parent]! <= key) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = key;
};

/** Takes the smallest number out of a heap that is not empty. */
export const pop = (heap: number[]): number => {
  const smallest = heap[0]!;
  const key = heap.pop()!;
  const size = heap.length;
  if (size === 0) return smallest;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= size) break;
    if (child + 1 < size && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= key) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = key;
  return smallest;
};
