/* sparsecbm: text models that say why, and can be corrected.
 *
 * This header is the documentation of the C library. It is made from the library's source: do not edit.
 *
 * OUTLINE
 *   scbm_model_load -> scbm_predict -> scbm_prediction_get_label, scbm_prediction_get_concept
 *                                   -> scbm_intervene_class (as it would be if) -> scbm_prediction_get_label
 *                                   -> scbm_correct_class (it misread the text) -> scbm_prediction_get_label
 *                                   -> scbm_explain -> scbm_explanation_get_…
 *   scbm_tokenize -> scbm_tokens_get_…
 *   scbm_subnetworks_load -> scbm_subnetworks_get_…
 *   scbm_gradients_load -> scbm_search_edit -> scbm_edit_get_patch -> scbm_model_with_patches
 *
 * ERRORS. A function that can fail returns a scbm_status. Where that is not SCBM_OK, nothing has been written
 * to what it was given, scbm_last_error says why, and every object is as it was. Wrong calls are told from
 * bad input where the library can tell: NULL, impossible lengths and bytes that are not UTF-8 give
 * SCBM_ERROR_ARGUMENT. It cannot tell a pointer to freed memory. Where memory runs out the process ends.
 *
 * OWNERSHIP. An object (scbm_model, scbm_tokens, scbm_prediction, scbm_explanation, scbm_subnetworks,
 * scbm_gradients, scbm_edit, scbm_patch) that a function hands out is the caller's, and is freed once, by the
 * function named after it. Everything else that comes out (strings, arrays) belongs to the object it was read
 * from and lives as long as that. What goes in is copied: it may be freed after the call.
 *
 * THREADS. A model, tokens, subnetworks, gradients, an edit or a patch may be used by any number of threads at
 * the same time. A prediction or an explanation belongs to one thread at a time and may be handed on. There is
 * nothing to initialise or shut down. Each function says who may call it: "Threads: any" is any thread at any
 * time, also while others use the same objects; "Threads: the prediction's" is the one thread that has that
 * prediction.
 *
 * STRINGS are UTF-8. Those that come out end in a zero byte.
 *
 * CHANGES. Within one SCBM_ABI_VERSION functions and numbers are only added, structs that begin with
 * struct_size only grow, and the other structs stay as they are.
 */


#ifndef SPARSECBM_H
#define SPARSECBM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/**
 * Version of this binary interface. It is the number at the end of the shared library's soname, and
 * changes where a program that was compiled against an older header would go wrong.
 */
#define SCBM_ABI_VERSION 0

/**
 * A change of one concept's mask and what it does to the texts it was made for. Never changes, so any number
 * of threads may use one at the same time. Needs neither gradients nor predictions any more. Freed by
 * `scbm_edit_free`.
 */
typedef struct scbm_edit scbm_edit;

/**
 * Why a model says what it says of one text: what each concept adds to the label, what the label would be
 * under other concepts, which words speak for which concept. Belongs to one thread at a time and may be
 * handed to another. Needs neither its prediction nor its model any more. Freed by `scbm_explanation_free`.
 */
typedef struct scbm_explanation scbm_explanation;

/**
 * A loaded file of gradients. Never changes, so any number of threads may use one at the same time. Keeps
 * its model alive: that may be freed first. Freed by `scbm_gradients_free`.
 */
typedef struct scbm_gradients scbm_gradients;

/**
 * A loaded model. Never changes, so any number of threads may use one at the same time. Freed by
 * `scbm_model_free`; its predictions hold on to what they need and may outlive it.
 */
typedef struct scbm_model scbm_model;

/**
 * Bits of one concept's mask that are to be flipped. Never changes, so any number of threads may use one at
 * the same time. Freed by `scbm_patch_free`.
 */
typedef struct scbm_patch scbm_patch;

/**
 * What a model says of one text, with the overrides that were made since. Never changes:
 * `scbm_intervene_…`, `scbm_correct_…` and `scbm_undo…` make another one, which shares what the model computed.
 * Belongs to one thread at a time, and may be handed to another. Keeps its model alive: the model may be freed
 * first. Freed by `scbm_prediction_free`.
 */
typedef struct scbm_prediction scbm_prediction;

/**
 * Which weights of an exported model each concept uses. Never changes, so any number of threads may use
 * one at the same time. Needs neither the file nor a model any more. Freed by `scbm_subnetworks_free`.
 */
typedef struct scbm_subnetworks scbm_subnetworks;

/**
 * A text as a model reads it: its tokens, special ones included, as many as fit. Never changes, so any number
 * of threads may use one at the same time. Needs neither its model nor the text any more. Freed by
 * `scbm_tokens_free`.
 */
typedef struct scbm_tokens scbm_tokens;

/**
 * What every function that can fail returns: `SCBM_OK` or one of the `SCBM_ERROR_…`. The numbers never
 * change their meaning; a later library may return numbers that are not in this header.
 */
typedef int32_t scbm_status;

/**
 * Which engine runs a model: one of the `SCBM_ENGINE_…`.
 */
typedef int32_t scbm_engine;

/**
 * How a model is to be loaded. Set it to zero and `struct_size` to its size, then what you want:
 * `scbm_load_options options = {0}; options.struct_size = sizeof options;`
 *
 * It only grows, and zero in a field always means what a library without that field did. A library older
 * than the header refuses a field that it does not know unless it is zero.
 */
typedef struct scbm_load_options {
  /**
   * `sizeof(scbm_load_options)`.
   */
  uint32_t struct_size;
  /**
   * Which engine is to run the model. An engine that is not there is an error, never replaced.
   */
  scbm_engine engine;
  /**
   * CUDA's number of the GPU, for `SCBM_ENGINE_ORT_CUDA`.
   */
  uint32_t cuda_device;
  /**
   * Threads of one run of ONNX Runtime; 0: all runs share one pool with a thread per core.
   */
  uint32_t ort_threads;
  /**
   * ONNX Runtime's library, or the folder that holds it: UTF-8, ends in a zero byte. NULL: what the
   * variable `SPARSECBM_ORT_LIB` or `ORT_DYLIB_PATH` names, else it is looked for beside the program, in
   * the active Python environment and where the platform keeps libraries.
   */
  const char *ort_library;
  /**
   * The most runs of ONNX Runtime at one time; more callers than that wait. 0: one per core.
   */
  uint32_t ort_sessions;
  /**
   * The most memory of the GPU that ONNX Runtime's arena may take, in MiB; 0: no limit.
   */
  uint32_t cuda_memory_mib;
  /**
   * 1: products on the GPU may round their factors to TensorFloat-32: faster, about 3 decimal digits.
   */
  uint32_t cuda_tf32;
  /**
   * Threads over which `SCBM_ENGINE_SPARSE` spreads one text, its concepts and its tokens, and over which a batch of
   * texts is spread; 0: one for a text, one per core for a batch.
   */
  uint32_t threads;
} scbm_load_options;

/**
 * What a model is. Its strings live as long as the model.
 */
typedef struct scbm_model_info {
  /**
   * K, the number of concepts.
   */
  size_t concept_count;
  /**
   * C, the largest number of classes of a concept. Concepts may have different numbers:
   * `scbm_model_get_concept` tells each one's.
   */
  size_t class_count;
  /**
   * L, the number of classes of the label.
   */
  size_t label_class_count;
  /**
   * The most tokens that the model reads, special ones included; what is beyond is left out.
   */
  size_t max_length;
  /**
   * The engine really in use: never `SCBM_ENGINE_AUTO`, unless it is newer than this header.
   */
  scbm_engine engine;
  /**
   * The same for people: the engine, what it runs on, and why it was chosen.
   */
  const char *device;
} scbm_model_info;

