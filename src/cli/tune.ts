import { retune } from '../runtime/tuning.ts';
import type { Measured } from '../runtime/webgpu/tune.ts';
import { commonDType } from '../tasks/deviceBytes.ts';
import { leaves } from '../tensor/tree.ts';
import type { TuneArguments } from './commands.ts';
import { threeDigits } from './kernelTable.ts';
import { load, nameOf } from './load.ts';
import { status } from './statusLine.ts';
import { runWorkload, timed } from './timings.ts';
import { fitting } from './workloads.ts';

/** Tokens that are decoded, for the shapes that come up in it. */
const TOKENS = 2;

/** A class on one line: the kernel that is taken, and the times of all. */
const line = ({ shapes, kernels, chosen }: Measured): string => {
  const times = kernels.map(({ name, ms }) => `${name} ${ms === null ? 'wrong' : threeDigits(ms)}`);
  return `${shapes.padEnd(38)}  ${chosen.padEnd(24)}  ${times.join(', ')}`;
};

const heading = `${'class of shapes'.padEnd(38)}  ${'kernel'.padEnd(24)}  ms of each, the usual one first`;

/** `purelm tune`: measures which kernels are the fastest here for the shapes of a preset, and remembers them. */
export const tune = async (asked: TuneArguments, signal: AbortSignal): Promise<void> => {
  const { preset, quantize, budget, json } = asked;
  const plain = await load({ ...asked, preprocessor: null }, signal);
  const lm = quantize === undefined ? plain : await plain.quantize(quantize, { signal });
  const own = await timed(lm);
  const workloads = fitting(asked.only, lm.backbone.model.maxSequenceLength ?? Number.POSITIVE_INFINITY);
  const say = (text: string): void => void (json || process.stdout.write(`${text}\n`));
  const measured: Measured[] = [];
  const { adapter, path } = retune(own.device, {
    perClass: budget,
    onMeasured: (each) => {
      status('');
      say(line(each));
      measured.push(each);
    },
  });
  const dtype = quantize ?? commonDType(leaves(lm.params));
  say(`${nameOf(preset)}: ${lm.name}, ${dtype}, on ${own.device.name}\n${heading}`);
  for (const workload of workloads) {
    signal.throwIfAborted();
    status(workload.name);
    await runWorkload(own, workload, TOKENS);
  }
  status('');
  const others = measured.filter(({ kernels, chosen }) => kernels[0]!.name !== chosen);
  say(
    `${measured.length} classes, ${others.length} of them by another kernel than the usual one; ${path === undefined ? 'there is no file to remember them in' : `remembered in ${path}`}`,
  );
  if (json) {
    const { name: device } = own.device;
    process.stdout.write(
      `${JSON.stringify({ preset, model: lm.name, dtype, device, adapter, path, date: new Date().toISOString(), classes: measured })}\n`,
    );
  }
};
