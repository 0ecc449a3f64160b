import { type ShaderName, shaderSources } from '../../shaders/sources.ts';
import { ArgumentError } from '../../tensor/errors.ts';
import { COMPUTE_STAGE } from './flags.ts';
import type { Step } from './plan.ts';
import { parseShader, type ShaderInterface } from './shader.ts';

/** A pipeline that is ready, with the interface its bindings and uniforms are packed by. */
export interface Pipeline {
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly shader: ShaderInterface;
}

/** Pipelines of a device, made once for each shader text and its constants. */
export type Pipelines = (kernel: Step['kernel'], label: string) => Pipeline;

const isShaderName = (name: string): name is ShaderName => Object.hasOwn(shaderSources, name);

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
  return (kernel, label) => {
    const constants = kernel.kind === 'file' ? kernel.constants : {};
    const key =
      kernel.kind === 'file'
        ? `${kernel.shader} ${Object.entries(constants)
            .map(([name, value]) => `${name}=${value}`)
            .sort()
            .join()}`
        : kernel.source;
    const known = pipelines.get(key);
    if (known !== undefined) return known;
    const name = kernel.kind === 'file' ? kernel.shader : label;
    if (kernel.kind === 'file' && !isShaderName(kernel.shader))
      throw new ArgumentError(`${label}: expected the name of a shader, got ${kernel.shader}`);
    const source = kernel.kind === 'file' ? shaderSources[kernel.shader as ShaderName] : kernel.source;
    const { module, shader } = moduleOf(source, name);
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
    const made: Pipeline = {
      pipeline: device.createComputePipeline({
        label: name,
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module, entryPoint: 'main', constants },
      }),
      layout,
      shader,
    };
    pipelines.set(key, made);
    return made;
  };
};