/**
 * A concept or the label: a name and its classes in order. Its strings live as long as the model.
 */
typedef struct scbm_variable {
  /**
   * The name.
   */
  const char *name;
  /**
   * How many classes there are.
   */
  size_t class_count;
  /**
   * `class_count` names.
   */
  const char *const *class_names;
} scbm_variable;

/**
 * How much there is of tokens. Its pointer lives as long as they.
 */
typedef struct scbm_tokens_info {
  /**
   * The number of tokens, special ones included.
   */
  size_t token_count;
  /**
   * How many tokens at the end of the text did not fit into the model's `max_length` and were left out.
   */
  size_t dropped_token_count;
  /**
   * `token_count` ids of the model's vocabulary, as `scbm_predict_tokens` takes them.
   */
  const uint32_t *ids;
} scbm_tokens_info;

/**
 * One token that the model reads. Its pointer lives as long as what it was read from.
 */
typedef struct scbm_token {
  /**
   * The token's id in the model's vocabulary.
   */
  uint32_t id;
  /**
   * Whether the token stands for a part of the text. Special tokens do not, nor do token ids.
   */
  bool has_span;
  /**
   * Where that part begins, in bytes; 0 where there is none.
   */
  size_t start;
  /**
   * Where it ends: the first byte after it; 0 where there is none.
   */
  size_t end;
  /**
   * The piece of the vocabulary, as the tokenizer writes it (`##ing`, `[CLS]`).
   */
  const char *piece;
} scbm_token;

/**
 * How much a prediction holds.
 */
typedef struct scbm_prediction_info {
  /**
   * K, the number of concepts.
   */
  size_t concept_count;
  /**
   * The number of tokens that the model read, special ones included.
   */
  size_t token_count;
  /**
   * How many tokens at the end of the text did not fit into the model's `max_length` and were left out.
   */
  size_t dropped_token_count;
  /**
   * S, the number of positions that have evidence: the tokens, then padding where the model reads it.
   */
  size_t position_count;
} scbm_prediction_info;

/**
 * The label of a prediction, after overrides. Its pointers live as long as the prediction.
 */
typedef struct scbm_label {
  /**
   * The label's name.
   */
  const char *name;
  /**
   * L, the number of its classes.
   */
  size_t class_count;
  /**
   * `class_count` names.
   */
  const char *const *class_names;
  /**
   * The index of the most probable class.
   */
  size_t class_index;
  /**
   * Its name.
   */
  const char *class_name;
  /**
   * `class_count` probabilities.
   */
  const float *probabilities;
  /**
   * `class_count` logits, of which the probabilities are the softmax.
   */
  const float *logits;
  /**
   * The mean under the probabilities of what the classes are worth, where the model tells that or every class
   * name is a number (stars), else NaN.
   */
  float expected_value;
} scbm_label;

/**
 * One concept of a prediction. Its pointers live as long as the prediction.
 */
typedef struct scbm_concept {
  /**
   * The concept's name.
   */
  const char *name;
  /**
   * The number of its classes; concepts of one model may have different numbers.
   */
  size_t class_count;
  /**
   * `class_count` names.
   */
  const char *const *class_names;
  /**
   * The index of the most probable class, after overrides.
   */
  size_t class_index;
  /**
   * Its name.
   */
  const char *class_name;
  /**
   * `class_count` probabilities, after overrides.
   */
  const float *probabilities;
  /**
   * `class_count` logits: the model's own, before overrides.
   */
  const float *logits;
  /**
   * Whether the probabilities were given by an override; `scbm_prediction_get_question` tells what it asks.
   */
  bool overridden;
} scbm_concept;

/**
 * What a person who overrides a concept asks: one of the `SCBM_QUESTION_…`.
 */
typedef int32_t scbm_question;

/**
 * By what concepts are ranked when it is asked which one to ask a person about: one of the
 * `SCBM_POLICY_…`.
 */
typedef int32_t scbm_policy;

/**
 * What an explanation is to hold beyond what is free. Set it to zero and `struct_size` to its size, then
 * what you want, as with `scbm_load_options`; it grows in the same way.
 */
typedef struct scbm_explain_options {
  /**
   * `sizeof(scbm_explain_options)`.
   */
  uint32_t struct_size;
  /**
   * By what suggestions are ranked.
   */
  scbm_policy policy;
  /**
   * `cost_count` numbers above 0: what asking about each concept costs; a suggestion's score is divided
   * by it. NULL: 1 each. Not needed after the call.
   */
  const float *costs;
  /**
   * K where there are costs, else 0.
   */
  size_t cost_count;
  /**
   * For how many words, at most, it is measured what the model loses without them: those with the most
   * evidence. 0: none; `UINT32_MAX`: every one.
   */
  uint32_t occlusion_words;
  /**
   * In how many steps, at most, the orders of words that evidence and, where they were asked for, occlusion
   * (of all words) and integrated gradients give are put to the test: two runs of the model a step, for each concept
   * and order. 0: not at all.
   */
  uint32_t faithfulness_steps;
  /**
   * The model's gradients, to integrate them over the way from a text without words to the text; NULL: not
   * at all. Not needed after the call.
   */
  const struct scbm_gradients *gradients;
  /**
   * Points on that way at which they are taken, for each class of each concept; 0: 50.
   */
  uint32_t integrated_steps;
  /**
   * With `occlusion_words`: windows of this many words are masked out too, at every place, and a word has the mean
   * of what is lost with the windows that hold it and with it alone. 5 finds the words that carry a concept best.
   * 0 or 1: single words alone.
   */
  uint32_t occlusion_window;
} scbm_explain_options;

/**
 * How much an explanation holds.
 */
typedef struct scbm_explanation_info {
  /**
   * K, the number of concepts.
   */
  size_t concept_count;
  /**
   * L, the number of classes of the label.
   */
  size_t label_class_count;
  /**
   * W, the number of words that the model read.
   */
  size_t word_count;
  /**
   * The number of suggestions: concepts that are not overridden.
   */
  size_t suggestion_count;
  /**
   * The number of changes in the smallest set of concept changes that gives another label; 0 where no set
   * does.
   */
  size_t change_count;
  /**
   * The number of orders of words that were put to the test; 0 where that was not asked for.
   */
  size_t faithfulness_count;
} scbm_explanation_info;

/**
 * What one concept adds to each label logit. Its pointers live as long as the explanation.
 */
typedef struct scbm_contribution {
  /**
   * L numbers. Where the concept is overridden in a model of two answers: what is asserted of it is worth,
   * whatever the text said of it. In models of one answer its override's share is included.
   */
  const float *label_logits;
  /**
   * L numbers: what the override changed in the label logits; NULL where there is none.
   */
  const float *override_share;
} scbm_contribution;

/**
 * The label as it would be. Its pointers live as long as the explanation.
 */
typedef struct scbm_outcome {
  /**
   * The index of the label's class.
   */
  size_t class_index;
  /**
   * Its name.
   */
  const char *class_name;
  /**
   * L probabilities.
   */
  const float *probabilities;
  /**
   * The mean under the probabilities of what the classes are worth, as `scbm_label` has it, else NaN.
   */
  float expected_value;
} scbm_outcome;

