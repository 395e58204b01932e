/* Every error of every function: the status and message, nothing written, and two good calls after it.
 * errors TINY.onnx */
#include "check.h"

#include <math.h>
#include <stdint.h>

static scbm_model *model;
static scbm_prediction *prediction;
static scbm_explanation *explanation;

/* What no function writes on failure. */
#define UNTOUCHED ((void *)(uintptr_t)0x5eed)

static void two_good_calls(void)
{
    for (int i = 0; i < 2; i++) {
        scbm_prediction *fine = predict(model, "good plot");
        scbm_label label;
        SUCCEEDS(scbm_prediction_get_label(fine, &label));
        scbm_prediction_free(fine);
    }
}

/* A failing call that would hand out an object in `out`. */
#define REFUSED(expected, beginning, out, call)        \
    do {                                               \
        out = UNTOUCHED;                               \
        FAILS(expected, beginning, call);              \
        CHECK((void *)out == UNTOUCHED);               \
        two_good_calls();                              \
    } while (0)

/* A failing call that would fill the struct or value `out`. */
#define UNFILLED(expected, beginning, out, call)                                   \
    do {                                                                           \
        unsigned char before_[sizeof out];                                         \
        memset(&out, 0xa5, sizeof out);                                            \
        memset(before_, 0xa5, sizeof out);                                         \
        FAILS(expected, beginning, call);                                          \
        CHECK(memcmp(&out, before_, sizeof out) == 0);                             \
        two_good_calls();                                                          \
    } while (0)

static void misaligned(void)
{
    static union {
        char bytes[64];
        scbm_label label;
    } space;
    FAILS(SCBM_ERROR_ARGUMENT, "label: found address ",
          scbm_prediction_get_label(prediction, (scbm_label *)(void *)(space.bytes + 1)));
    scbm_prediction *none;
    REFUSED(SCBM_ERROR_ARGUMENT, "ids: found address ", none,
            scbm_predict_tokens(model, (const uint32_t *)(void *)(space.bytes + 1), 2, &none));
}

/* Replaces the first `old` after `mark` with `new_text` of the same length. */
static void patch(char *bytes, size_t length, const char *mark, const char *old, const char *new_text)
{
    size_t at = 0, size = strlen(mark);
    while (at + size < length && memcmp(bytes + at, mark, size) != 0) at++;
    for (size = strlen(old); at + size < length; at++) {
        if (memcmp(bytes + at, old, size) == 0) {
            memcpy(bytes + at, new_text, size);
            return;
        }
    }
    CHECK(!"the file holds what is to be patched");
}

