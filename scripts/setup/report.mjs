// @ts-check
// Reads vitest's JSON report.

/** @param {unknown} value */
const isCount = (value) => typeof value === 'number' && Number.isInteger(value) && value >= 0;

/**
 * Counts what a report says. A file that fails as a whole, for instance because it cannot be loaded, counts as one
 * failure beside the failed tests.
 *
 * @param {unknown} report
 * @returns {{ readonly passed: number, readonly failed: number } | undefined} Nothing if it is not a report.
 */
export const countTests = (report) => {
  const { numPassedTests, numFailedTests, testResults } =
    /** @type {{ numPassedTests?: number, numFailedTests?: number, testResults?: { status?: string, assertionResults?: { status?: string }[] }[] }} */ (
      report ?? {}
    );
  if (!isCount(numPassedTests) || !isCount(numFailedTests)) return undefined;
  const brokenFiles = (testResults ?? []).filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !(assertionResults ?? []).some((test) => test.status === 'failed'),
  );
  return { passed: Number(numPassedTests), failed: Number(numFailedTests) + brokenFiles.length };
};