/**
 * One concept, taken from one class to another.
 */
typedef struct scbm_change {
  /**
   * The concept.
   */
  size_t concept_index;
  /**
   * Its class as it is.
   */
  size_t from_class_index;
  /**
   * The class supposed instead.
   */
  size_t to_class_index;
} scbm_change;

/**
 * What asking a person about one concept may gain.
 */
typedef struct scbm_suggestion {
  /**
   * The concept.
   */
  size_t concept_index;
  /**
   * What the policy goes by, divided by the cost: the larger, the sooner to ask.
   */
  float score;
  /**
   * Entropy of the concept's probabilities in nats.
   */
  float uncertainty;
  /**
   * Mean over the label's classes of the size of the concept's contribution to the logit.
   */
  float contribution;
  /**
   * Total variation distance, 0 to 1, by which the label's probabilities are expected to move when the
   * concept becomes known.
   */
  float expected_change;
  /**
   * What asking costs; 1 where nothing else was told.
   */
  float cost;
} scbm_suggestion;

/**
 * One word that the model read. Its pointers live as long as the explanation.
 */
typedef struct scbm_word {
  /**
   * The word; the token's piece where token ids were given.
   */
  const char *text;
  /**
   * Whether the word is a part of a text: not where token ids were given.
   */
  bool has_span;
  /**
   * Where it begins in the text, in bytes; 0 where there is no text.
   */
  size_t start;
  /**
   * Where it ends: the first byte after it; 0 where there is no text.
   */
  size_t end;
  /**
   * The first of the prediction's tokens that stand for it.
   */
  size_t first_token;
  /**
   * How many tokens stand for it.
   */
  size_t token_count;
} scbm_word;

/**
 * What words add to one concept logit, before overrides: the sum over the words plus `special` plus `bias`
 * is the logit. Its pointer lives as long as the explanation.
 */
typedef struct scbm_word_evidence {
  /**
   * W numbers, one a word.
   */
  const float *words;
  /**
   * What the positions outside all words add: special tokens, padding.
   */
  float special;
  /**
   * The bias of the concept's head.
   */
  float bias;
} scbm_word_evidence;

/**
 * Which words were masked out, one at a time. Its pointer lives as long as the explanation.
 */
typedef struct scbm_occlusion {
  /**
   * V, the number of words that were masked out.
   */
  size_t word_count;
  /**
   * V indices of words, 0 to W − 1, in the order of the text.
   */
  const size_t *word_indices;
  /**
   * Whether these are all words of the text.
   */
  bool complete;
} scbm_occlusion;

/**
 * Whether an order of words is the order in which they matter to the model. Its pointers live as long as
 * the explanation.
 */
typedef struct scbm_faithfulness {
  /**
   * The concept.
   */
  size_t concept_index;
  /**
   * The class that the model reads in the whole text, before overrides.
   */
  size_t class_index;
  /**
   * What ordered the words: `evidence`, `occlusion` or `integrated`.
   */
  const char *method;
  /**
   * The number of points of both curves.
   */
  size_t point_count;
  /**
   * From 0 to 1: shares of the words, one a point.
   */
  const float *shares;
  /**
   * The class's probability with that share of the words masked out, the most important first.
   */
  const float *deletion;
  /**
   * The class's probability with only that share of the words left, the most important first.
   */
  const float *insertion;
  /**
   * Area under `deletion`: small under a good order.
   */
  float deletion_area;
  /**
   * Area under `insertion`: large under a good order.
   */
  float insertion_area;
} scbm_faithfulness;

/**
 * What each word adds to one concept logit on the way from a text without words to the text. The sum over the
 * words, plus `special`, plus `baseline`, is the logit, but for `convergence_error`. Its pointer lives as long
 * as the explanation.
 */
typedef struct scbm_attribution {
  /**
   * W numbers, one a word.
   */
  const float *words;
  /**
   * What the positions outside all words add.
   */
  float special;
  /**
   * The logit of the text without words.
   */
  float baseline;
  /**
   * How far the sum is from the logit: more steps bring it down.
   */
  float convergence_error;
} scbm_attribution;

/**
 * How much there is of a model's subnetworks.
 */
typedef struct scbm_subnetworks_info {
  /**
   * K, the number of concepts.
   */
  size_t concept_count;
  /**
   * The number of masked matrices.
   */
  size_t layer_count;
  /**
   * Share of the masked weights that at least one concept keeps.
   */
  double used;
} scbm_subnetworks_info;

/**
 * The weights that one concept uses, over all masked matrices. Its pointers live as long as the
 * subnetworks.
 */
typedef struct scbm_subnetwork {
  /**
   * The concept's name.
   */
  const char *concept_name;
  /**
   * Share of the masked weights that the concept keeps.
   */
  double density;
  /**
   * Share of what the concept keeps that no other concept keeps.
   */
  double exclusive;
  /**
   * K numbers: Jaccard similarity with each concept (kept by both / kept by either).
   */
  const double *overlap;
} scbm_subnetwork;

/**
 * One masked matrix. Its pointers live as long as the subnetworks.
 */
typedef struct scbm_layer {
  /**
   * The linear layer's name in the backbone.
   */
  const char *name;
  /**
   * Its output size.
   */
  size_t rows;
  /**
   * Its input size.
   */
  size_t columns;
  /**
   * Share of the matrix that at least one concept keeps.
   */
  double used;
  /**
   * K numbers: share of the matrix that each concept keeps.
   */
  const double *density;
  /**
   * K numbers: share of what each concept keeps that no other concept keeps.
   */
  const double *exclusive;
} scbm_layer;

/**
 * What a patch is. Its strings live as long as the patch.
 */
typedef struct scbm_patch_info {
  /**
   * The name of the concept whose mask it changes.
   */
  const char *concept_name;
  /**
   * What it was made for, in words; NULL where it does not say.
   */
  const char *note;
  /**
   * How many bits it flips.
   */
  size_t flip_count;
  /**
   * In how many matrices.
   */
  size_t layer_count;
} scbm_patch_info;

/**
 * How far a search has come.
 */
typedef struct scbm_edit_progress {
  /**
   * Runs of the model done; how many there will be is not known.
   */
  size_t run_count;
  /**
   * Bits that the trial at hand flips.
   */
  size_t flip_count;
  /**
   * How many examples are of the class that is wanted with it.
   */
  size_t turned_count;
  /**
   * How many guards are not of their class any more.
   */
  size_t broken_count;
} scbm_edit_progress;

/**
 * Is told how far a search has come, between runs of the model, in the thread that called
 * `scbm_search_edit`. Returns 0 to go on and anything else to end it. Must return: no jumps, no exceptions.
 */
typedef int32_t (*scbm_edit_progress_function)(const struct scbm_edit_progress *progress,
                                               void *context);

/**
 * How an edit is looked for. Set it to zero and `struct_size` to its size, then what you want, as with
 * `scbm_load_options`; it grows in the same way.
 */