static void loading(const char *path)
{
    scbm_model *none;
    REFUSED(SCBM_ERROR_ARGUMENT, "path: found NULL, expected a pointer", none, scbm_model_load(NULL, NULL, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "path: found byte 0xff at 1, expected UTF-8", none,
            scbm_model_load("a\xff", NULL, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "model: found NULL", scbm_model_load(path, NULL, NULL));
    REFUSED(SCBM_ERROR_IO, "/no/such/file: found No such file", none,
            scbm_model_load("/no/such/file", NULL, &none));
    REFUSED(SCBM_ERROR_IO, "/: found ", none, scbm_model_load("/", NULL, &none));

    REFUSED(SCBM_ERROR_ARGUMENT, "bytes: found NULL", none, scbm_model_from_memory(NULL, 1, NULL, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "bytes: found 18446744073709551615 elements", none,
            scbm_model_from_memory(path, SIZE_MAX, NULL, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "model: found NULL", scbm_model_from_memory(path, 1, NULL, NULL));
    REFUSED(SCBM_ERROR_FORMAT, "", none, scbm_model_from_memory(NULL, 0, NULL, &none));
    REFUSED(SCBM_ERROR_FORMAT, "", none, scbm_model_from_memory("not a model", 11, NULL, &none));

    size_t length;
    char *bytes = content(path, &length);
    REFUSED(SCBM_ERROR_FORMAT, "", none, scbm_model_from_memory(bytes, length - 1, NULL, &none));
    REFUSED(SCBM_ERROR_FORMAT, "", none, scbm_model_from_memory(bytes, length / 2, NULL, &none));
    patch(bytes, length, "sparsecbm.version", "1.0", "9.0");
    REFUSED(SCBM_ERROR_VERSION, "sparsecbm.version: found", none,
            scbm_model_from_memory(bytes, length, NULL, &none));
    patch(bytes, length, "sparsecbm.version", "9.0", "1.0");
    patch(bytes, length, "sparsecbm.schema", "\"awful\"", "\"great\"");
    REFUSED(SCBM_ERROR_MODEL, "sparsecbm.schema: 'verdict': classes: found 'great' twice", none,
            scbm_model_from_memory(bytes, length, NULL, &none));
    free(bytes);
}

static void options(const char *path)
{
    scbm_model *none;
    struct {
        scbm_load_options known;
        uint32_t newer[2];
    } longer;
    memset(&longer, 0, sizeof longer);
    scbm_load_options *given = &longer.known;

    REFUSED(SCBM_ERROR_ARGUMENT, "options: struct_size: found 0, expected sizeof(scbm_load_options)", none,
            scbm_model_load(path, given, &none));
    given->struct_size = 7;
    REFUSED(SCBM_ERROR_ARGUMENT, "options: struct_size: found 7", none, scbm_model_load(path, given, &none));
    given->struct_size = UINT32_MAX;
    REFUSED(SCBM_ERROR_ARGUMENT, "options: struct_size: found 4294967295", none,
            scbm_model_load(path, given, &none));

    given->struct_size = sizeof *given;
    const scbm_engine engines[] = {5, -1, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
        given->engine = engines[i];
        REFUSED(SCBM_ERROR_ARGUMENT, "options: engine: found number ", none,
                scbm_model_load(path, given, &none));
    }
    const scbm_engine absent[] = {SCBM_ENGINE_ORT_CPU, SCBM_ENGINE_ORT_CUDA};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        given->engine = absent[i];
        given->ort_library = "/no/such/library.so";
        REFUSED(SCBM_ERROR_UNAVAILABLE, "", none, scbm_model_load(path, given, &none));
    }
    given->ort_library = "\xff";
    REFUSED(SCBM_ERROR_ARGUMENT, "options: ort_library: found byte 0xff", none,
            scbm_model_load(path, given, &none));
    given->ort_library = NULL;
    given->cuda_tf32 = 2;
    REFUSED(SCBM_ERROR_ARGUMENT, "options: cuda_tf32: found 2, expected 0 or 1", none,
            scbm_model_load(path, given, &none));
    given->cuda_tf32 = 0;
    given->engine = SCBM_ENGINE_TRACT;

    /* A newer program: fine as long as it asks for nothing that this library does not know. */
    scbm_model *loaded;
    given->struct_size = sizeof longer;
    SUCCEEDS(scbm_model_load(path, given, &loaded));
    scbm_model_free(loaded);
    longer.newer[1] = 1;
    REFUSED(SCBM_ERROR_ARGUMENT, "options: found ", none, scbm_model_load(path, given, &none));
    /* An older one: what it did not have is as if it were zero. */
    given->struct_size = 8;
    SUCCEEDS(scbm_model_load(path, given, &loaded));
    scbm_model_free(loaded);
}

static void models(void)
{
    scbm_model_info info;
    scbm_variable variable;
    size_t index;
    UNFILLED(SCBM_ERROR_ARGUMENT, "model: found NULL", info, scbm_model_get_info(NULL, &info));
    FAILS(SCBM_ERROR_ARGUMENT, "info: found NULL", scbm_model_get_info(model, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "model: found NULL", variable, scbm_model_get_concept(NULL, 0, &variable));
    FAILS(SCBM_ERROR_ARGUMENT, "variable: found NULL", scbm_model_get_concept(model, 0, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "index: found 3, expected 0 to 2", variable,
             scbm_model_get_concept(model, 3, &variable));
    UNFILLED(SCBM_ERROR_ARGUMENT, "index: found ", variable,
             scbm_model_get_concept(model, SIZE_MAX, &variable));
    UNFILLED(SCBM_ERROR_ARGUMENT, "model: found NULL", variable, scbm_model_get_label(NULL, &variable));
    FAILS(SCBM_ERROR_ARGUMENT, "variable: found NULL", scbm_model_get_label(model, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "model: found NULL", index, scbm_model_find_concept(NULL, "plot", &index));
    UNFILLED(SCBM_ERROR_ARGUMENT, "name: found NULL", index, scbm_model_find_concept(model, NULL, &index));
    UNFILLED(SCBM_ERROR_ARGUMENT, "name: found byte 0x80 at 0", index,
             scbm_model_find_concept(model, "\x80", &index));
    FAILS(SCBM_ERROR_ARGUMENT, "index: found NULL", scbm_model_find_concept(model, "plot", NULL));
    UNFILLED(SCBM_ERROR_INPUT, "concept: found 'taste', expected one of 'acting', ", index,
             scbm_model_find_concept(model, "taste", &index));
    const char *json;
    UNFILLED(SCBM_ERROR_ARGUMENT, "model: found NULL", json, scbm_model_get_schema_json(NULL, &json));
    FAILS(SCBM_ERROR_ARGUMENT, "json: found NULL", scbm_model_get_schema_json(model, NULL));
}

static void tokenizing(void)
{
    scbm_tokens *none, *tokens;
    scbm_tokens_info info;
    scbm_token token;
    REFUSED(SCBM_ERROR_ARGUMENT, "model: found NULL", none, scbm_tokenize(NULL, "a", 1, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "text: found NULL", none, scbm_tokenize(model, NULL, 1, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "text: found byte 0xc3 at 2, expected UTF-8", none,
            scbm_tokenize(model, "ab\xc3", 3, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "tokens: found NULL", scbm_tokenize(model, "a", 1, NULL));

    SUCCEEDS(scbm_tokenize(model, "good plot", 9, &tokens));
    UNFILLED(SCBM_ERROR_ARGUMENT, "tokens: found NULL", info, scbm_tokens_get_info(NULL, &info));
    FAILS(SCBM_ERROR_ARGUMENT, "info: found NULL", scbm_tokens_get_info(tokens, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "tokens: found NULL", token, scbm_tokens_get_token(NULL, 0, &token));
    FAILS(SCBM_ERROR_ARGUMENT, "token: found NULL", scbm_tokens_get_token(tokens, 0, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "index: found 4, expected 0 to 3", token,
             scbm_tokens_get_token(tokens, 4, &token));
    scbm_tokens_free(tokens);
}

static void predicting(void)
{
    scbm_prediction *none;
    REFUSED(SCBM_ERROR_ARGUMENT, "model: found NULL", none, scbm_predict(NULL, "a", 1, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "text: found NULL", none, scbm_predict(model, NULL, 1, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "text: found 18446744073709551615 elements", none,
            scbm_predict(model, "a", SIZE_MAX, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "text: found byte 0xc3 at 2, expected UTF-8", none,
            scbm_predict(model, "ab\xc3", 3, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "prediction: found NULL", scbm_predict(model, "a", 1, NULL));

    const char *texts[] = {"good", "b\xff"}, *null_text[] = {"good", NULL};
    const size_t lengths[] = {4, 2};
    scbm_prediction *several[2] = {UNTOUCHED, UNTOUCHED};
    FAILS(SCBM_ERROR_ARGUMENT, "texts[1]: found byte 0xff at 1",
          scbm_predict_batch(model, texts, lengths, 2, several));
    FAILS(SCBM_ERROR_ARGUMENT, "texts[1]: found NULL",
          scbm_predict_batch(model, null_text, lengths, 2, several));
    FAILS(SCBM_ERROR_ARGUMENT, "model: found NULL", scbm_predict_batch(NULL, texts, lengths, 2, several));
    FAILS(SCBM_ERROR_ARGUMENT, "texts: found NULL", scbm_predict_batch(model, NULL, lengths, 2, several));
    FAILS(SCBM_ERROR_ARGUMENT, "lengths: found NULL", scbm_predict_batch(model, texts, NULL, 2, several));
    FAILS(SCBM_ERROR_ARGUMENT, "texts: found ",
          scbm_predict_batch(model, texts, lengths, SIZE_MAX, several));
    FAILS(SCBM_ERROR_ARGUMENT, "predictions: found NULL",
          scbm_predict_batch(model, texts, lengths, 2, NULL));
    CHECK((void *)several[0] == UNTOUCHED && (void *)several[1] == UNTOUCHED);
    two_good_calls();

    const uint32_t ids[25] = {2, 91, 3}, unknown[] = {2, 4000000000u};
    REFUSED(SCBM_ERROR_ARGUMENT, "model: found NULL", none, scbm_predict_tokens(NULL, ids, 3, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "ids: found NULL", none, scbm_predict_tokens(model, NULL, 3, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "prediction: found NULL", scbm_predict_tokens(model, ids, 3, NULL));
    REFUSED(SCBM_ERROR_INPUT, "token ids: found 0 ids, expected 1 to 24", none,
            scbm_predict_tokens(model, NULL, 0, &none));
    REFUSED(SCBM_ERROR_INPUT, "token ids: found 25 ids, expected 1 to 24", none,
            scbm_predict_tokens(model, ids, 25, &none));
    REFUSED(SCBM_ERROR_INPUT, "token ids: position 1: found id 4000000000", none,
            scbm_predict_tokens(model, unknown, 2, &none));

    const uint32_t *sequences[] = {ids, NULL};
    const size_t counts[] = {3, 1};
    several[0] = several[1] = UNTOUCHED;
    FAILS(SCBM_ERROR_ARGUMENT, "model: found NULL",
          scbm_predict_tokens_batch(NULL, sequences, counts, 2, several));
    FAILS(SCBM_ERROR_ARGUMENT, "ids: found NULL", scbm_predict_tokens_batch(model, NULL, counts, 2, several));
    FAILS(SCBM_ERROR_ARGUMENT, "lengths: found NULL",
          scbm_predict_tokens_batch(model, sequences, NULL, 2, several));
    FAILS(SCBM_ERROR_ARGUMENT, "ids[1]: found NULL",
          scbm_predict_tokens_batch(model, sequences, counts, 2, several));
    FAILS(SCBM_ERROR_ARGUMENT, "predictions: found NULL",
          scbm_predict_tokens_batch(model, sequences, counts, 1, NULL));
    sequences[1] = unknown + 1;
    FAILS(SCBM_ERROR_INPUT, "token ids: position 0: found id 4000000000",
          scbm_predict_tokens_batch(model, sequences, counts, 2, several));
    CHECK((void *)several[0] == UNTOUCHED && (void *)several[1] == UNTOUCHED);
    two_good_calls();
}

static void reading_predictions(void)
{
    scbm_prediction_info info;
    scbm_label label;
    scbm_concept part;
    scbm_token token;
    const float *values;
    UNFILLED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", info, scbm_prediction_get_info(NULL, &info));
    FAILS(SCBM_ERROR_ARGUMENT, "info: found NULL", scbm_prediction_get_info(prediction, NULL));
    const char *json;
    UNFILLED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", json, scbm_prediction_get_json(NULL, &json));
    FAILS(SCBM_ERROR_ARGUMENT, "json: found NULL", scbm_prediction_get_json(prediction, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", label, scbm_prediction_get_label(NULL, &label));
    FAILS(SCBM_ERROR_ARGUMENT, "label: found NULL", scbm_prediction_get_label(prediction, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", part,
             scbm_prediction_get_concept(NULL, 0, &part));
    FAILS(SCBM_ERROR_ARGUMENT, "concept_out: found NULL", scbm_prediction_get_concept(prediction, 0, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "index: found 3, expected 0 to 2", part,
             scbm_prediction_get_concept(prediction, 3, &part));
    UNFILLED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", token,
             scbm_prediction_get_token(NULL, 0, &token));
    FAILS(SCBM_ERROR_ARGUMENT, "token: found NULL", scbm_prediction_get_token(prediction, 0, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "index: found 99, expected 0 to ", token,
             scbm_prediction_get_token(prediction, 99, &token));
    UNFILLED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", values,
             scbm_prediction_get_evidence(NULL, 0, 0, &values));
    FAILS(SCBM_ERROR_ARGUMENT, "values: found NULL", scbm_prediction_get_evidence(prediction, 0, 0, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "concept_index: found 3, expected 0 to 2", values,
             scbm_prediction_get_evidence(prediction, 3, 0, &values));
    UNFILLED(SCBM_ERROR_ARGUMENT, "class_index: found 2, expected 0 to 1", values,
             scbm_prediction_get_evidence(prediction, 0, 2, &values));
}

static void intervening(void)
{
    const float sum[] = {0.5f, 0.6f}, three[] = {1, 0, 0}, nan[] = {NAN, 1}, infinite[] = {0, INFINITY};
    scbm_prediction *none;
    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none,
            scbm_intervene_class(NULL, "plot", "present", &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "concept_name: found NULL", none,
            scbm_intervene_class(prediction, NULL, "present", &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "class_name: found NULL", none,
            scbm_intervene_class(prediction, "plot", NULL, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "class_name: found byte 0xff at 0", none,
            scbm_intervene_class(prediction, "plot", "\xff", &none));
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL",
          scbm_intervene_class(prediction, "plot", "present", NULL));
    REFUSED(SCBM_ERROR_INPUT, "concept: found 'taste', expected one of 'acting', ", none,
            scbm_intervene_class(prediction, "taste", "present", &none));
    REFUSED(SCBM_ERROR_INPUT, "class of 'plot': found 'loud', expected one of 'absent', ", none,
            scbm_intervene_class(prediction, "plot", "loud", &none));

    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none,
            scbm_intervene_class_index(NULL, "plot", 0, &none));
    REFUSED(SCBM_ERROR_INPUT, "class index for concept 'plot': found 2, expected 0 to 1", none,
            scbm_intervene_class_index(prediction, "plot", 2, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "concept_name: found NULL", none,
            scbm_intervene_class_index(prediction, NULL, 0, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL",
          scbm_intervene_class_index(prediction, "plot", 0, NULL));

    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none,
            scbm_intervene_probabilities(NULL, "plot", sum, 2, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "probabilities: found NULL", none,
            scbm_intervene_probabilities(prediction, "plot", NULL, 2, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "probabilities: found ", none,
            scbm_intervene_probabilities(prediction, "plot", sum, SIZE_MAX, &none));
    REFUSED(SCBM_ERROR_INPUT, "values for concept 'plot': found 3 values, expected 2", none,
            scbm_intervene_probabilities(prediction, "plot", three, 3, &none));
    REFUSED(SCBM_ERROR_INPUT, "probabilities for concept 'plot': found [0.5, 0.6]", none,
            scbm_intervene_probabilities(prediction, "plot", sum, 2, &none));
    REFUSED(SCBM_ERROR_INPUT, "probabilities for concept 'plot': found [NaN, 1.0]", none,
            scbm_intervene_probabilities(prediction, "plot", nan, 2, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL",
          scbm_intervene_probabilities(prediction, "plot", three, 2, NULL));

    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none,
            scbm_intervene_logits(NULL, "plot", sum, 2, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "logits: found NULL", none,
            scbm_intervene_logits(prediction, "plot", NULL, 2, &none));
    REFUSED(SCBM_ERROR_INPUT, "logits for concept 'plot': found [0.0, inf], expected finite", none,
            scbm_intervene_logits(prediction, "plot", infinite, 2, &none));
    REFUSED(SCBM_ERROR_INPUT, "values for concept 'plot': found 0 values", none,
            scbm_intervene_logits(prediction, "plot", NULL, 0, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL",
          scbm_intervene_logits(prediction, "plot", sum, 2, NULL));

    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none, scbm_undo(NULL, "plot", &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "concept_name: found NULL", none, scbm_undo(prediction, NULL, &none));
    REFUSED(SCBM_ERROR_INPUT, "concept: found 'taste'", none, scbm_undo(prediction, "taste", &none));
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL", scbm_undo(prediction, "plot", NULL));
    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none, scbm_undo_all(NULL, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL", scbm_undo_all(prediction, NULL));
}

static void correcting(void)
{
    const float sum[] = {0.5f, 0.6f}, three[] = {1, 0, 0}, infinite[] = {0, INFINITY};
    scbm_prediction *none;
    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none,
            scbm_correct_class(NULL, "plot", "present", &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "concept_name: found NULL", none,
            scbm_correct_class(prediction, NULL, "present", &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "class_name: found NULL", none,
            scbm_correct_class(prediction, "plot", NULL, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL",
          scbm_correct_class(prediction, "plot", "present", NULL));
    REFUSED(SCBM_ERROR_INPUT, "concept: found 'taste', expected one of 'acting', ", none,
            scbm_correct_class(prediction, "taste", "present", &none));
    REFUSED(SCBM_ERROR_INPUT, "class of 'plot': found 'loud', expected one of 'absent', ", none,
            scbm_correct_class(prediction, "plot", "loud", &none));

    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none,
            scbm_correct_class_index(NULL, "plot", 0, &none));
    REFUSED(SCBM_ERROR_INPUT, "class index for concept 'plot': found 2, expected 0 to 1", none,
            scbm_correct_class_index(prediction, "plot", 2, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL",
          scbm_correct_class_index(prediction, "plot", 0, NULL));

    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none,
            scbm_correct_probabilities(NULL, "plot", sum, 2, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "probabilities: found NULL", none,
            scbm_correct_probabilities(prediction, "plot", NULL, 2, &none));
    REFUSED(SCBM_ERROR_INPUT, "values for concept 'plot': found 3 values, expected 2", none,
            scbm_correct_probabilities(prediction, "plot", three, 3, &none));
    REFUSED(SCBM_ERROR_INPUT, "probabilities for concept 'plot': found [0.5, 0.6]", none,
            scbm_correct_probabilities(prediction, "plot", sum, 2, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL",
          scbm_correct_probabilities(prediction, "plot", three, 2, NULL));

    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none,
            scbm_correct_logits(NULL, "plot", sum, 2, &none));
    REFUSED(SCBM_ERROR_ARGUMENT, "logits: found NULL", none,
            scbm_correct_logits(prediction, "plot", NULL, 2, &none));
    REFUSED(SCBM_ERROR_INPUT, "logits for concept 'plot': found [0.0, inf], expected finite", none,
            scbm_correct_logits(prediction, "plot", infinite, 2, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL",
          scbm_correct_logits(prediction, "plot", sum, 2, NULL));

    scbm_question question;
    size_t count;
    UNFILLED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", question,
             scbm_prediction_get_question(NULL, 0, &question));
    FAILS(SCBM_ERROR_ARGUMENT, "question: found NULL", scbm_prediction_get_question(prediction, 0, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "concept_index: found 3, expected 0 to 2", question,
             scbm_prediction_get_question(prediction, 3, &question));
    UNFILLED(SCBM_ERROR_ARGUMENT, "model: found NULL", count, scbm_model_get_answer_count(NULL, &count));
    FAILS(SCBM_ERROR_ARGUMENT, "count: found NULL", scbm_model_get_answer_count(model, NULL));
}

static void explaining(void)
{
    scbm_explanation *none;
    REFUSED(SCBM_ERROR_ARGUMENT, "prediction: found NULL", none, scbm_explain(NULL, NULL, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "explanation: found NULL", scbm_explain(prediction, NULL, NULL));

    scbm_explain_options given;
    memset(&given, 0, sizeof given);
    REFUSED(SCBM_ERROR_ARGUMENT, "options: struct_size: found 0, expected sizeof(scbm_explain_options)", none,
            scbm_explain(prediction, &given, &none));
    given.struct_size = sizeof given;
    given.policy = 4;
    REFUSED(SCBM_ERROR_ARGUMENT, "options: policy: found number 4", none,
            scbm_explain(prediction, &given, &none));
    given.policy = SCBM_POLICY_COMBINED;
    const float costs[] = {1, 0, NAN};
    given.costs = costs;
    REFUSED(SCBM_ERROR_ARGUMENT, "options: cost_count: found 0, expected 3, one per concept", none,
            scbm_explain(prediction, &given, &none));
    given.cost_count = 3;
    REFUSED(SCBM_ERROR_INPUT, "cost of concept 'plot': found 0, expected a number above 0", none,
            scbm_explain(prediction, &given, &none));
    given.costs = NULL;
    REFUSED(SCBM_ERROR_ARGUMENT, "options: costs: found NULL", none,
            scbm_explain(prediction, &given, &none));

    scbm_explanation_info info;
    const char *json;
    const float *values;
    scbm_contribution contribution;
    scbm_outcome outcome;
    scbm_change change;
    scbm_suggestion suggestion;
    scbm_word word;
    scbm_word_evidence evidence;
    const char *null = "explanation: found NULL";
    UNFILLED(SCBM_ERROR_ARGUMENT, null, info, scbm_explanation_get_info(NULL, &info));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, json, scbm_explanation_get_json(NULL, &json));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, values, scbm_explanation_get_baseline(NULL, &values));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, values, scbm_explanation_get_rest(NULL, &values));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, contribution, scbm_explanation_get_contribution(NULL, 0, &contribution));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, outcome, scbm_explanation_get_what_if(NULL, 0, 0, &outcome));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, change, scbm_explanation_get_change(NULL, 0, &change));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, outcome, scbm_explanation_get_changed_label(NULL, &outcome));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, suggestion, scbm_explanation_get_suggestion(NULL, 0, &suggestion));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, word, scbm_explanation_get_word(NULL, 0, &word));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, evidence, scbm_explanation_get_word_evidence(NULL, 0, 0, &evidence));

    FAILS(SCBM_ERROR_ARGUMENT, "info: found NULL", scbm_explanation_get_info(explanation, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "json: found NULL", scbm_explanation_get_json(explanation, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "label_logits: found NULL", scbm_explanation_get_baseline(explanation, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "label_logits: found NULL", scbm_explanation_get_rest(explanation, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "contribution: found NULL", scbm_explanation_get_contribution(explanation, 0, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "outcome: found NULL", scbm_explanation_get_what_if(explanation, 0, 0, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "change: found NULL", scbm_explanation_get_change(explanation, 0, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "outcome: found NULL", scbm_explanation_get_changed_label(explanation, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "suggestion: found NULL", scbm_explanation_get_suggestion(explanation, 0, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "word: found NULL", scbm_explanation_get_word(explanation, 0, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "evidence: found NULL", scbm_explanation_get_word_evidence(explanation, 0, 0, NULL));

    UNFILLED(SCBM_ERROR_ARGUMENT, "concept_index: found 3", contribution,
             scbm_explanation_get_contribution(explanation, 3, &contribution));
    UNFILLED(SCBM_ERROR_ARGUMENT, "concept_index: found 3", outcome,
             scbm_explanation_get_what_if(explanation, 3, 0, &outcome));
    UNFILLED(SCBM_ERROR_ARGUMENT, "class_index: found 2", outcome,
             scbm_explanation_get_what_if(explanation, 0, 2, &outcome));
    UNFILLED(SCBM_ERROR_ARGUMENT, "index: found 99", change,
             scbm_explanation_get_change(explanation, 99, &change));
    UNFILLED(SCBM_ERROR_ARGUMENT, "index: found 99", suggestion,
             scbm_explanation_get_suggestion(explanation, 99, &suggestion));
    UNFILLED(SCBM_ERROR_ARGUMENT, "index: found 99", word, scbm_explanation_get_word(explanation, 99, &word));
    UNFILLED(SCBM_ERROR_ARGUMENT, "concept_index: found 3", evidence,
             scbm_explanation_get_word_evidence(explanation, 3, 0, &evidence));
    UNFILLED(SCBM_ERROR_ARGUMENT, "class_index: found 2", evidence,
             scbm_explanation_get_word_evidence(explanation, 0, 2, &evidence));
}

/* What was not asked for is not there; where it was, indices are checked. */
static void occluding(void)
{
    scbm_occlusion occlusion;
    scbm_faithfulness faithfulness;
    const float *losses;
    const char *null = "explanation: found NULL", *none = "occlusion: found none, expected";
    UNFILLED(SCBM_ERROR_ARGUMENT, null, occlusion, scbm_explanation_get_occlusion(NULL, &occlusion));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, losses, scbm_explanation_get_concept_loss(NULL, 0, 0, &losses));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, losses, scbm_explanation_get_label_loss(NULL, 0, &losses));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, faithfulness, scbm_explanation_get_faithfulness(NULL, 0, &faithfulness));
    UNFILLED(SCBM_ERROR_INPUT, none, occlusion, scbm_explanation_get_occlusion(explanation, &occlusion));
    UNFILLED(SCBM_ERROR_INPUT, none, losses, scbm_explanation_get_concept_loss(explanation, 0, 0, &losses));
    UNFILLED(SCBM_ERROR_INPUT, none, losses, scbm_explanation_get_label_loss(explanation, 0, &losses));
    UNFILLED(SCBM_ERROR_ARGUMENT, "index: found 0, expected nothing", faithfulness,
             scbm_explanation_get_faithfulness(explanation, 0, &faithfulness));

    scbm_explain_options given;
    memset(&given, 0, sizeof given);
    given.struct_size = sizeof given;
    given.occlusion_words = 1;
    scbm_explanation *asked;
    SUCCEEDS(scbm_explain(prediction, &given, &asked));
    FAILS(SCBM_ERROR_ARGUMENT, "occlusion: found NULL", scbm_explanation_get_occlusion(asked, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "losses: found NULL", scbm_explanation_get_concept_loss(asked, 0, 0, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "losses: found NULL", scbm_explanation_get_label_loss(asked, 0, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "faithfulness: found NULL", scbm_explanation_get_faithfulness(asked, 0, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "concept_index: found 3", losses,
             scbm_explanation_get_concept_loss(asked, 3, 0, &losses));
    UNFILLED(SCBM_ERROR_ARGUMENT, "class_index: found 2", losses,
             scbm_explanation_get_concept_loss(asked, 0, 2, &losses));
    UNFILLED(SCBM_ERROR_ARGUMENT, "class_index: found 4", losses,
             scbm_explanation_get_label_loss(asked, 4, &losses));
    scbm_explanation_free(asked);
}

static void subnetworks(const char *path)
{
    scbm_subnetworks *none, *loaded;
    REFUSED(SCBM_ERROR_ARGUMENT, "path: found NULL", none, scbm_subnetworks_load(NULL, &none));
    REFUSED(SCBM_ERROR_IO, "/no/such/file: found No such file", none,
            scbm_subnetworks_load("/no/such/file", &none));
    FAILS(SCBM_ERROR_ARGUMENT, "subnetworks: found NULL", scbm_subnetworks_load(path, NULL));
    REFUSED(SCBM_ERROR_ARGUMENT, "bytes: found NULL", none, scbm_subnetworks_from_memory(NULL, 1, &none));
    REFUSED(SCBM_ERROR_FORMAT, "", none, scbm_subnetworks_from_memory("not a model", 11, &none));
    FAILS(SCBM_ERROR_ARGUMENT, "subnetworks: found NULL", scbm_subnetworks_from_memory(path, 1, NULL));

    scbm_subnetworks_info info;
    scbm_subnetwork subnetwork;
    scbm_layer layer;
    const char *json, *null = "subnetworks: found NULL";
    UNFILLED(SCBM_ERROR_ARGUMENT, null, info, scbm_subnetworks_get_info(NULL, &info));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, json, scbm_subnetworks_get_json(NULL, &json));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, subnetwork, scbm_subnetworks_get_concept(NULL, 0, &subnetwork));
    UNFILLED(SCBM_ERROR_ARGUMENT, null, layer, scbm_subnetworks_get_layer(NULL, 0, &layer));
    SUCCEEDS(scbm_subnetworks_load(path, &loaded));
    FAILS(SCBM_ERROR_ARGUMENT, "info: found NULL", scbm_subnetworks_get_info(loaded, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "json: found NULL", scbm_subnetworks_get_json(loaded, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "subnetwork: found NULL", scbm_subnetworks_get_concept(loaded, 0, NULL));
    FAILS(SCBM_ERROR_ARGUMENT, "layer: found NULL", scbm_subnetworks_get_layer(loaded, 0, NULL));
    UNFILLED(SCBM_ERROR_ARGUMENT, "concept_index: found 3, expected 0 to 2", subnetwork,
             scbm_subnetworks_get_concept(loaded, 3, &subnetwork));
    UNFILLED(SCBM_ERROR_ARGUMENT, "index: found 999", layer, scbm_subnetworks_get_layer(loaded, 999, &layer));
    scbm_subnetworks_free(loaded);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    CHECK(scbm_last_error()[0] == '\0');
    model = load(argv[1]);
    prediction = predict(model, "The movie was very good");
    SUCCEEDS(scbm_explain(prediction, NULL, &explanation));
    loading(argv[1]);
    options(argv[1]);
    models();
    tokenizing();
    predicting();
    reading_predictions();
    intervening();
    correcting();
    explaining();
    occluding();
    subnetworks(argv[1]);
    misaligned();

    /* Freeing keeps the message, as a program that cleans up before it reports needs. */
    FAILS(SCBM_ERROR_ARGUMENT, "changed: found NULL", scbm_undo_all(prediction, NULL));
    scbm_explanation_free(explanation);
    scbm_prediction_free(prediction);
    scbm_model_free(model);
    CHECK(strncmp(scbm_last_error(), "changed: found NULL", 19) == 0);
    return 0;
}
