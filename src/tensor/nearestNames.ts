/**
 * How many letters have to be inserted, deleted, replaced, or swapped with their neighbour, to make one word of another:
 * the restricted Damerau-Levenshtein distance.
 *
 * @param a - One word.
 * @param b - The other.
 */
export const editDistance = (a: string, b: string): number => {
  let before: readonly number[] = [];
  let above: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = above[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? before[j - 2]! + 1 : Number.POSITIVE_INFINITY;
      row.push(Math.min(replaced, swapped, above[j]! + 1, row[j - 1]! + 1));
    }
    before = above;
    above = row;
  }
  return above[b.length]!;
};

/**
 * The names that are most like one that is none of them, for messages: those that hold it or are held by it first.
 *
 * @param name - A long one is cut: nobody mistypes a name by a page.
 * @param known - Names to choose from.
 * @param few - How many at most.
 */
export const nearestNames = (name: string, known: Iterable<string>, few = 3): readonly string[] => {
  const asked = name.slice(0, 100).toLowerCase();
  return [...known]
    .map((candidate) => {
      const other = candidate.toLowerCase();
      const isPart = other.includes(asked) || asked.includes(other);
      return { candidate, isPart, distance: editDistance(asked, other) };
    })
    .sort((a, b) => Number(b.isPart) - Number(a.isPart) || a.distance - b.distance)
    .slice(0, few)
    .map(({ candidate }) => candidate);
};