typedef struct scbm_edit_options {
  /**
   * `sizeof(scbm_edit_options)`.
   */
  uint32_t struct_size;
  /**
   * How often the gradient is taken again where one is not enough; 0: 32 times.
   */
  uint32_t rounds;
  /**
   * At most so large a share of the bits that the mask keeps are pruned, and as many grown; 0: 0.01.
   */
  double max_share;
  /**
   * What the mean loss of the guards counts beside that of the examples; 0: as much.
   */
  float guard_weight;
  /**
   * The search ends when this many milliseconds are over; 0: never.
   */
  uint32_t time_limit_ms;
  /**
   * Is told how far the search has come; NULL: nobody is.
   */
  scbm_edit_progress_function progress;
  /**
   * Handed to `progress`.
   */
  void *context;
} scbm_edit_options;

/**
 * How a search for an edit ended: one of the `SCBM_EDIT_…`.
 */
typedef int32_t scbm_edit_end;

/**
 * What an edit is.
 */
typedef struct scbm_edit_info {
  /**
   * How the search ended.
   */
  scbm_edit_end end;
  /**
   * How many bits are flipped: half of them pruned, half grown.
   */
  size_t flip_count;
  /**
   * How many bits the mask keeps, before and after.
   */
  size_t kept_count;
  /**
   * How many runs of the model the search took.
   */
  size_t run_count;
  /**
   * In how many matrices bits are flipped.
   */
  size_t layer_count;
  /**
   * How many examples are of the class they are to have.
   */
  size_t turned_count;
  /**
   * How many guards do not keep their class.
   */
  size_t broken_count;
} scbm_edit_info;

/**
 * How many bits of one matrix an edit flips. Its string lives as long as the edit.
 */
typedef struct scbm_edit_layer {
  /**
   * The linear layer's name in the backbone.
   */
  const char *name;
  /**
   * Bits that are pruned.
   */
  size_t pruned_count;
  /**
   * Bits that are grown.
   */
  size_t grown_count;
} scbm_edit_layer;

/**
 * What an edit does to one example. Its pointers live as long as the edit.
 */
typedef struct scbm_edit_change {
  /**
   * C numbers: the concept's logits before.
   */
  const float *logits_before;
  /**
   * C numbers: the concept's logits after.
   */
  const float *logits_after;
  /**
   * L numbers: the label's probabilities before, under the prediction's overrides.
   */
  const float *label_before;
  /**
   * L numbers: the label's probabilities after, under the same.
   */
  const float *label_after;
} scbm_edit_change;

/**
 * The call did what it says.
 */
#define SCBM_OK 0

/**
 * A file could not be read.
 */
#define SCBM_ERROR_IO 1

/**
 * Bytes are not an exported model: not ONNX, cut short, broken metadata.
 */
#define SCBM_ERROR_FORMAT 2

/**
 * The file is of a newer version than the library knows.
 */
#define SCBM_ERROR_VERSION 3

/**
 * The parts of a model contradict each other.
 */
#define SCBM_ERROR_MODEL 4

/**
 * The model has no such concept or class, or a value is out of range.
 */
#define SCBM_ERROR_INPUT 5

/**
 * The engine that runs the model failed.
 */
#define SCBM_ERROR_ENGINE 6

/**
 * The engine asked for is not in this library or on this machine.
 */
#define SCBM_ERROR_UNAVAILABLE 7

/**
 * The call itself is wrong: NULL where a pointer must be, an impossible length, an index out of range,
 * bytes that are not UTF-8, a number that stands for nothing.
 */
#define SCBM_ERROR_ARGUMENT 8

/**
 * A defect in the library. The objects involved may still be freed and used.
 */
#define SCBM_ERROR_INTERNAL 9

/**
 * The best engine there is; `scbm_model_get_info` says which it was. Never a GPU: one is asked for.
 */
#define SCBM_ENGINE_AUTO 0

/**
 * tract: on any processor, no other library needed.
 */
#define SCBM_ENGINE_TRACT 1

/**
 * ONNX Runtime on the processor, in libraries that were built with it.
 */
#define SCBM_ENGINE_ORT_CPU 2

/**
 * ONNX Runtime on an NVIDIA GPU, in libraries that were built with it. Never falls back to the processor.
 */
#define SCBM_ENGINE_ORT_CUDA 3

/**
 * The library's own kernels, whose products cost what the kept weights cost: on any processor, but only
 * for the encoders that they know.
 */
#define SCBM_ENGINE_SPARSE 4

/**
 * Nothing: the concept is not overridden.
 */
#define SCBM_QUESTION_NONE 0

/**
 * As it would be if: `scbm_intervene_…`.
 */
#define SCBM_QUESTION_SUPPOSE 1

/**
 * The model misread the text: `scbm_correct_…`.
 */
#define SCBM_QUESTION_CORRECT 2

/**
 * Uncertainty times expected change.
 */
#define SCBM_POLICY_COMBINED 0

/**
 * Entropy of the concept's probabilities.
 */
#define SCBM_POLICY_UNCERTAINTY 1

/**
 * How far the concept moves the label's logits from the baseline.
 */
#define SCBM_POLICY_CONTRIBUTION 2

/**
 * How far the label's probabilities are expected to move when the concept becomes known.
 */
#define SCBM_POLICY_EXPECTED_CHANGE 3

/**
 * Every example is of the class it is to have, every guard of its own.
 */
#define SCBM_EDIT_TURNED 0

/**
 * They are not, with any number of bits within the limit: the edit is the best that was found.
 */
#define SCBM_EDIT_NOT_TURNED 1

/**
 * The time limit was reached, or `progress` ended the search: the edit is as far as it came.
 */
#define SCBM_EDIT_STOPPED 2

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The `SCBM_ABI_VERSION` of the library in use: where it differs from the header's, the program and the
 * library do not fit together. Cannot fail. Any thread, any time.
 */
uint32_t scbm_abi_version(void);

/**
 * The library's own version, such as `0.1.0`. Cannot fail. Any thread, any time; the string lives as long
 * as the library.
 */
const char *scbm_version(void);

/**
 * The major version of the exported files that the library reads. Cannot fail. Any thread, any time.
 */
uint32_t scbm_format_version(void);

/**
 * Why this thread's last call of a function that returns a `scbm_status` failed, in one line:
 * `PLACE: found FOUND, expected EXPECTED`. The empty string where that call did not fail.
 *
 * The string belongs to the library and stays until this thread's next call of a function that returns a
 * `scbm_status`; the functions that free objects do not touch it. Cannot fail.
 */
const char *scbm_last_error(void);

/**
 * The name of a status: `ok`, `io`, `format`, `version`, `model`, `input`, `engine`, `unavailable`,
 * `argument`, `internal`; `unknown` for any other number. Cannot fail. Any thread, any time; the string
 * lives as long as the library.
 */
const char *scbm_status_name(scbm_status status);

/**
 * Loads an exported model from a file.
 *
 * `path`: UTF-8, ends in a zero byte. `options`: NULL for the defaults. `model`: receives the model, which
 * is the caller's to free. Threads: any.
 *
 * Errors: `IO` where the file cannot be read, `FORMAT`, `VERSION` and `MODEL` where it is not a model that
 * the library can run, `UNAVAILABLE` where the engine is not there, `ARGUMENT`.
 */
scbm_status scbm_model_load(const char *path,
                            const struct scbm_load_options *options,
                            struct scbm_model **model);

/**
 * Loads an exported model from memory.
 *
 * `bytes`: `length` bytes, the content of an exported file; not needed after the call. `options`, `model`,
 * threads and errors: as for `scbm_model_load`.
 */
scbm_status scbm_model_from_memory(const void *bytes,
                                   size_t length,
                                   const struct scbm_load_options *options,
                                   struct scbm_model **model);

