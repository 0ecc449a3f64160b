/** What an axis of an activation counts; 1 is an axis of one element. */
export type Axis =
  | 'batch'
  | 'length'
  | 'encoderLength'
  | 'queries'
  | 'keys'
  | 'heads'
  | 'headDim'
  | 'hiddenDim'
  | 'intermediateDim'
  | 'vocabularySize'
  | 'positions'
  | 'headWidth'
  | 'classes'
  | 1;

/** A row of the table of sites. */
interface SiteRow<Scope extends 'layer' | 'model' = 'layer' | 'model'> {
  /** Whether each layer has one of its own, or the model has one. */
  readonly scope: Scope;
  readonly shape: readonly Axis[];
  /** What stands there. */
  readonly meaning: string;
  /** Computed only for those who ask: the model itself takes a fused kernel as long as nobody replaces the value. */
  readonly isLazy: boolean;
  /** The hook point of TransformerLens at the same place; `i` is the layer. */
  readonly transformerLens: string | undefined;
}

const row =
  <Scope extends 'layer' | 'model'>(scope: Scope, isLazy = false) =>
  (shape: readonly Axis[], meaning: string, transformerLens?: string): SiteRow<Scope> => ({
    scope,
    shape,
    meaning,
    isLazy,
    transformerLens,
  });

const inModel = row('model');
const inLayer = row('layer');
const lazyInModel = row('model', true);
const lazyInLayer = row('layer', true);

const stream = ['batch', 'length', 'hiddenDim'] as const;
const inHeads = ['batch', 'length', 'heads', 'headDim'] as const;
const pairs = ['batch', 'heads', 'queries', 'keys'] as const;
const encoded = ['batch', 'encoderLength', 'heads', 'headDim'] as const;
const crossPairs = ['batch', 'heads', 'queries', 'encoderLength'] as const;
const perToken = ['batch', 'length', 1] as const;
const wide = ['batch', 'length', 'intermediateDim'] as const;

/**
 * Every site there is, in the order in which a forward pass comes by: its shape and what it holds. `docs/sites.md` shows
 * the same table.
 */
