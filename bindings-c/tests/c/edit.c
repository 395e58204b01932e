/* Edits of masks: searched, kept as patches, applied, listed, undone; and integrated gradients.
 * edit TINY.onnx TINY.gradients.onnx */
#include "check.h"

#include <math.h>

static const char TEXT[] = "The movie was very good";

static scbm_gradients *gradients_of(const char *path, const scbm_model *model)
{
    scbm_load_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.engine = SCBM_ENGINE_TRACT;
    scbm_gradients *gradients = NULL;
    SUCCEEDS(scbm_gradients_load(path, model, &options, &gradients));
    return gradients;
}

/* The class of a concept that the model does not read. */
static size_t other_class(const scbm_prediction *prediction, size_t concept)
{
    scbm_concept found;
    SUCCEEDS(scbm_prediction_get_concept(prediction, concept, &found));
    return (found.class_index + 1) % found.class_count;
}

static scbm_edit_options ask(void)
{
    scbm_edit_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    return options;
}

/* An edit turns the concept on the model itself, and without its patch the model is as it was. */
static void turns(const scbm_model *model, const scbm_gradients *gradients)
{
    scbm_prediction *prediction = predict(model, TEXT);
    size_t wanted = other_class(prediction, 1);
    const scbm_prediction *examples[] = {prediction};
    scbm_edit *edit = NULL;
    SUCCEEDS(scbm_search_edit(gradients, 1, examples, &wanted, 1, NULL, 0, NULL, &edit));
    scbm_edit_info info;
    SUCCEEDS(scbm_edit_get_info(edit, &info));
    CHECK(info.end == SCBM_EDIT_TURNED && info.turned_count == 1 && info.broken_count == 0);
    CHECK(info.flip_count >= 2 && info.run_count > 0 && info.kept_count > info.flip_count / 2);
    size_t pruned = 0, grown = 0;
    for (size_t i = 0; i < info.layer_count; i++) {
        scbm_edit_layer layer;
        SUCCEEDS(scbm_edit_get_layer(edit, i, &layer));
        CHECK(strlen(layer.name) > 0);
        pruned += layer.pruned_count;
        grown += layer.grown_count;
    }
    CHECK(pruned == grown && pruned + grown == info.flip_count);
    scbm_edit_change change;
    SUCCEEDS(scbm_edit_get_change(edit, 0, &change));
    CHECK(change.logits_after[wanted] > change.logits_before[wanted]);
    const char *json;
    SUCCEEDS(scbm_edit_get_json(edit, &json));
    CHECK(strstr(json, "\"outcome\":\"turned\"") != NULL);

    scbm_patch *patch = NULL;
    SUCCEEDS(scbm_edit_get_patch(edit, &patch));
    scbm_edit_free(edit);
    scbm_patch_info about;
    SUCCEEDS(scbm_patch_get_info(patch, &about));
    CHECK(strcmp(about.concept_name, "plot") == 0 && about.note == NULL);
    CHECK(about.flip_count == info.flip_count && about.layer_count == info.layer_count);

    scbm_model *edited = NULL, *undone = NULL;
    const scbm_patch *patches[] = {patch};
    SUCCEEDS(scbm_model_with_patches(model, patches, 1, &edited));
    scbm_prediction *after = predict(edited, TEXT);
    scbm_concept concept, same;
    SUCCEEDS(scbm_prediction_get_concept(after, 1, &concept));
    CHECK(concept.class_index == wanted);
    SUCCEEDS(scbm_model_with_patches(edited, NULL, 0, &undone));
    scbm_prediction *again = predict(undone, TEXT);
    for (size_t k = 0; k < 3; k++) {
        SUCCEEDS(scbm_prediction_get_concept(prediction, k, &concept));
        SUCCEEDS(scbm_prediction_get_concept(again, k, &same));
        CHECK(memcmp(concept.logits, same.logits, concept.class_count * sizeof(float)) == 0);
    }

    size_t count;
    SUCCEEDS(scbm_model_get_patch_count(edited, &count));
    CHECK(count == 1);
    SUCCEEDS(scbm_model_get_patch_count(undone, &count));
    CHECK(count == 0);
    scbm_patch *listed = NULL, *read = NULL;
    SUCCEEDS(scbm_model_get_patch(edited, 0, &listed));
    FAILS(SCBM_ERROR_ARGUMENT, "index: ", scbm_model_get_patch(edited, 1, &listed));
    const char *one, *other;
    SUCCEEDS(scbm_patch_get_json(listed, &one));
    SUCCEEDS(scbm_patch_get_json(patch, &other));
    CHECK(strcmp(one, other) == 0);
    SUCCEEDS(scbm_patch_from_json(one, strlen(one), &read));
    const scbm_patch *twice[] = {patch, read};
    FAILS(SCBM_ERROR_INPUT, "patch 1: ", scbm_model_with_patches(model, twice, 2, &undone));
    twice[1] = NULL;
    FAILS(SCBM_ERROR_ARGUMENT, "patch: ", scbm_model_with_patches(model, twice, 2, &undone));
    FAILS(SCBM_ERROR_FORMAT, "patch: ", scbm_patch_from_json("{}", 2, &read));
    FAILS(SCBM_ERROR_IO, "no/such/patch.json: ", scbm_patch_load("no/such/patch.json", &read));

    scbm_patch_free(read);
    scbm_patch_free(listed);
    scbm_patch_free(patch);
    scbm_prediction_free(again);
    scbm_prediction_free(after);
    scbm_prediction_free(prediction);
    scbm_model_free(undone);
    scbm_model_free(edited);
}