/**
 * Frees a model; NULL is fine. Legal while predictions of it live. Threads: any, when no other is in a call
 * that was given the model.
 */
void scbm_model_free(struct scbm_model *model);

/**
 * What a model is.
 *
 * `info`: receives it; its strings live as long as the model. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_model_get_info(const struct scbm_model *model, struct scbm_model_info *info);

/**
 * The name and classes of a concept.
 *
 * `index`: 0 to K − 1. `variable`: receives them; its strings live as long as the model. Threads: any.
 * Errors: `ARGUMENT`, also where there is no such concept.
 */
scbm_status scbm_model_get_concept(const struct scbm_model *model,
                                   size_t index,
                                   struct scbm_variable *variable);

/**
 * The name and classes of the label.
 *
 * `variable`: receives them; its strings live as long as the model. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_model_get_label(const struct scbm_model *model,
                                 struct scbm_variable *variable);

/**
 * The model's schema as JSON, as a checkpoint's `sparsecbm.json` has it: concepts, label and their classes,
 * semantics, calibration, fields of data files.
 *
 * `json`: receives a string that lives as long as the model. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_model_get_schema_json(const struct scbm_model *model,
                                       const char **json);

/**
 * The index of the concept of that name.
 *
 * `name`: UTF-8, ends in a zero byte. `index`: receives the index. Threads: any. Errors: `INPUT` where the
 * model has no such concept, `ARGUMENT`.
 */
scbm_status scbm_model_find_concept(const struct scbm_model *model,
                                    const char *name,
                                    size_t *index);

/**
 * The tokens of a text, without predicting it.
 *
 * `text`: `length` bytes of UTF-8, as for `scbm_predict`. `tokens`: receives the tokens, which are the caller's
 * to free.
 *
 * Threads: any. Errors: `MODEL` where a piece of the vocabulary holds a zero byte, `ARGUMENT`.
 */
scbm_status scbm_tokenize(const struct scbm_model *model,
                          const char *text,
                          size_t length,
                          struct scbm_tokens **tokens);

/**
 * Frees tokens; NULL is fine. What was read from them is gone with them. Threads: any, when no other is in a
 * call that was given them.
 */
void scbm_tokens_free(struct scbm_tokens *tokens);

/**
 * How much there is, and the ids.
 *
 * `info`: receives it; its pointer lives as long as the tokens. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_tokens_get_info(const struct scbm_tokens *tokens, struct scbm_tokens_info *info);

/**
 * One token, in the order of the text.
 *
 * `index`: 0 to `token_count` − 1. `token`: receives it; its pointer lives as long as the tokens. Threads: any.
 * Errors: `ARGUMENT`, also where there is no such token.
 */
scbm_status scbm_tokens_get_token(const struct scbm_tokens *tokens,
                                  size_t index,
                                  struct scbm_token *token);

/**
 * Predicts one text. Any UTF-8 has an answer, the empty text too.
 *
 * `text`: `length` bytes of UTF-8, zero bytes allowed; NULL is fine where `length` is 0. Not needed after
 * the call. `prediction`: receives the prediction, which is the caller's to free.
 *
 * Threads: any. Errors: `ENGINE`, `ARGUMENT`.
 */
scbm_status scbm_predict(const struct scbm_model *model,
                         const char *text,
                         size_t length,
                         struct scbm_prediction **prediction);

/**
 * Predicts several texts at once: `SCBM_ENGINE_SPARSE` and `SCBM_ENGINE_TRACT` run one text per thread, on as many
 * threads as `threads` of the load options says, by default one per core; ONNX Runtime runs batches on threads of its
 * own.
 *
 * `texts`, `lengths`: `count` texts, each as for `scbm_predict`. `predictions`: receives `count`
 * predictions in the order of the texts, each the caller's to free. Where one text fails, none is
 * predicted. A `count` of 0 does nothing. Threads: any. Errors: as for `scbm_predict`.
 */
scbm_status scbm_predict_batch(const struct scbm_model *model,
                               const char *const *texts,
                               const size_t *lengths,
                               size_t count,
                               struct scbm_prediction **predictions);

/**
 * Predicts from token ids instead of a text.
 *
 * `ids`: `count` ids of the model's vocabulary, special tokens included, without padding. `prediction`:
 * receives the prediction, which is the caller's to free.
 *
 * Threads: any. Errors: `INPUT` where there are no ids, more than the model's `max_length`, or one that the
 * vocabulary does not have; `ENGINE`, `ARGUMENT`.
 */
scbm_status scbm_predict_tokens(const struct scbm_model *model,
                                const uint32_t *ids,
                                size_t count,
                                struct scbm_prediction **prediction);

/**
 * Predicts several sequences of token ids at once, as `scbm_predict_batch` does texts.
 *
 * `ids`, `lengths`: `count` sequences, each as for `scbm_predict_tokens`. `predictions`: receives `count`
 * predictions in the order of the sequences, each the caller's to free. Where one sequence fails, none is
 * predicted. A `count` of 0 does nothing. Threads: any. Errors: as for `scbm_predict_tokens`.
 */
scbm_status scbm_predict_tokens_batch(const struct scbm_model *model,
                                      const uint32_t *const *ids,
                                      const size_t *lengths,
                                      size_t count,
                                      struct scbm_prediction **predictions);

/**
 * Frees a prediction; NULL is fine. What was read from it (strings, probabilities) is gone with it.
 * Threads: the prediction's.
 */
void scbm_prediction_free(struct scbm_prediction *prediction);

/**
 * How much a prediction holds.
 *
 * `info`: receives it. Threads: the prediction's. Errors: `ARGUMENT`.
 */
scbm_status scbm_prediction_get_info(const struct scbm_prediction *prediction,
                                     struct scbm_prediction_info *info);

/**
 * The whole prediction as JSON: label, concepts and tokens.
 *
 * `json`: receives a string that lives as long as the prediction. Threads: the prediction's. Errors:
 * `ARGUMENT`.
 */
scbm_status scbm_prediction_get_json(const struct scbm_prediction *prediction,
                                     const char **json);

/**
 * The label, after overrides.
 *
 * `label`: receives it; its pointers live as long as the prediction. Threads: the prediction's. Errors:
 * `ARGUMENT`.
 */
scbm_status scbm_prediction_get_label(const struct scbm_prediction *prediction,
                                      struct scbm_label *label);

/**
 * One concept, after overrides.
 *
 * `index`: 0 to K − 1, in the model's order. `concept_out`: receives it; its pointers live as long as the
 * prediction. Threads: the prediction's. Errors: `ARGUMENT`, also where there is no such concept.
 */
scbm_status scbm_prediction_get_concept(const struct scbm_prediction *prediction,
                                        size_t index,
                                        struct scbm_concept *concept_out);

/**
 * One token that the model read.
 *
 * `index`: 0 to `token_count` − 1. `token`: receives it; its pointer lives as long as the prediction.
 * Threads: the prediction's. Errors: `MODEL` where a piece of the vocabulary holds a zero byte, `ARGUMENT`,
 * also where there is no such token.
 */
scbm_status scbm_prediction_get_token(const struct scbm_prediction *prediction,
                                      size_t index,
                                      struct scbm_token *token);

