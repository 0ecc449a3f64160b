/** What went wrong on a device. */
export type DeviceProblem = 'validation' | 'out-of-memory' | 'internal' | 'lost';

/** A device's own error, with the op during which it came about where that is known. */
export class DeviceError extends Error {
  override readonly name = 'DeviceError';
  readonly problem: DeviceProblem;
  readonly op: string | undefined;

  constructor(problem: DeviceProblem, message: string, op?: string) {
    super(message);
    this.problem = problem;
    this.op = op;
  }
}
