//! The names of inputs, outputs and constants.

/// Token ids, special tokens included: `[batch, sequence]`.
pub const INPUT_IDS: &str = "input_ids";
/// 1 for a token, 0 for padding: `[batch, sequence]`.
pub const ATTENTION_MASK: &str = "attention_mask";
/// Probabilities to use instead of the model's own: `[batch, K, C]`.
pub const CONCEPT_OVERRIDE: &str = "concept_override";
/// Which concepts are overridden, and how: `[batch, K]`.
pub const CONCEPT_OVERRIDE_MASK: &str = "concept_override_mask";
/// Before any override: `[batch, K, C]`; in a gradient file `[batch, C]`.
pub const CONCEPT_LOGITS: &str = "concept_logits";
/// Probabilities after overrides: `[batch, K, C]`.
pub const CONCEPT_VALUES: &str = "concept_values";
/// After overrides: `[batch, L]`.
pub const LABEL_LOGITS: &str = "label_logits";
/// Each position's share of each concept logit: `[batch, K, C, sequence]`.
pub const TOKEN_EVIDENCE: &str = "token_evidence";

/// Of a gradient file: the token ids of what a text is compared with.
pub const BASELINE_IDS: &str = "baseline_ids";
/// Of a gradient file: how far the words are on the way from the baseline to the text.
pub const ALPHA: &str = "alpha";
/// Of a gradient file: the number of the concept.
pub const CONCEPT: &str = "concept";
/// Of a gradient file: the gradient by the concept's logits.
pub const LOGIT_GRADIENT: &str = "logit_gradient";
/// Of a gradient file: the gradient by the words read.
pub const EMBEDDING_GRADIENT: &str = "embedding_gradient";
/// Of a gradient file: how far the words are from the baseline's.
pub const EMBEDDING_CHANGE: &str = "embedding_change";

/// `[K, C, d]`, or `[K, C, E]` where the heads have two layers.
pub const CONCEPT_HEAD_WEIGHT: &str = "concept_head.weight";
/// `[K, C]`
pub const CONCEPT_HEAD_BIAS: &str = "concept_head.bias";
/// `[K, E, d]`: the first layer of heads that have two.
pub const CONCEPT_EXPANSION_WEIGHT: &str = "concept_expansion.weight";
/// `[K, E]`
pub const CONCEPT_EXPANSION_BIAS: &str = "concept_expansion.bias";
/// `[L, K·C]`
pub const LABEL_HEAD_WEIGHT: &str = "label_head.weight";
/// `[L]`
pub const LABEL_HEAD_BIAS: &str = "label_head.bias";
/// `[L, K·C]`, of `effect` models.
pub const EFFECT_HEAD_WEIGHT: &str = "effect_head.weight";
/// `[L, K·C]`, of `suppose-correct` models.
pub const SUPPOSE_HEAD_WEIGHT: &str = "suppose_head.weight";
/// `[L, K·C]`, of `suppose-correct` models.
pub const CORRECT_HEAD_WEIGHT: &str = "correct_head.weight";
/// `[H, K·C]`
pub const SUPPOSE_HIDDEN_READ: &str = "suppose_hidden.read";
/// `[H, K·C]`
pub const SUPPOSE_HIDDEN_ASSERTED: &str = "suppose_hidden.asserted";
/// `[H]`
pub const SUPPOSE_HIDDEN_BIAS: &str = "suppose_hidden.bias";
/// `[L, H]`
pub const SUPPOSE_HIDDEN_OUTPUT: &str = "suppose_hidden.output";

/// How the names of the heads' tensors begin.
pub const HEADS: [&str; 7] = [
    "concept_expansion.",
    "concept_head.",
    "label_head.",
    "effect_head.",
    "suppose_head.",
    "suppose_hidden.",
    "correct_head.",
];

/// The positions' numbers, 0.0 first.
pub const POSITION_NUMBERS: &str = "place numbers";
/// What bits of a byte are shifted by: 0 to 7.
pub const BIT_POSITIONS: &str = "bit positions";
/// What leaves the lowest bit of a byte: 1.
pub const LOWEST_BIT: &str = "lowest bit";

const MASK_BITS: &str = ".mask_bits";
const MASK_LIST: &str = ".mask_list.";

/// The weight of a linear layer, a norm or a table of embeddings.
pub fn weight(layer: &str) -> String {
    format!("{layer}.weight")
}

/// The bias of a linear layer or a norm.
pub fn bias(layer: &str) -> String {
    format!("{layer}.bias")
}

/// The factors of an int8 matrix, one a row.
pub fn scale(matrix: &str) -> String {
    format!("{matrix}_scale")
}

/// The bits of a layer's masks.
pub fn mask_bits(layer: &str) -> String {
    format!("{layer}{MASK_BITS}")
}

/// A layer's mask of one concept, of a checkpoint that lists them.
pub fn mask_list(layer: &str, concept: usize) -> String {
    format!("{layer}{MASK_LIST}{concept}")
}

/// The layer whose masks a tensor holds, if it holds any, in either form.
pub fn masked_layer(tensor: &str) -> Option<&str> {
    let parts = [MASK_BITS, MASK_LIST];
    parts.iter().find_map(|part| Some(tensor.split_once(part)?.0))
}

/// Each row's place in a folded weight that leaves out dead rows.
pub fn live_rows(product: &str) -> String {
    format!("{product}.places")
}

/// Of a gradient file: the gradient by the bits of a layer's mask.
pub fn mask_gradient(layer: &str) -> String {
    format!("{layer}.mask_gradient")
}