/**
 * What each position adds to one concept logit, before overrides: the sum over the positions plus the
 * bias of the concept's head is the logit, exactly.
 *
 * `concept_index`: 0 to K − 1. `class_index`: 0 to the concept's `class_count` − 1. `values`: receives a pointer
 * to S values, which live as long as the prediction; S is `position_count`. Threads: the prediction's. Errors:
 * `ARGUMENT`, also where there is no such concept or class.
 */
scbm_status scbm_prediction_get_evidence(const struct scbm_prediction *prediction,
                                         size_t concept_index,
                                         size_t class_index,
                                         const float **values);

/**
 * How many answers a model has to the two questions that an override can ask: 2 where supposing and correcting
 * are told apart, 1 where both give the same.
 *
 * `count`: receives it. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_model_get_answer_count(const struct scbm_model *model,
                                        size_t *count);

/**
 * What the override of a concept asks.
 *
 * `concept_index`: 0 to K − 1, in the model's order. `question`: receives it; `SCBM_QUESTION_NONE` where the
 * concept is not overridden. Threads: the prediction's. Errors: `ARGUMENT`, also where there is no such concept.
 */
scbm_status scbm_prediction_get_question(const struct scbm_prediction *prediction,
                                         size_t concept_index,
                                         scbm_question *question);

/**
 * Supposes that a concept is of one class, by the class's name: as it would be if. The label follows as it does
 * when a person edits the text. Where the model misread the text, `scbm_correct_class` is meant.
 *
 * The new prediction has this override on top of those that `prediction` has; of one concept the last holds,
 * whatever it asks, and else the order does not matter. Only the label is computed again, not what the model
 * says of the text.
 *
 * `concept_name`, `class_name`: UTF-8, end in a zero byte. `changed`: receives the new prediction, which is
 * the caller's to free; `prediction` stays as it is. Threads: the prediction's. Errors: `INPUT` where the
 * model has no such concept or class, `ENGINE`, `ARGUMENT`.
 */
scbm_status scbm_intervene_class(const struct scbm_prediction *prediction,
                                 const char *concept_name,
                                 const char *class_name,
                                 struct scbm_prediction **changed);

/**
 * Supposes that a concept is of one class, by the class's index, 0 to the concept's `class_count` − 1. Else as
 * `scbm_intervene_class`.
 */
scbm_status scbm_intervene_class_index(const struct scbm_prediction *prediction,
                                       const char *concept_name,
                                       size_t class_index,
                                       struct scbm_prediction **changed);

/**
 * Supposes that a concept has these probabilities.
 *
 * `probabilities`: `count` numbers from 0 to 1 whose sum is 1, one a class. Errors: also `INPUT` where they
 * are not that or `count` is not the concept's `class_count`. Else as `scbm_intervene_class`.
 */
scbm_status scbm_intervene_probabilities(const struct scbm_prediction *prediction,
                                         const char *concept_name,
                                         const float *probabilities,
                                         size_t count,
                                         struct scbm_prediction **changed);

/**
 * Supposes that a concept has these logits, of which the softmax is taken.
 *
 * `logits`: `count` finite numbers, one a class. Errors: also `INPUT` where they are not that or `count`
 * is not the concept's `class_count`. Else as `scbm_intervene_class`.
 */
scbm_status scbm_intervene_logits(const struct scbm_prediction *prediction,
                                  const char *concept_name,
                                  const float *logits,
                                  size_t count,
                                  struct scbm_prediction **changed);

/**
 * Takes back the override of one concept, if it has one.
 *
 * `concept_name`: UTF-8, ends in a zero byte. `changed`: receives the new prediction, which is the caller's
 * to free. Threads: the prediction's. Errors: `INPUT` where the model has no such concept, `ENGINE`,
 * `ARGUMENT`.
 */
scbm_status scbm_undo(const struct scbm_prediction *prediction,
                      const char *concept_name,
                      struct scbm_prediction **changed);

/**
 * Takes back every override: bit for bit what the model said at first.
 *
 * `changed`: receives the new prediction, which is the caller's to free. Threads: the prediction's. Errors:
 * `ENGINE`, `ARGUMENT`.
 */
scbm_status scbm_undo_all(const struct scbm_prediction *prediction,
                          struct scbm_prediction **changed);

/**
 * Tells the model that a concept is of one class, by the class's name: the model misread the text, which is as
 * it was. The label follows from the text and from what is now known of the concept. Where another text is
 * meant, one in which the concept is so, `scbm_intervene_class` supposes.
 *
 * Supposed and corrected concepts may be mixed. Else as `scbm_intervene_class`.
 */
scbm_status scbm_correct_class(const struct scbm_prediction *prediction,
                               const char *concept_name,
                               const char *class_name,
                               struct scbm_prediction **changed);

/**
 * As `scbm_correct_class`, by the class's index; else as `scbm_intervene_class_index`.
 */
scbm_status scbm_correct_class_index(const struct scbm_prediction *prediction,
                                     const char *concept_name,
                                     size_t class_index,
                                     struct scbm_prediction **changed);

/**
 * As `scbm_correct_class`, with probabilities; else as `scbm_intervene_probabilities`.
 */
scbm_status scbm_correct_probabilities(const struct scbm_prediction *prediction,
                                       const char *concept_name,
                                       const float *probabilities,
                                       size_t count,
                                       struct scbm_prediction **changed);

/**
 * As `scbm_correct_class`, with logits; else as `scbm_intervene_logits`.
 */
scbm_status scbm_correct_logits(const struct scbm_prediction *prediction,
                                const char *concept_name,
                                const float *logits,
                                size_t count,
                                struct scbm_prediction **changed);

/**
 * Explains a prediction, with the overrides that it has.
 *
 * `options`: NULL for the defaults. `explanation`: receives the explanation, which is the caller's to
 * free. Threads: the prediction's.
 *
 * Errors: `INPUT` where a cost is not a number above 0 or the gradients are another model's, `ENGINE`,
 * `ARGUMENT`.
 */
scbm_status scbm_explain(const struct scbm_prediction *prediction,
                         const struct scbm_explain_options *options,
                         struct scbm_explanation **explanation);

/**
 * Frees an explanation; NULL is fine. What was read from it is gone with it. Threads: the explanation's.
 */
void scbm_explanation_free(struct scbm_explanation *explanation);

/**
 * How much an explanation holds.
 *
 * `info`: receives it. Threads: the explanation's. Errors: `ARGUMENT`.
 */
scbm_status scbm_explanation_get_info(const struct scbm_explanation *explanation,
                                      struct scbm_explanation_info *info);

/**
 * The whole explanation as JSON.
 *
 * `json`: receives a string that lives as long as the explanation. Threads: the explanation's. Errors:
 * `ARGUMENT`.
 */
scbm_status scbm_explanation_get_json(const struct scbm_explanation *explanation,
                                      const char **json);

/**
 * The label logits where every concept has its mean logits. These plus the contributions of all concepts plus
 * the rest (`scbm_explanation_get_rest`) are the label's logits, exactly.
 *
 * `label_logits`: receives a pointer to L numbers, which live as long as the explanation. Threads: the
 * explanation's. Errors: `ARGUMENT`.
 */
scbm_status scbm_explanation_get_baseline(const struct scbm_explanation *explanation,
                                          const float **label_logits);

/**
 * What else the text says: in a model of two answers an overridden concept counts as what is asserted of it, and
 * this is what is left. 0 without overrides and in models of one answer (`scbm_model_get_answer_count`).
 *
 * `label_logits`: receives a pointer to L numbers, which live as long as the explanation. Threads: the
 * explanation's. Errors: `ARGUMENT`.
 */
