import type { EncoderKerasLayout } from '../kerasLayout.ts';
import { robertaLayoutOf } from '../roberta/kerasLayout.ts';
import type { XLMRobertaConfig } from './config.ts';

/**
 * How KerasHub writes an XLM-RoBERTa down.
 *
 * @see keras_hub.models.XLMRobertaBackbone, keras_hub.models.XLMRobertaMaskedLM,
 * keras_hub.models.XLMRobertaTextClassifier
 */
export const xlmRobertaKerasLayout: EncoderKerasLayout<XLMRobertaConfig> = robertaLayoutOf({
  folder: 'xlm_roberta',
  backbone: { className: 'XLMRobertaBackbone', name: 'xlm_roberta_backbone' },
  tokenizer: { className: 'XLMRobertaTokenizer', name: 'xlm_roberta_tokenizer' },
  maskedLM: { className: 'XLMRobertaMaskedLM', name: 'xlm_roberta_masked_lm' },
  maskedLMPreprocessor: { className: 'XLMRobertaMaskedLMPreprocessor', name: 'xlm_roberta_masked_lm_preprocessor' },
  textClassifier: { className: 'XLMRobertaTextClassifier', name: 'xlm_roberta_text_classifier' },
  textClassifierPreprocessor: {
    className: 'XLMRobertaTextClassifierPreprocessor',
    name: 'xlm_roberta_text_classifier_preprocessor',
  },
});