static int32_t count_runs(const scbm_edit_progress *progress, void *context)
{
    size_t *runs = context;
    CHECK(progress->run_count > *runs);
    *runs = progress->run_count;
    return *runs >= 3;
}

static void is_ended(const scbm_model *model, const scbm_gradients *gradients)
{
    scbm_prediction *prediction = predict(model, TEXT), *guard = predict(model, "bad plot");
    const scbm_prediction *examples[] = {prediction}, *guards[] = {guard};
    size_t wanted = other_class(prediction, 0), runs = 0;
    scbm_edit_options options = ask();
    options.progress = count_runs;
    options.context = &runs;
    options.max_share = 0.5;
    options.guard_weight = 2;
    options.rounds = 3;
    options.time_limit_ms = 60000;
    scbm_edit *edit = NULL;
    SUCCEEDS(scbm_search_edit(gradients, 0, examples, &wanted, 1, guards, 1, &options, &edit));
    CHECK(runs >= 1);
    scbm_edit_info info;
    SUCCEEDS(scbm_edit_get_info(edit, &info));
    CHECK(info.end == SCBM_EDIT_TURNED || info.end == SCBM_EDIT_STOPPED);
    scbm_edit_free(edit);

    edit = NULL;
    options.max_share = 2;
    FAILS(SCBM_ERROR_INPUT, "max_share: ",
          scbm_search_edit(gradients, 0, examples, &wanted, 1, NULL, 0, &options, &edit));
    FAILS(SCBM_ERROR_ARGUMENT, "example_count: ",
          scbm_search_edit(gradients, 0, NULL, NULL, 0, NULL, 0, NULL, &edit));
    FAILS(SCBM_ERROR_ARGUMENT, "concept_index: ",
          scbm_search_edit(gradients, 3, examples, &wanted, 1, NULL, 0, NULL, &edit));
    wanted = 2;
    FAILS(SCBM_ERROR_ARGUMENT, "class_indices: ",
          scbm_search_edit(gradients, 0, examples, &wanted, 1, NULL, 0, NULL, &edit));
    CHECK(edit == NULL);
    scbm_prediction_free(guard);
    scbm_prediction_free(prediction);
}

/* Words, special tokens and baseline sum to the logit. */
static void integrates(const scbm_model *model, const scbm_gradients *gradients)
{
    scbm_prediction *prediction = predict(model, TEXT);
    scbm_explain_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    options.gradients = gradients;
    options.integrated_steps = 32;
    options.faithfulness_steps = 2;
    scbm_explanation *explanation = NULL, *plain = NULL;
    SUCCEEDS(scbm_explain(prediction, &options, &explanation));
    scbm_explanation_info info;
    SUCCEEDS(scbm_explanation_get_info(explanation, &info));
    CHECK(info.faithfulness_count == 6);
    scbm_faithfulness order;
    SUCCEEDS(scbm_explanation_get_faithfulness(explanation, 1, &order));
    CHECK(strcmp(order.method, "integrated") == 0);
    scbm_attribution attribution;
    for (size_t k = 0; k < 3; k++) {
        scbm_concept concept;
        SUCCEEDS(scbm_prediction_get_concept(prediction, k, &concept));
        for (size_t c = 0; c < concept.class_count; c++) {
            SUCCEEDS(scbm_explanation_get_attribution(explanation, k, c, &attribution));
            double sum = (double)attribution.special + attribution.baseline;
            for (size_t word = 0; word < info.word_count; word++) sum += attribution.words[word];
            CHECK(fabs(sum - concept.logits[c]) <= attribution.convergence_error + 1e-3);
        }
    }
    FAILS(SCBM_ERROR_ARGUMENT, "concept_index: ",
          scbm_explanation_get_attribution(explanation, 3, 0, &attribution));
    FAILS(SCBM_ERROR_ARGUMENT, "class_index: ",
          scbm_explanation_get_attribution(explanation, 0, 2, &attribution));
    SUCCEEDS(scbm_explain(prediction, NULL, &plain));
    FAILS(SCBM_ERROR_INPUT, "integrated gradients: ",
          scbm_explanation_get_attribution(plain, 0, 0, &attribution));
    scbm_explanation_free(plain);
    scbm_explanation_free(explanation);
    scbm_prediction_free(prediction);
}