scbm_status scbm_explanation_get_rest(const struct scbm_explanation *explanation,
                                      const float **label_logits);

/**
 * What one concept adds to each label logit, against the mean of the training examples.
 *
 * `concept_index`: 0 to K − 1. `contribution`: receives it. Threads: the explanation's. Errors: `ARGUMENT`,
 * also where there is no such concept.
 */
scbm_status scbm_explanation_get_contribution(const struct scbm_explanation *explanation,
                                              size_t concept_index,
                                              struct scbm_contribution *contribution);

/**
 * The label where one concept is supposed to be of one class and the others are as they are.
 *
 * `concept_index`: 0 to K − 1. `class_index`: 0 to the concept's `class_count` − 1. `outcome`: receives it.
 * Threads: the explanation's. Errors: `ARGUMENT`, also where there is no such concept or class.
 */
scbm_status scbm_explanation_get_what_if(const struct scbm_explanation *explanation,
                                         size_t concept_index,
                                         size_t class_index,
                                         struct scbm_outcome *outcome);

/**
 * One change of the smallest set of concept changes that gives another label.
 *
 * `index`: 0 to `change_count` − 1. `change`: receives it. Threads: the explanation's. Errors: `ARGUMENT`,
 * also where there is no such change.
 */
scbm_status scbm_explanation_get_change(const struct scbm_explanation *explanation,
                                        size_t index,
                                        struct scbm_change *change);

/**
 * The label that follows from all those changes.
 *
 * `outcome`: receives it. Threads: the explanation's. Errors: `INPUT` where no set of changes gives another
 * label (`change_count` is 0), `ARGUMENT`.
 */
scbm_status scbm_explanation_get_changed_label(const struct scbm_explanation *explanation,
                                               struct scbm_outcome *outcome);

/**
 * Which concept to ask a person about; the best comes first.
 *
 * `index`: 0 to `suggestion_count` − 1. `suggestion`: receives it. Threads: the explanation's. Errors:
 * `ARGUMENT`, also where there is no such suggestion.
 */
scbm_status scbm_explanation_get_suggestion(const struct scbm_explanation *explanation,
                                            size_t index,
                                            struct scbm_suggestion *suggestion);

/**
 * One word that the model read, in the order of the text.
 *
 * `index`: 0 to W − 1. `word`: receives it. Threads: the explanation's. Errors: `ARGUMENT`, also where
 * there is no such word.
 */
scbm_status scbm_explanation_get_word(const struct scbm_explanation *explanation,
                                      size_t index,
                                      struct scbm_word *word);

/**
 * What the words add to one concept logit, before overrides.
 *
 * `concept_index`: 0 to K − 1. `class_index`: 0 to the concept's `class_count` − 1. `evidence`: receives it. Threads:
 * the explanation's. Errors: `ARGUMENT`, also where there is no such concept or class.
 */
scbm_status scbm_explanation_get_word_evidence(const struct scbm_explanation *explanation,
                                               size_t concept_index,
                                               size_t class_index,
                                               struct scbm_word_evidence *evidence);

/**
 * Which words were masked out, one at a time.
 *
 * `occlusion`: receives them; its pointer lives as long as the explanation. Threads: the explanation's.
 * Errors: `INPUT` where the explanation was made with `occlusion_words` 0, `ARGUMENT`.
 */
scbm_status scbm_explanation_get_occlusion(const struct scbm_explanation *explanation,
                                           struct scbm_occlusion *occlusion);

/**
 * What one concept logit loses with each word that was masked out, before overrides.
 *
 * `concept_index`: 0 to K − 1. `class_index`: 0 to the concept's `class_count` − 1. `losses`: receives a pointer to V
 * numbers, which live as long as the explanation. Threads: the explanation's. Errors: `INPUT` where the explanation
 * was made with `occlusion_words` 0, `ARGUMENT`, also where there is no such concept or class.
 */
scbm_status scbm_explanation_get_concept_loss(const struct scbm_explanation *explanation,
                                              size_t concept_index,
                                              size_t class_index,
                                              const float **losses);

/**
 * What one label logit loses with each word that was masked out, under the prediction's overrides.
 *
 * `class_index`: 0 to L − 1. `losses`: receives a pointer to V numbers, which live as long as the
 * explanation. Threads: the explanation's. Errors: `INPUT` where the explanation was made with
 * `occlusion_words` 0, `ARGUMENT`, also where there is no such class.
 */
scbm_status scbm_explanation_get_label_loss(const struct scbm_explanation *explanation,
                                            size_t class_index,
                                            const float **losses);

/**
 * How well one order of the words is the order in which they matter to the model.
 *
 * `index`: 0 to `faithfulness_count` − 1. `faithfulness`: receives it; its pointers live as long as the
 * explanation. Threads: the explanation's. Errors: `ARGUMENT`, also where there is no such order.
 */
scbm_status scbm_explanation_get_faithfulness(const struct scbm_explanation *explanation,
                                              size_t index,
                                              struct scbm_faithfulness *faithfulness);

/**
 * What each word adds to one concept logit by integrated gradients, before overrides.
 *
 * `concept_index`: 0 to K − 1. `class_index`: 0 to the concept's `class_count` − 1. `attribution`: receives it; its
 * pointer lives as long as the explanation. Threads: the explanation's. Errors: `INPUT` where the explanation was made
 * without `gradients`, `ARGUMENT`, also where there is no such concept or class.
 */
scbm_status scbm_explanation_get_attribution(const struct scbm_explanation *explanation,
                                             size_t concept_index,
                                             size_t class_index,
                                             struct scbm_attribution *attribution);

/**
 * Reads from an exported file which weights each concept uses.
 *
 * `path`: UTF-8, ends in a zero byte. `subnetworks`: receives them, the caller's to free. Threads: any.
 * Errors: `IO`, `FORMAT`, `VERSION`, `MODEL` where masks are missing or of a wrong shape, `ARGUMENT`.
 */
scbm_status scbm_subnetworks_load(const char *path,
                                  struct scbm_subnetworks **subnetworks);

/**
 * Reads from an exported file in memory which weights each concept uses.
 *
 * `bytes`: `length` bytes, not needed after the call. Else as `scbm_subnetworks_load`.
 */
scbm_status scbm_subnetworks_from_memory(const void *bytes,
                                         size_t length,
                                         struct scbm_subnetworks **subnetworks);

/**
 * Frees subnetworks; NULL is fine. What was read from them is gone with them. Threads: any, when no other
 * is in a call that was given them.
 */
void scbm_subnetworks_free(struct scbm_subnetworks *subnetworks);

/**
 * How much there is.
 *
 * `info`: receives it. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_subnetworks_get_info(const struct scbm_subnetworks *subnetworks,
                                      struct scbm_subnetworks_info *info);

/**
 * Everything as JSON, also which neurons and attention heads serve which concept.
 *
 * `json`: receives a string that lives as long as the subnetworks. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_subnetworks_get_json(const struct scbm_subnetworks *subnetworks,
                                      const char **json);

/**
 * The weights that one concept uses.
 *
 * `concept_index`: 0 to K − 1. `subnetwork`: receives them; its pointers live as long as the subnetworks.
 * Threads: any. Errors: `ARGUMENT`, also where there is no such concept.
 */
