/** `purelm doctor`: which adapter, which limits and features, and why this one. */

import { readFile } from 'node:fs/promises';
import { type AdapterFound, type AdapterMissing, type DeviceTraits, findAdapter } from '../runtime/webgpu/adapter.ts';
import { sizeText } from './sizeText.ts';

/** Who chose the adapter: the environment as it is, or the set-up that looked for a driver. */
export type AdapterChoice = 'system' | 'lavapipe' | 'swiftshader' | 'none';

/** What the doctor finds. */
export interface Diagnosis {
  /** The device that is used unless a command names another one. */
  readonly device: 'webgpu' | 'reference';
  /** Why, in one line. */
  readonly deviceReason: string;
  /** The adapter, or nothing. */
  readonly adapter: (DeviceTraits & { readonly source: 'browser' | 'dawn' }) | undefined;
  /** How this adapter came to be chosen. */
  readonly choice: AdapterChoice;
  /** Why, in one line. */
  readonly choiceReason: string;
  /** The variables that lead to the adapter, for programs that are not started by the command `purelm`. */
  readonly environment: Readonly<Record<string, string>>;
  readonly purelm: string;
  readonly dawn: string;
  readonly node: string;
  /** Such as `linux x64`. */
  readonly platform: string;
}

const VARIABLES = [
  'VK_DRIVER_FILES',
  'VK_ICD_FILENAMES',
  'LD_LIBRARY_PATH',
  'XDG_RUNTIME_DIR',
  'PURELM_DEVICE',
  'PURELM_DAWN_FLAGS',
] as const;

const CHOICES: readonly string[] = ['system', 'lavapipe', 'swiftshader', 'none'];

const isChoice = (text: string): text is AdapterChoice => CHOICES.includes(text);

const versionIn = async (url: URL): Promise<string> => {
  try {
    const { version }: { readonly version?: unknown } = JSON.parse(await readFile(url, 'utf8'));
    return typeof version === 'string' ? version : 'unknown';
  } catch {
    return 'unknown';
  }
};

const dawnVersion = async (): Promise<string> => {
  try {
    return await versionIn(new URL('package.json', import.meta.resolve('webgpu')));
  } catch {
    return 'not installed';
  }
};

const deviceOf = (found: AdapterFound | AdapterMissing, asked: string): Pick<Diagnosis, 'device' | 'deviceReason'> => {
  if (asked === 'reference') return { device: 'reference', deviceReason: 'PURELM_DEVICE asks for it' };
  if (found.kind === 'missing') {
    return { device: 'reference', deviceReason: `there is no WebGPU adapter: ${found.reason}` };
  }
  return {
    device: 'webgpu',
    deviceReason: asked === 'webgpu' ? 'PURELM_DEVICE asks for it' : 'there is a WebGPU adapter',
  };
};

const choiceOf = (
  found: AdapterFound | AdapterMissing,
  environment: NodeJS.ProcessEnv,
): Pick<Diagnosis, 'choice' | 'choiceReason'> => {
  const choice = environment.PURELM_ADAPTER_CHOICE ?? '';
  const reason = environment.PURELM_ADAPTER_REASON ?? '';
  if (found.kind === 'missing') {
    return { choice: 'none', choiceReason: choice === 'none' && reason !== '' ? reason : found.reason };
  }
  return isChoice(choice) && choice !== 'none'
    ? { choice, choiceReason: reason }
    : { choice: 'system', choiceReason: 'the system offers it' };
};

/**
 * Looks at the machine: the adapter that a command started now would use, its traits, and the reason for the choice.
 *
 * @param environment - Variables that steer the choice; the process's own by default.
 */
export const diagnose = async (environment: NodeJS.ProcessEnv = process.env): Promise<Diagnosis> => {
  const [found, purelm, dawn] = await Promise.all([
    findAdapter(),
    versionIn(new URL('../../package.json', import.meta.url)),
    dawnVersion(),
  ]);
  return {
    ...deviceOf(found, environment.PURELM_DEVICE ?? ''),
    adapter: found.kind === 'found' ? { ...found.traits, source: found.source } : undefined,
    ...choiceOf(found, environment),
    environment: Object.fromEntries(
      VARIABLES.flatMap((name) => {
        const value = environment[name] ?? '';
        return value === '' ? [] : [[name, value]];
      }),
    ),
    purelm,
    dawn,
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
  };
};

const yesNo = (value: boolean): string => (value ? 'yes' : 'no');

const adapterRows = (adapter: DeviceTraits): readonly (readonly [string, string])[] => [
  ['adapter', adapter.name],
  ['kind', adapter.isSoftware ? 'software: the processor does the work' : 'hardware'],
  ['vendor', adapter.vendor],
  ['architecture', adapter.architecture],
  ['description', adapter.description === adapter.name ? '' : adapter.description],
  ['largest binding', sizeText(adapter.maxBindingBytes)],
  ['largest buffer', sizeText(adapter.maxBufferBytes)],
  ['offset alignment', sizeText(adapter.offsetAlignment)],
  ['workgroups per dimension', `${adapter.maxWorkgroupsPerDimension}`],
  ['invocations per workgroup', `${adapter.maxInvocations}, along x ${adapter.maxWorkgroupSizeX}`],
  ['workgroup memory', sizeText(adapter.workgroupBytes)],
  ['storage buffers per stage', `${adapter.maxStorageBuffers}`],
  ['f16', yesNo(adapter.f16)],
  ['subgroups', adapter.subgroups === undefined ? 'no' : `of ${adapter.subgroups}`],
  ['timestamps', yesNo(adapter.timestamps)],
];

const table = (rows: readonly (readonly [string, string])[]): string => {
  const shown = rows.filter(([, value]) => value !== '');
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
};

/** A diagnosis as aligned lines of text, for people. */
export const formatDiagnosis = (diagnosis: Diagnosis): string =>
  table([
    ['purelm', diagnosis.purelm],
    ['Node', `${diagnosis.node} on ${diagnosis.platform}`],
    ['Dawn (webgpu)', diagnosis.dawn],
    ['device', `${diagnosis.device}: ${diagnosis.deviceReason}`],
    ['chosen', `${diagnosis.choice}: ${diagnosis.choiceReason}`],
    ...(diagnosis.adapter === undefined ? [] : adapterRows(diagnosis.adapter)),
    ...Object.entries(diagnosis.environment),
  ]);