export const siteTable = Object.freeze({
  tokenEmbedding: inModel(stream, 'rows of the token table', 'hook_embed'),
  positionEmbedding: inModel(['length', 'hiddenDim'], 'rows of the position table, the same for all', 'hook_pos_embed'),
  segmentEmbedding: inModel(stream, 'rows of the segment table', 'hook_token_type_embed'),
  embeddings: inModel(stream, 'their sum, before dropout: `layerInterceptFn` at -1'),

  residualPre: inLayer(stream, 'the residual stream as the layer gets it', 'blocks.i.hook_resid_pre'),
  attentionNormScale: lazyInLayer(
    perToken,
    '`sqrt(variance + epsilon)`, by which the norm before attention divides; RMS norm: `sqrt(mean(x^2) + epsilon)`',
    'blocks.i.ln1.hook_scale',
  ),
  attentionNormalized: lazyInLayer(
    stream,
    '`(x - mean) / scale`, before gain and offset; RMS norm: `x / scale`',
    'blocks.i.ln1.hook_normalized with folded weights',
  ),
  attentionNormOut: inLayer(stream, 'what the norm gives attention', 'blocks.i.ln1.hook_normalized'),
  query: inLayer(inHeads, 'queries', 'blocks.i.attn.hook_q'),
  key: inLayer(inHeads, 'keys, before they go to the cache', 'blocks.i.attn.hook_k'),
  value: inLayer(inHeads, 'values, before they go to the cache', 'blocks.i.attn.hook_v'),
  queryRotary: inLayer(inHeads, 'queries turned by their places', 'blocks.i.attn.hook_rot_q'),
  keyRotary: inLayer(inHeads, 'keys turned by their places, as they go to the cache', 'blocks.i.attn.hook_rot_k'),
  scores: lazyInLayer(
    pairs,
    '`query . key / sqrt(headDim)`, and -1e9 where a query may not look',
    'blocks.i.attn.hook_attn_scores',
  ),
  pattern: lazyInLayer(
    pairs,
    'softmax of the masked scores: what share of a key each query takes',
    'blocks.i.attn.hook_pattern',
  ),
  z: inLayer(inHeads, 'values mixed by the pattern', 'blocks.i.attn.hook_z'),
  perHead: lazyInLayer(
    ['batch', 'length', 'heads', 'hiddenDim'],
    "each head's share of `attentionProjected` or, without it, `attentionOut`; they and the bias add up to it",
    'blocks.i.attn.hook_result',
  ),
  attentionProjected: inLayer(stream, 'what attention gives the norm behind it'),
  attentionPostNormScale: lazyInLayer(
    perToken,
    'as `attentionNormScale`, for the norm behind attention',
    'blocks.i.ln1_post.hook_scale',
  ),
  attentionPostNormalized: lazyInLayer(
    stream,
    'as `attentionNormalized`, for the norm behind attention',
    'blocks.i.ln1_post.hook_normalized with folded weights',
  ),
  attentionOut: inLayer(stream, 'what attention adds to the stream', 'blocks.i.hook_attn_out'),
  residualMid: inLayer(stream, 'the stream after attention', 'blocks.i.hook_resid_mid'),
  crossKey: inLayer(encoded, "keys of the encoder's places, computed once a text", 'decoder.i.cross_attn.hook_k'),
  crossValue: inLayer(encoded, "values of the encoder's places, computed once a text", 'decoder.i.cross_attn.hook_v'),
  crossQuery: inLayer(inHeads, 'queries to the encoder', 'decoder.i.cross_attn.hook_q'),
  crossScores: lazyInLayer(crossPairs, 'as `scores`, for cross-attention', 'decoder.i.cross_attn.hook_attn_scores'),
  crossPattern: lazyInLayer(
    crossPairs,
    "what share of an encoder's place each query takes",
    'decoder.i.cross_attn.hook_pattern',
  ),
  crossZ: inLayer(inHeads, "the encoder's values mixed by the pattern", 'decoder.i.cross_attn.hook_z'),
  crossPerHead: lazyInLayer(
    ['batch', 'length', 'heads', 'hiddenDim'],
    "each head's share of `crossAttentionOut`",
    'decoder.i.cross_attn.hook_result',
  ),
  crossAttentionOut: inLayer(stream, 'what cross-attention adds to the stream', 'decoder.i.hook_cross_attn_out'),
  residualCross: inLayer(stream, 'the stream after cross-attention', 'decoder.i.hook_resid_mid_cross'),
  crossAttentionNormScale: lazyInLayer(perToken, 'as `attentionNormScale`, for the norm of cross-attention'),
  crossAttentionNormalized: lazyInLayer(stream, 'as `attentionNormalized`, for the norm of cross-attention'),
  crossAttentionNormOut: inLayer(stream, 'what the norm of cross-attention gives'),
  mlpNormScale: lazyInLayer(
    perToken,
    'as `attentionNormScale`, for the norm before the MLP',
    'blocks.i.ln2.hook_scale',
  ),
  mlpNormalized: lazyInLayer(
    stream,
    'as `attentionNormalized`, for the norm before the MLP',
    'blocks.i.ln2.hook_normalized with folded weights',
  ),
  mlpNormOut: inLayer(stream, 'what the norm gives the MLP', 'blocks.i.ln2.hook_normalized'),
  mlpPre: inLayer(wide, "the MLP's neurons before the activation", 'blocks.i.mlp.hook_pre'),
  mlpGate: inLayer(wide, 'in a gated MLP, the activation of these, by which the neurons are multiplied'),
  mlpUp: inLayer(wide, 'in a gated MLP, the neurons that the gate multiplies', 'blocks.i.mlp.hook_pre_linear'),
  mlpPost: inLayer(
    wide,
    "the MLP's neurons after the activation, and multiplied by the gate if there is one",
    'blocks.i.mlp.hook_post',
  ),
  mlpProjected: inLayer(stream, 'what the MLP gives the norm behind it'),
  mlpPostNormScale: lazyInLayer(
    perToken,
    'as `attentionNormScale`, for the norm behind the MLP',
    'blocks.i.ln2_post.hook_scale',
  ),
  mlpPostNormalized: lazyInLayer(
    stream,
    'as `attentionNormalized`, for the norm behind the MLP',
    'blocks.i.ln2_post.hook_normalized with folded weights',
  ),
  mlpOut: inLayer(stream, 'what the MLP adds to the stream', 'blocks.i.hook_mlp_out'),
  residualPost: inLayer(
    stream,
    'the stream as the layer leaves it: `layerInterceptFn` at i',
    'blocks.i.hook_resid_post',
  ),

  finalNormScale: lazyInModel(perToken, 'as `attentionNormScale`, for the final norm', 'ln_final.hook_scale'),
  finalNormalized: lazyInModel(
    stream,
    'as `attentionNormalized`, for the final norm',
    'ln_final.hook_normalized with folded weights',
  ),
  finalNormOut: inModel(stream, 'what the final norm gives the output table', 'ln_final.hook_normalized'),
  pooled: inModel(['batch', 'hiddenDim'], "`tanh` of the pooler's dense layer over the first place"),
  headDense: inModel(['batch', 'positions', 'headWidth'], "a masked LM's head after its dense layer and activation"),
  headNormOut: inModel(['batch', 'positions', 'headWidth'], 'what its norm gives the output table'),
  maskLogits: inModel(['batch', 'positions', 'vocabularySize'], 'logits of the places that are asked for'),
  classLogits: inModel(['batch', 'classes'], 'logits of the classes'),
  logits: inModel(['batch', 'length', 'vocabularySize'], 'logits'),
});