scbm_status scbm_subnetworks_get_concept(const struct scbm_subnetworks *subnetworks,
                                         size_t concept_index,
                                         struct scbm_subnetwork *subnetwork);

/**
 * One masked matrix, in the order of the backbone.
 *
 * `index`: 0 to `layer_count` − 1. `layer`: receives it; its pointers live as long as the subnetworks.
 * Threads: any. Errors: `ARGUMENT`, also where there is no such matrix.
 */
scbm_status scbm_subnetworks_get_layer(const struct scbm_subnetworks *subnetworks,
                                       size_t index,
                                       struct scbm_layer *layer);

/**
 * Reads a patch file.
 *
 * `path`: UTF-8, ends in a zero byte. `patch`: receives the patch, the caller's to free. Threads: any.
 * Errors: `IO`, `FORMAT`, `VERSION`, `ARGUMENT`.
 */
scbm_status scbm_patch_load(const char *path,
                            struct scbm_patch **patch);

/**
 * Reads a patch from JSON, as `scbm_patch_get_json` gives it.
 *
 * `json`: `length` bytes of UTF-8. Else as `scbm_patch_load`.
 */
scbm_status scbm_patch_from_json(const char *json, size_t length, struct scbm_patch **patch);

/**
 * Frees a patch; NULL is fine. Models that have it keep what they need. Threads: any, when no other is in a
 * call that was given the patch.
 */
void scbm_patch_free(struct scbm_patch *patch);

/**
 * What a patch is.
 *
 * `info`: receives it; its strings live as long as the patch. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_patch_get_info(const struct scbm_patch *patch, struct scbm_patch_info *info);

/**
 * A patch as JSON: the content of a patch file.
 *
 * `json`: receives a string that lives as long as the patch. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_patch_get_json(const struct scbm_patch *patch, const char **json);

/**
 * The original of a model with these patches, applied in this order, and no others: those that `model` has
 * count for nothing. Without patches it is the original, whose answers are the same bit for bit: so a patch
 * is undone.
 *
 * `patches`: `count` patches, not needed after the call. `changed`: receives another model, the caller's to
 * free; `model` stays as it is. Threads: any. Errors: `INPUT` where a patch does not fit the model, and where
 * the model's file holds its masks folded into the weights, `ENGINE`, `UNAVAILABLE`, `ARGUMENT`.
 */
scbm_status scbm_model_with_patches(const struct scbm_model *model,
                                    const struct scbm_patch *const *patches,
                                    size_t count,
                                    struct scbm_model **changed);

/**
 * How many patches a model has.
 *
 * `count`: receives the number. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_model_get_patch_count(const struct scbm_model *model, size_t *count);

/**
 * One of a model's patches, in the order in which they are applied.
 *
 * `index`: 0 to the number of patches − 1. `patch`: receives a patch, the caller's to free. Threads: any.
 * Errors: `ARGUMENT`, also where there is no such patch.
 */
scbm_status scbm_model_get_patch(const struct scbm_model *model,
                                 size_t index,
                                 struct scbm_patch **patch);

/**
 * Loads the file of gradients that `sparsecbm export --with-gradients` wrote beside a model.
 *
 * `path`: UTF-8, ends in a zero byte. `model`: the model that it belongs to, with or without patches.
 * `options`: NULL for the defaults; the gradients need not run where the model does. `SCBM_ENGINE_SPARSE`
 * runs no graphs and means the same as `SCBM_ENGINE_AUTO` here. `gradients`: receives them, the caller's to
 * free. Threads: any.
 *
 * Errors: `IO`, `FORMAT`, `VERSION` and `MODEL` where the file cannot be used, `INPUT` where it belongs to
 * another model, `UNAVAILABLE` where the engine is not there, `ARGUMENT`.
 */
scbm_status scbm_gradients_load(const char *path,
                                const struct scbm_model *model,
                                const struct scbm_load_options *options,
                                struct scbm_gradients **gradients);

/**
 * Loads a file of gradients from memory.
 *
 * `bytes`: `length` bytes, the content of the file; not needed after the call. Else as
 * `scbm_gradients_load`.
 */
scbm_status scbm_gradients_from_memory(const void *bytes,
                                       size_t length,
                                       const struct scbm_model *model,
                                       const struct scbm_load_options *options,
                                       struct scbm_gradients **gradients);

/**
 * Frees gradients; NULL is fine. Threads: any, when no other is in a call that was given them.
 */
void scbm_gradients_free(struct scbm_gradients *gradients);

/**
 * What computes the gradients, for people: the engine and what it runs on.
 *
 * `device`: receives a string that lives as long as the gradients. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_gradients_get_device(const struct scbm_gradients *gradients,
                                      const char **device);

/**
 * Searches the smallest edit of a concept's mask that gives every example the class it is to have and
 * leaves every guard its own. `scbm_edit_get_patch` gives what can be kept and applied.
 *
 * `examples`: `example_count` predictions, one or more, of one model (with its patches, which the edit comes
 * on top of); `class_indices`: as many classes of the concept. `guards`: `guard_count` predictions of the same
 * model. `concept_index`: 0 to K − 1. `options`: NULL for the defaults. `edit`: receives the edit, the
 * caller's to free. Threads: the predictions'.
 *
 * Errors: `INPUT` where a prediction is of another model than the others or the gradients, where the model's
 * masks are folded into its weights or an option is out of range, `ENGINE`, `ARGUMENT`.
 */
scbm_status scbm_search_edit(const struct scbm_gradients *gradients,
                             size_t concept_index,
                             const struct scbm_prediction *const *examples,
                             const size_t *class_indices,
                             size_t example_count,
                             const struct scbm_prediction *const *guards,
                             size_t guard_count,
                             const struct scbm_edit_options *options,
                             struct scbm_edit **edit);

/**
 * Frees an edit; NULL is fine. Patches that it gave stay. Threads: any, when no other is in a call that was
 * given the edit.
 */
void scbm_edit_free(struct scbm_edit *edit);

/**
 * What an edit is.
 *
 * `info`: receives it. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_edit_get_info(const struct scbm_edit *edit, struct scbm_edit_info *info);

/**
 * Everything as JSON, the patch too.
 *
 * `json`: receives a string that lives as long as the edit. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_edit_get_json(const struct scbm_edit *edit, const char **json);

/**
 * The change itself, for `scbm_model_with_patches`.
 *
 * `patch`: receives a patch, the caller's to free. Threads: any. Errors: `ARGUMENT`.
 */
scbm_status scbm_edit_get_patch(const struct scbm_edit *edit, struct scbm_patch **patch);

/**
 * One of the matrices in which bits are flipped, in the order of the backbone.
 *
 * `index`: 0 to `layer_count` − 1. `layer`: receives it; its string lives as long as the edit. Threads: any.
 * Errors: `ARGUMENT`, also where there is no such matrix.
 */
scbm_status scbm_edit_get_layer(const struct scbm_edit *edit,
                                size_t index,
                                struct scbm_edit_layer *layer);

/**
 * What an edit does to one of the examples that it was made for.
 *
 * `index`: 0 to the number of examples − 1. `change`: receives it; its pointers live as long as the edit.
 * Threads: any. Errors: `ARGUMENT`, also where there is no such example.
 */
scbm_status scbm_edit_get_change(const struct scbm_edit *edit,
                                 size_t index,
                                 struct scbm_edit_change *change);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SPARSECBM_H */
