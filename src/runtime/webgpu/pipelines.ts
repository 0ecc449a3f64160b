import { type ShaderName, shaderSources } from '../../shaders/sources.ts';
import { ArgumentError } from '../../tensor/errors.ts';
import { COMPUTE_STAGE } from './flags.ts';
import { patiently } from './patience.ts';
import type { Step } from './planForm.ts';
import { parseShader, type ShaderInterface } from './shader.ts';

/** A pipeline that is ready, with the interface its bindings and uniforms are packed by. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly shader: ShaderInterface;
}

/** A launch, as far as its pipeline goes. */
export type Launched = Pick<Step, 'kernel' | 'label'>;

/** Pipelines of a device, made once for each shader text and its constants. */
export interface Pipelines {
  /** The pipeline of a kernel; it is made now if it is not there yet. */
  of(kernel: Step['kernel'], label: string): Pipeline;
  /**
   * Makes those that are not there yet side by side, and resolves when that is done. A kernel that is refused is left out:
   * `of` says why.
   */
  make(launches: readonly Launched[]): Promise<void>;
}

/** What a pipeline is made of. */
interface Parts {
  readonly layout: GPUBindGroupLayout;
  readonly shader: ShaderInterface;
  readonly descriptor: GPUComputePipelineDescriptor;
}

const isShaderName = (name: string): name is ShaderName => Object.hasOwn(shaderSources, name);

/** Its WGSL text; undefined if it names a shader that is not there. */
const sourceOf = (kernel: Step['kernel']): string | undefined =>
  kernel.kind === 'text' ? kernel.source : isShaderName(kernel.shader) ? shaderSources[kernel.shader] : undefined;

const constantsOf = (kernel: Step['kernel']): Readonly<Record<string, number>> =>
  kernel.kind === 'file' ? kernel.constants : {};

/** What kernels of one pipeline have in common. */
const keyOf = (kernel: Step['kernel']): string =>
  kernel.kind === 'file'
    ? `${kernel.shader} ${Object.entries(kernel.constants)
        .map(([name, value]) => `${name}=${value}`)
        .sort()
        .join()}`
    : kernel.source;

/** Devices whose pipelines are being made on threads of Dawn's, by the calls that wait for them. */
const busy = new Map<object, GPUDevice>();

/**
 * A process that ends while Dawn's threads make pipelines crashes instead of giving its exit status; a device that is destroyed
 * waits for them.
 *
 * @returns What is to be called when they are made.
 */
const destroyedAtExit = (device: GPUDevice): (() => void) => {
  const call = {};
  if (busy.size === 0 && typeof process !== 'undefined') process.once('exit', destroyBusy);
  busy.set(call, device);
  return () => {
    busy.delete(call);
    if (busy.size === 0 && typeof process !== 'undefined') process.off('exit', destroyBusy);
  };
};

const destroyBusy = (): void => {
  for (const device of busy.values()) device.destroy();
};

/** A cache of pipelines over a device. */
export const createPipelines = (device: GPUDevice): Pipelines => {
  const modules = new Map<string, { readonly module: GPUShaderModule; readonly shader: ShaderInterface }>();
  const pipelines = new Map<string, Pipeline>();
  const moduleOf = (source: string, name: string) => {
    let known = modules.get(source);
    if (known === undefined) {
      known = { module: device.createShaderModule({ code: source, label: name }), shader: parseShader(name, source) };
      modules.set(source, known);
    }
    return known;
  };
  const partsOf = (kernel: Step['kernel'], label: string): Parts => {
    const name = kernel.kind === 'file' ? kernel.shader : label;
    const source = sourceOf(kernel);
    if (source === undefined) throw new ArgumentError(`${label}: expected the name of a shader, got ${name}`);
    const { module, shader } = moduleOf(source, name);
    const constants = constantsOf(kernel);
    const unknown = Object.keys(constants).find((constant) => !shader.overrides.includes(constant));
    if (unknown !== undefined)
      throw new ArgumentError(`shader ${name}: expected overrides ${shader.overrides.join(', ')}, got ${unknown}`);
    const layout = device.createBindGroupLayout({
      label,
      entries: [
        ...(shader.uniformBinding === undefined
          ? []
          : [{ binding: shader.uniformBinding, visibility: COMPUTE_STAGE, buffer: { type: 'uniform' as const } }]),
        ...shader.storage.map(({ binding, writable }) => ({
          binding,
          visibility: COMPUTE_STAGE,
          buffer: { type: writable ? ('storage' as const) : ('read-only-storage' as const) },
        })),
      ],
    });
    const descriptor = {
      label: name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main', constants },
    };
    return { layout, shader, descriptor };
  };
  return {
    of: (kernel, label) => {
      const key = keyOf(kernel);
      const known = pipelines.get(key);
      if (known !== undefined) return known;
      const { layout, shader, descriptor } = partsOf(kernel, label);
      const made: Pipeline = { pipeline: device.createComputePipeline(descriptor), layout, shader };
      pipelines.set(key, made);
      return made;
    },
    make: async (launches) => {
      const missing = new Map<string, Launched>();
      for (const launch of launches) {
        const key = keyOf(launch.kernel);
        if (!pipelines.has(key) && !missing.has(key)) missing.set(key, launch);
      }
      if (missing.size === 0) return;
      const release = destroyedAtExit(device);
      // What is refused here is made again by `of`, whose caller hears of it.
      device.pushErrorScope('validation');
      const pending = [...missing].map(async ([key, launch]): Promise<void> => {
        try {
          const { layout, shader, descriptor } = partsOf(launch.kernel, launch.label);
          const pipeline = await patiently(device.createComputePipelineAsync(descriptor));
          if (!pipelines.has(key)) pipelines.set(key, { pipeline, layout, shader });
        } catch {
          modules.delete(sourceOf(launch.kernel) ?? '');
        }
      });
      await device.popErrorScope();
      await Promise.all(pending).finally(release);
    },
  };
};