/* NULL where a pointer must be, of every function. */
static void are_refused(const scbm_model *model, const scbm_gradients *gradients)
{
    scbm_status null = SCBM_ERROR_ARGUMENT;
    scbm_patch *patch = NULL;
    scbm_gradients *other = NULL;
    scbm_model *changed = NULL;
    scbm_edit *edit = NULL;
    size_t count;
    const char *text;
    FAILS(null, "path: ", scbm_patch_load(NULL, &patch));
    FAILS(null, "patch: ", scbm_patch_load("x", NULL));
    FAILS(null, "json: ", scbm_patch_from_json(NULL, 1, &patch));
    FAILS(null, "json: ", scbm_patch_from_json("\xff", 1, &patch));
    FAILS(null, "patch: ", scbm_patch_get_info(NULL, NULL));
    FAILS(null, "patch: ", scbm_patch_get_json(NULL, &text));
    FAILS(null, "model: ", scbm_model_with_patches(NULL, NULL, 0, &changed));
    FAILS(null, "patches: ", scbm_model_with_patches(model, NULL, 1, &changed));
    FAILS(null, "changed: ", scbm_model_with_patches(model, NULL, 0, NULL));
    FAILS(null, "model: ", scbm_model_get_patch_count(NULL, &count));
    FAILS(null, "count: ", scbm_model_get_patch_count(model, NULL));
    FAILS(null, "index: ", scbm_model_get_patch(model, 0, &patch));
    FAILS(null, "path: ", scbm_gradients_load(NULL, model, NULL, &other));
    FAILS(null, "model: ", scbm_gradients_load("x", NULL, NULL, &other));
    FAILS(null, "bytes: ", scbm_gradients_from_memory(NULL, 1, model, NULL, &other));
    FAILS(null, "gradients: ", scbm_gradients_get_device(NULL, &text));
    FAILS(null, "device: ", scbm_gradients_get_device(gradients, NULL));
    FAILS(null, "gradients: ", scbm_search_edit(NULL, 0, NULL, NULL, 0, NULL, 0, NULL, &edit));
    FAILS(null, "examples: ", scbm_search_edit(gradients, 0, NULL, NULL, 1, NULL, 0, NULL, &edit));
    FAILS(null, "edit: ", scbm_edit_get_info(NULL, NULL));
    FAILS(null, "edit: ", scbm_edit_get_json(NULL, &text));
    FAILS(null, "edit: ", scbm_edit_get_patch(NULL, &patch));
    FAILS(null, "edit: ", scbm_edit_get_layer(NULL, 0, NULL));
    FAILS(null, "edit: ", scbm_edit_get_change(NULL, 0, NULL));
    FAILS(null, "explanation: ", scbm_explanation_get_attribution(NULL, 0, 0, NULL));
    CHECK(patch == NULL && other == NULL && changed == NULL && edit == NULL);
}

int main(int argc, char **argv)
{
    CHECK(argc == 3);
    scbm_model *model = load(argv[1]);
    scbm_gradients *gradients = gradients_of(argv[2], model), *none = NULL;
    const char *device;
    SUCCEEDS(scbm_gradients_get_device(gradients, &device));
    CHECK(strncmp(device, "tract", 5) == 0);
    FAILS(SCBM_ERROR_FORMAT, argv[1], scbm_gradients_load(argv[1], model, NULL, &none));
    FAILS(SCBM_ERROR_FORMAT, "model: ", scbm_gradients_from_memory("x", 1, model, NULL, &none));
    are_refused(model, gradients);
    turns(model, gradients);
    is_ended(model, gradients);
    integrates(model, gradients);
    size_t length;
    char *bytes = content(argv[2], &length);
    SUCCEEDS(scbm_gradients_from_memory(bytes, length, model, NULL, &none));
    free(bytes);
    scbm_gradients_free(none);
    /* Gradients hold on to their model. */
    scbm_prediction *prediction = predict(model, TEXT);
    scbm_model_free(model);
    const scbm_prediction *examples[] = {prediction};
    size_t wanted = other_class(prediction, 2);
    scbm_edit *edit = NULL;
    SUCCEEDS(scbm_search_edit(gradients, 2, examples, &wanted, 1, NULL, 0, NULL, &edit));
    scbm_edit_free(edit);
    scbm_prediction_free(prediction);
    scbm_gradients_free(gradients);
    scbm_gradients_free(NULL);
    scbm_edit_free(NULL);
    scbm_patch_free(NULL);
    return 0;
}
