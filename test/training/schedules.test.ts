import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { constant } from '../../src/ops/constant.ts';
import { type Device, referenceDevice } from '../../src/runtime/device.ts';
import {
  CosineDecay,
  CosineDecayRestarts,
  ExponentialDecay,
  getSchedule,
  InverseTimeDecay,
  PiecewiseConstantDecay,
  PolynomialDecay,
  type Schedule,
  type ScheduleConfig,
} from '../../src/training/index.ts';
import { fixture, floats, type RecordedFloats } from '../support/fixtures.ts';
import { camelCase, devices, expectNear } from './support.ts';

interface Recorded {
  readonly steps: readonly number[];
  readonly cases: readonly { readonly options: Readonly<Record<string, unknown>>; readonly rates: RecordedFloats }[];
}

const { steps, cases } = fixture<Recorded>('training/schedules');

const scheduleOf = (options: Readonly<Record<string, unknown>>): Schedule => {
  const { class: name, ...rest } = camelCase(options);
  return getSchedule({ name, ...rest } as ScheduleConfig);
};

const ratesOf = async (device: Device, schedule: Schedule, at: readonly number[]): Promise<number[]> =>
  (await device.evaluate(at.map((step) => schedule(constant(step, { dtype: 'int32' }))))).map(({ data }) => data[0]!);

describe.each(devices)('schedules on %s', (_name, open) => {
  it.each(cases.map((one) => [JSON.stringify(one.options), one] as const))(
    'S38 %s is Keras’s',
    async (_options, one) => {
      // Keras divides, takes powers and cosines in float32, as we do; staircases turn at the same steps.
      expectNear(await ratesOf(await open(), scheduleOf(one.options), steps), floats(one.rates), 3e-6);
    },
  );
});

describe('schedules', () => {
  const rates = (schedule: Schedule, at: readonly number[]) => ratesOf(referenceDevice, schedule, at);

  it('turn exactly at whole numbers of periods, however many', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 1000 }), async (decaySteps, n) => {
        const options = { initialLearningRate: 1, decaySteps, decayRate: 1, staircase: true };
        const [before, at] = await rates(InverseTimeDecay(options), [n * decaySteps - 1, n * decaySteps]);
        expect(before).toBeCloseTo(1 / n, 6);
        expect(at).toBeCloseTo(1 / (n + 1), 6);
      }),
      { numRuns: 30 },
    ));

  it('start anew exactly where a wave of CosineDecayRestarts ends', async () => {
    const schedule = CosineDecayRestarts({ initialLearningRate: 1, firstDecaySteps: 10 });
    const starts = [0, 1, 2, 3, 4, 5, 6, 7].map((n) => 10 * (2 ** n - 1));
    expectNear(
      await rates(schedule, starts),
      starts.map(() => 1),
      1e-5,
    );
    // One step before, the wave is almost down.
    for (const rate of await rates(
      schedule,
      starts.slice(1).map((step) => step - 1),
    ))
      expect(rate).toBeLessThan(0.03);
  });

  it('fall without end from the first rate to the last', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 2, max: 50 }), async (decaySteps) => {
        const all = Array.from({ length: decaySteps + 1 }, (_, step) => step);
        for (const schedule of [
          CosineDecay({ initialLearningRate: 1, decaySteps }),
          PolynomialDecay({ initialLearningRate: 1, decaySteps, endLearningRate: 0, power: 2 }),
        ]) {
          const values = await rates(schedule, all);
          expect(values[0]).toBeCloseTo(1, 6);
          expect(values.at(-1)).toBeCloseTo(0, 6);
          for (let i = 1; i < values.length; i++) expect(values[i]!).toBeLessThan(values[i - 1]!);
        }
      }),
      { numRuns: 20 },
    ));

  it('carry their options along', () => {
    const schedule = CosineDecay({ initialLearningRate: 0.1, decaySteps: 5 });
    expect(schedule.config).toEqual({
      name: 'CosineDecay',
      initialLearningRate: 0.1,
      decaySteps: 5,
      alpha: 0,
      warmupSteps: 0,
    });
    const again = getSchedule(JSON.parse(JSON.stringify(schedule.config)) as ScheduleConfig);
    expect(again.config).toEqual(schedule.config);
    expect(getSchedule(schedule)).toBe(schedule);
  });

  it('S38 say what they expected', () => {
    const options = { initialLearningRate: 1, decaySteps: 0, decayRate: 1 };
    expect(() => ExponentialDecay(options)).toThrow('ExponentialDecay: expected decaySteps above 0, got 0');
    expect(() => ExponentialDecay({ initialLearningRate: 1, decaySteps: 5 } as never)).toThrow(
      'ExponentialDecay: expected decayRate, which is not given',
    );
    expect(() => CosineDecay({ initialLearningRate: 1, decaySteps: 1, warmup: 3 } as never)).toThrow(
      'CosineDecay: expected options among initialLearningRate, decaySteps, alpha, warmupTarget, warmupSteps, got warmup',
    );
    expect(() => PiecewiseConstantDecay({ boundaries: [1, 2], values: [1, 2] })).toThrow(
      'one value more than boundaries',
    );
    expect(() => PiecewiseConstantDecay({ boundaries: [2, 1], values: [1, 2, 3] })).toThrow(
      'expected rising boundaries',
    );
    expect(() => getSchedule({ name: 'LinearDecay' })).toThrow(
      'schedule: expected one of ExponentialDecay, InverseTimeDecay, PiecewiseConstantDecay, PolynomialDecay, CosineDecay, CosineDecayRestarts, got "LinearDecay"',
    );
  });
});