/** The name of a site. */
export type Site = keyof typeof siteTable;

type SiteOf<Scope extends SiteRow['scope']> = {
  [S in Site]: (typeof siteTable)[S]['scope'] extends Scope ? S : never;
}[Site];

/** A site that every layer has. */
export type LayerSite = SiteOf<'layer'>;

/** A site that a model has once. */
export type ModelSite = SiteOf<'model'>;

/** Which part of a model a site is in, where a model has two. */
export type Stack = 'encoder' | 'decoder';

/**
 * One site of a model: its layer, where it is in one, its shape by the names of its axes, and, in a model of two stacks,
 * which of them.
 */
export type SiteInfo = {
  readonly shape: readonly Axis[];
  /** The stack that it is in, in a model of two. */
  readonly stack?: Stack | undefined;
} & ({ readonly site: LayerSite; readonly layer: number } | { readonly site: ModelSite; readonly layer: undefined });

/** The names of all sites, in order. */
export const siteNames = Object.freeze(Object.keys(siteTable)) as readonly Site[];

/** Sites of rotary positions. */
export const rotarySites: readonly Site[] = Object.freeze(['queryRotary', 'keyRotary']);

/** Sites of an MLP whose neurons are multiplied by a gate. */
export const gatedSites: readonly Site[] = Object.freeze(['mlpGate', 'mlpUp']);

/** Sites of norms behind attention and MLP, before their results join the stream. */
export const postNormSites: readonly Site[] = Object.freeze(
  siteNames.filter((site) => /^(attention|mlp)(Projected|PostNorm)/.test(site)),
);

const special = new Set<Site>([
  ...rotarySites,
  ...gatedSites,
  ...postNormSites,
  'residualCross',
  'segmentEmbedding',
  'pooled',
  'headDense',
  'headNormOut',
  'maskLogits',
  'classLogits',
]);

/** The names of the sites of a decoder without an encoder, in order, where norms come before attention and MLP. */
export const preNormSites: readonly Site[] = Object.freeze(
  siteNames.filter((site) => !site.startsWith('cross') && !special.has(site)),
);

/** `preNormSites` with some sites more and some less, in the order of the table. */
export const sitesWith = (more: readonly Site[], less: readonly Site[] = []): readonly Site[] =>
  siteNames.filter((site) => more.includes(site) || (preNormSites.includes(site) && !less.includes(site)));

/** Whether every layer has a site of this name. */
export const isLayerSite = (site: Site): site is LayerSite => siteTable[site].scope === 'layer';

/** The entry of a site in a list of sites. */
export const siteInfo = (site: Site, layer: number | undefined, stack?: Stack): SiteInfo => ({
  ...(isLayerSite(site) ? { site, layer: layer! } : { site, layer: undefined }),
  shape: siteTable[site].shape,
  ...(stack === undefined ? {} : { stack }),
});

/**
 * The sites of a decoder, or of another stack of layers, in the order of its forward pass.
 *
 * @param layers - How many layers there are.
 * @param sites - Which sites the family has, in its order. Default: `preNormSites`.
 * @param stack - Which stack of the model this is; left out where there is one.
 */
export const decoderSites = (
  layers: number,
  sites: readonly Site[] = preNormSites,
  stack?: Stack,
): readonly SiteInfo[] => {
  const first = sites.findIndex(isLayerSite);
  const inLayers = sites.filter(isLayerSite);
  const outside = sites.map((site, at) => ({ site, at })).filter(({ site }) => !isLayerSite(site));
  return Object.freeze([
    ...outside.filter(({ at }) => at < first).map(({ site }) => siteInfo(site, undefined, stack)),
    ...Array.from({ length: layers }, (_, layer) => inLayers.map((site) => siteInfo(site, layer, stack))).flat(),
    ...outside.filter(({ at }) => at > first).map(({ site }) => siteInfo(site, undefined, stack)),
  ]);
};
